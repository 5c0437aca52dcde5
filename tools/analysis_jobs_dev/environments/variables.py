"""Reads the variables of a Terraform root, with their types as JSON schemas.

Terraform converts between text, numbers and booleans, and drops the attributes of an object that its type does not
have. The schemas do neither: they accept exactly what the type names.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from hcl2.rules.containers import ObjectRule, TupleRule
from hcl2.rules.functions import FunctionCallRule
from lark.exceptions import LarkError

from analysis_jobs_dev.module_interface import blocks, function_name, key_text, unwrap

__all__ = ["UnreadableRootError", "Variable", "given_names", "has_argument", "nullable", "read", "type_schema"]

type Schema = dict[str, Any]

_HEREDOC = re.compile(r"<<-?(\w+)\n(.*?)\n?\s*\1", re.DOTALL)
# Blocks in the layout of `terraform fmt`.
_VARIABLE = re.compile(r'^variable\s+"\w+"\s*\{.*?^\}\n', re.MULTILINE | re.DOTALL)
_VALIDATION = re.compile(r"^  validation\s*\{.*?^  \}\n", re.MULTILINE | re.DOTALL)
_SIMPLE: Mapping[str, Schema] = {
    "any": {},
    "bool": {"type": "boolean"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    # Without the type of their elements, as Terraform before 0.12 wrote them.
    "list": {"type": "array"},
    "map": {"type": "object"},
    "set": {"type": "array"},
}


class UnreadableRootError(Exception):
    """A file of the root is not Terraform configuration. The message names the file and the line."""


@dataclass(frozen=True)
class Variable:
    """A variable of a Terraform root. `schema` describes its values, null included if it may be null."""

    name: str
    schema: Schema
    is_required: bool
    is_sensitive: bool


def read(root: Path) -> dict[str, Variable]:
    """Return the variables of the root in a folder, by name.

    Raises `UnreadableRootError` for a file that Terraform would not read either.
    """
    found = {}
    for path in sorted(root.glob("*.tf")):
        text = path.read_text("utf-8")
        if re.search(r"^\s*variable\s", text, re.MULTILINE):
            found.update({each.name: each for each in _of_hcl(path, text)})
    for path in sorted(root.glob("*.tf.json")):
        found.update({each.name: each for each in _of_json(path)})
    return dict(sorted(found.items()))


def given_names(root: Path) -> set[str]:
    """Return the names of the variables that files of the root set: `terraform.tfvars` and `*.auto.tfvars`."""
    found: set[str] = set()
    for path in [root / "terraform.tfvars", *root.glob("*.auto.tfvars")]:
        if path.is_file():
            found |= set(re.findall(r"^(\w+)\s*=", path.read_text("utf-8"), re.MULTILINE))
    for path in [root / "terraform.tfvars.json", *root.glob("*.auto.tfvars.json")]:
        if path.is_file():
            found |= set(_json(path))
    return found


def has_argument(root: Path, call: str, argument: str) -> bool:
    """Tell whether the block of a module in a root has an argument. Raises `UnreadableRootError`."""
    for path in sorted(root.glob("*.tf")):
        try:
            found = list(blocks(path.read_text("utf-8")))
        except LarkError as error:
            raise UnreadableRootError(f"{path} is not Terraform configuration: {error}") from error
        if any(each.kind == "module" and each.labels == (call,) and argument in each.attributes for each in found):
            return True
    return False


def type_schema(type_: str) -> Schema:
    """Return the JSON schema of a type expression, such as `object({ lease_s = optional(number) })`.

    Raises `ValueError` if it is not a type.
    """
    try:
        [block] = blocks(f'variable "x" {{\n  type = {type_}\n}}\n')
    except LarkError as error:
        raise ValueError(f"{type_!r} is not a type of Terraform") from error
    return _schema(block.attributes["type"].expression)


def nullable(schema: Schema) -> Schema:
    """Return the schema with null among its values."""
    if "type" not in schema:
        return schema
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema["type"], str) else schema


def _of_hcl(path: Path, text: str) -> Iterator[Variable]:
    try:
        found = list(blocks(text))
    except LarkError as error:
        # python-hcl2 does not know every expression that Terraform knows. Those of other blocks do not matter.
        try:
            found = [block for each in _VARIABLE.findall(text) for block in blocks(_VALIDATION.sub("", each))]
        except LarkError:
            found = []
        if not found:
            line = getattr(error, "line", 1)
            message = f"{path}:{line}: this is not valid HCL. `terraform validate` says more."
            raise UnreadableRootError(message) from error
    for block in found:
        if block.kind != "variable":
            continue
        fields = {name: unwrap(attribute.expression) for name, attribute in block.attributes.items()}
        yield Variable(
            block.labels[0],
            _described(
                _schema(fields["type"]) if "type" in fields else {},
                _text(fields.get("description")),
                is_nullable=not _is(fields.get("nullable"), value=False),
            ),
            is_required="default" not in fields,
            is_sensitive=_is(fields.get("sensitive"), value=True),
        )


def _of_json(path: Path) -> Iterator[Variable]:
    for name, block in _json(path).get("variable", {}).items():
        yield Variable(
            name,
            _described(
                type_schema(block["type"]) if "type" in block else {},
                str(block.get("description", "")),
                is_nullable=block.get("nullable", True),
            ),
            is_required="default" not in block,
            is_sensitive=block.get("sensitive", False),
        )


def _described(schema: Schema, description: str, *, is_nullable: bool) -> Schema:
    schema = nullable(schema) if is_nullable else schema
    return {"description": description, **schema} if description else schema


def _schema(expression: object) -> Schema:
    """Return the schema of a type expression. An unknown one accepts everything: Terraform refuses it."""
    value = unwrap(expression)
    if not isinstance(value, FunctionCallRule) or value.arguments is None:
        return dict(_SIMPLE.get(_serialized(value).strip('"'), {}))
    [inner, *_] = value.arguments.arguments
    match function_name(value):
        case "optional":
            return nullable(_schema(inner))
        case "list":
            return {"type": "array", "items": _schema(inner)}
        case "set":
            return {"type": "array", "items": _schema(inner), "uniqueItems": True}
        case "map":
            return {"type": "object", "additionalProperties": _schema(inner)}
        case "tuple" if isinstance(members := unwrap(inner), TupleRule):
            items = [_schema(each) for each in members.elements]
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        case "object" if isinstance(fields := unwrap(inner), ObjectRule):
            return _object({key_text(each.key) or "": each.expression for each in fields.elements})
    return {}


def _object(fields: Mapping[str, object]) -> Schema:
    required = sorted(name for name, expression in fields.items() if not _is_optional(expression))
    return {
        "type": "object",
        "properties": {name: _schema(expression) for name, expression in sorted(fields.items())},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _is_optional(expression: object) -> bool:
    value = unwrap(expression)
    return isinstance(value, FunctionCallRule) and function_name(value) == "optional"


def _is(expression: object, *, value: bool) -> bool:
    return expression is not None and _serialized(expression).lower() == str(value).lower()


def _text(expression: object) -> str:
    """Return the text of a description, on one line."""
    if expression is None:
        return ""
    text = _serialized(expression)
    if heredoc := _HEREDOC.search(text):
        text = textwrap.dedent(heredoc[2])
    elif text.startswith('"'):
        text = str(hcl2.loads(f"x = {text}\n")["x"]).strip('"').replace('\\"', '"').replace("\\\\", "\\")
    return " ".join(text.split()).replace("$${", "${").replace("%%{", "%{")


def _serialized(expression: object) -> str:
    serialize = getattr(expression, "serialize", None)
    return str(serialize()) if serialize else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise UnreadableRootError(f"{path}:{error.lineno}: this is not JSON: {error.msg}.") from error
    return content
