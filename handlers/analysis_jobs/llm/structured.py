"""Finds the JSON objects that may be a model's structured answer: in each call of the tool, or in its text.

Models wrap an answer in several ways: they call the tool twice, send a list, write the JSON as a string, or put the
object under the name of the tool. This module undoes what the schema shows to be a wrapper. It does not decide whether
an object fits the schema: its caller tries the candidates in order.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Tool

_FENCES = (  # the second one is for JSON that contains a fence itself
    re.compile(r"```[a-z]*\s*([\[{].*?)\s*```", re.DOTALL | re.IGNORECASE),
    re.compile(r"```[a-z]*\s*([\[{].*[\]}])\s*```", re.DOTALL | re.IGNORECASE),
)
_MAX_WRAPPERS = 4  # wrappers within wrappers that are removed
# Names under which models put the whole object, beside the name of the tool.
_WRAPPERS = frozenset(
    ["answer", "arguments", "args", "data", "input", "json", "output", "parameters", "params", "response", "result"]
)
# The fields of a tool call, in the words of several vendors. Some models write the whole call as the tool's input.
_CALL_INPUTS = frozenset(["input", "arguments", "args", "parameters", "params"])
_CALL_FIELDS = _CALL_INPUTS | frozenset(["type", "id", "name", "tool", "toolname", "function", "tooluseid"])


@dataclass(frozen=True)
class Structured:
    """The objects that may be the answer, the best one first. They are lists if the schema is that of a list.

    `problem` says what is wrong with the answer as a whole. It is empty for one well-formed object.
    """

    candidates: tuple[Any, ...]
    problem: str = ""


def from_calls(inputs: Sequence[str], text: str, tool: Tool) -> Structured:
    """Read the calls of a tool, in order.

    `inputs` are the inputs of the calls, as JSON text. An empty one is an empty object, because Bedrock streams an
    empty object without any piece. `text` is the text beside the calls; it counts only if no call has a value.
    """
    found: list[Any] = []
    problems = [f"{tool.name} was called {len(inputs)} times, not once"] if len(inputs) > 1 else []
    for written in inputs:
        objects, problem = _read(written, tool) if written.strip() else ([{}], f"{tool.name} was called without input")
        found += objects
        problems += [problem] if problem else []
    if not any(found):
        found = [*_in_text(text, tool), *found]
    return Structured(_distinct(found), "; ".join(problems))


def from_text(text: str, tool: Tool) -> Structured:
    """Read an answer without a call of the tool: the whole text, or the fenced blocks of code in it."""
    found = list(_in_text(text, tool))
    if found:
        return Structured(_distinct(found))
    if not text.strip():
        return Structured((), "the answer is empty")
    is_json = text.lstrip().startswith(("{", "[", '"'))
    return Structured((), _read(text, tool)[1] if is_json else "the answer is text without a JSON object")


def _in_text(text: str, tool: Tool) -> Iterator[Any]:
    whole, _ = _read(text, tool)
    yield from whole
    if not whole:
        for fence in _FENCES:
            for block in fence.finditer(text):
                yield from _read(block[1], tool)[0]


def _read(written: str, tool: Tool) -> tuple[list[Any], str]:
    """Return the objects in a JSON text without their wrappers, and what is wrong with the text."""
    try:
        value = from_json(written, allow_inf_nan=False)
    except ValueError as error:
        return [], f"the answer is not valid JSON: {error}"
    return _objects(value, tool, _MAX_WRAPPERS)


def _objects(value: Any, tool: Tool, wrappers_left: int) -> tuple[list[Any], str]:
    if wrappers_left < 0:
        return [], "the answer is wrapped too many times"
    match value:
        case str():
            try:
                return _objects(from_json(value, allow_inf_nan=False), tool, wrappers_left - 1)
            except ValueError:
                return [], "the answer is a string, not a JSON object"
        case list():
            return _objects_of_list(value, tool, wrappers_left)
        case dict():
            return _objects_of_dict(value, tool, wrappers_left)
    kind = {type(None): "null", bool: "a truth value"}.get(type(value), "a number")
    return [], f"the answer is {kind}, not a JSON object"


def _objects_of_list(value: list[Any], tool: Tool, wrappers_left: int) -> tuple[list[Any], str]:
    """Return the objects for a list: the schema's only property if that is a list, and the only value of the list."""
    schema = _resolved(tool.schema)
    if schema.get("type") == "array":
        return [value], ""
    problem = f"the answer is a list of {len(value)} values, not one object"
    properties = schema.get("properties", {})
    as_property: list[Any] = [
        {name: value} for name, each in properties.items() if each.get("type") == "array" and len(properties) == 1
    ]
    inside, _ = _objects(value[0], tool, wrappers_left - 1) if len(value) == 1 else ([], "")
    found = as_property + inside
    return found, "" if found else problem


def _objects_of_dict(value: dict[str, Any], tool: Tool, wrappers_left: int) -> tuple[list[Any], str]:
    """Return the object, and the object that it may wrap. The schema knows none of a wrapper's names."""
    if not value or value.keys() & _property_names(tool.schema):
        return [value], ""
    names = {_folded(name): inner for name, inner in value.items()}
    if len(names) == 1:
        inner = next(iter(names.values()))
        is_known = names.keys() <= {*_WRAPPERS, _folded(tool.name)}
    else:
        inputs = [name for name in names if name in _CALL_INPUTS]
        is_known = names.keys() <= _CALL_FIELDS and len(inputs) == 1
        inner = names[inputs[0]] if is_known else None
    found, problem = _objects(inner, tool, wrappers_left - 1) if isinstance(inner, dict | list | str) else ([], "")
    # Where the schema allows any name, a wrapper cannot be told from an answer.
    if is_known and found and not _allows_any_name(tool.schema):
        return [*found, value], problem
    return [value, *found], ""


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema behind a reference: the schema of a recursive model refers to one of its `$defs`."""
    for _ in range(_MAX_WRAPPERS):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
        definitions = schema.get("$defs", {})
        schema = {"$defs": definitions, **definitions.get(name, {})}
    return schema


def _property_names(schema: Mapping[str, Any]) -> set[str]:
    schema = _resolved(schema)
    names = set(schema.get("properties", ()))
    for keyword in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(keyword, ()):
            names |= _property_names({"$defs": schema.get("$defs", {}), **each})
    return names


def _allows_any_name(schema: Mapping[str, Any]) -> bool:
    schema = _resolved(schema)
    return bool(schema.get("additionalProperties") or schema.get("patternProperties"))


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _distinct(found: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(each for number, each in enumerate(found) if each not in found[:number])
