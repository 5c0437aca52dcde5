"""Reads the variables of a Terraform module: which settings it has, and which attributes their objects have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import hcl2
from hcl2.rules.base import AttributeRule, BlockRule, BodyRule
from hcl2.rules.containers import ObjectElemKeyRule, ObjectRule
from hcl2.rules.expressions import ExprTermRule
from hcl2.rules.functions import FunctionCallRule

if TYPE_CHECKING:
    from hcl2.rules.literal_rules import IdentifierRule
    from hcl2.rules.strings import StringRule

__all__ = ["Type", "blocks", "function_name", "key_text", "read_variables", "unwrap"]

# A file takes up to half a second to parse, and a command reads the same files several times.
_KEPT_FILES = 256


@dataclass(frozen=True)
class Type:
    """The type of a variable, as far as objects are concerned.

    `attributes` are those of an object, None for any other type. `elements` is the type of the elements of a map, a
    list or a set, None for any other type.
    """

    attributes: Mapping[str, Type] | None = None
    elements: Type | None = None


@dataclass(frozen=True)
class Block:
    """A block of a file: its type, its labels, and its attributes by name."""

    kind: str
    labels: tuple[str, ...]
    attributes: Mapping[str, AttributeRule] = field(repr=False)


def read_variables(module: Path) -> dict[str, Type]:
    """Return the types of the variables of the module in a folder, by name.

    Raises `OSError` if the folder cannot be read, and lark's errors if a file is not valid HCL.
    """
    return {
        block.labels[0]: _parse_type(block.attributes["type"].expression) if "type" in block.attributes else Type()
        for path in sorted(module.glob("*.tf"))
        if 'variable "' in (text := path.read_text(encoding="utf-8"))
        for block in blocks(text)
        if block.kind == "variable"
    }


@lru_cache(maxsize=_KEPT_FILES)
def blocks(text: str) -> tuple[Block, ...]:
    """Return the top-level blocks of a file. Raises lark's errors if the text is not valid HCL."""
    return tuple(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    for child in hcl2.parses(text, discard_comments=True).body.children:
        if isinstance(child, BlockRule):
            kind, *labels = (_label(label) for label in child.labels)
            yield Block(kind, tuple(labels), _attributes(child.body))


def _attributes(body: BodyRule) -> dict[str, AttributeRule]:
    found = [child for child in body.children if isinstance(child, AttributeRule)]
    return {str(each.identifier.serialize()): each for each in found}


def _label(label: IdentifierRule | StringRule) -> str:
    return str(label.serialize()).strip('"')


def unwrap(expression: object) -> object:
    """Return an expression without the terms and parentheses around it."""
    while isinstance(expression, ExprTermRule):
        expression = expression.expression
    return expression


def function_name(call: FunctionCallRule) -> str:
    """Return the name of the function that is called."""
    return "::".join(str(part.serialize()) for part in call.identifiers)


def key_text(key: object) -> str | None:
    """Return the key of an element of an object, None if it is computed."""
    if not isinstance(key, ObjectElemKeyRule):
        return None
    text = str(key.serialize()).strip('"')
    return None if "${" in text else text


def _parse_type(expression: object) -> Type:
    call = unwrap(expression)
    if not isinstance(call, FunctionCallRule) or call.arguments is None:
        return Type()
    [inner, *_] = call.arguments.arguments
    match function_name(call):
        case "optional":
            return _parse_type(inner)
        case "map" | "list" | "set":
            return Type(elements=_parse_type(inner))
        case "object" if isinstance(fields := unwrap(inner), ObjectRule):
            return Type({key_text(each.key) or "": _parse_type(each.expression) for each in fields.elements})
    return Type()
