"""Turns pydantic's JSON schemas into the subset that Bedrock compiles: for `outputConfig.textFormat` and strict tools.

Bedrock answers 400 to a schema outside of the subset of draft 2020-12:
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations

A rule on the value of a field, such as a maximum or a pattern, moves into the description of the field, where the model
reads it. pydantic checks it afterwards. A schema with a structure outside of the subset has no such form.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_COPIED = {"const", "default", "description", "title", "type"}
_FORMATS = {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
# These say nothing that a model needs: the branches of a union show its discriminator.
_DROPPED = {"$comment", "$id", "$schema", "deprecated", "discriminator", "readOnly", "writeOnly"}
# They change which fields an object has, or which kinds of value a field has.
_STRUCTURES = {"additionalProperties", "enum", "if", "not", "patternProperties", "unevaluatedProperties"}
_REFERENCE = "#/$defs/"
# For all strict schemas of a request together. See "Schema complexity limits" on the second page above.
_MAX_OPTIONAL = 24
_MAX_UNIONS = 16


class _OutsideOfSubsetError(Exception):
    """The schema has no form in the subset."""


def closed_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema in the subset: all of its objects are closed, and it has no rules on values.

    Returns None if the subset has no form of it: it refers to itself, an object is open (`dict[str, int]`), a value may
    be anything, or it has more optional fields or unions than Bedrock compiles.
    """
    try:
        converted = _Converter(schema.get("$defs", {})).convert({**schema, "$defs": {}}, ())
    except _OutsideOfSubsetError:
        return None
    if converted.get("type") != "object":
        return None
    nodes = list(_nodes(converted))
    optional = sum(
        len(node["properties"].keys() - set(node.get("required", ()))) for node in nodes if _has_fields(node)
    )
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    return converted if optional <= _MAX_OPTIONAL and unions <= _MAX_UNIONS else None


class _Converter:
    """Converts one schema. It inlines references, so that no definition is left."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def convert(self, schema: Any, within: tuple[str, ...]) -> dict[str, Any]:
        """Return a schema in the subset. `within` names the definitions around it."""
        if not isinstance(schema, Mapping):  # `true` or `false`
            raise _OutsideOfSubsetError
        if "$ref" in schema:
            return self._inlined(schema, within)
        converted: dict[str, Any] = {}
        notes: list[str] = []
        for keyword, value in schema.items():
            if keyword in _COPIED:
                converted[keyword] = value
            elif keyword not in _DROPPED:
                converted |= self._keyword(keyword, value, notes, within)
        if converted.get("type") == "object":
            # Without properties and closed, it could hold nothing. pydantic writes `dict` like this.
            if "properties" not in converted and schema.get("additionalProperties") is not False:
                raise _OutsideOfSubsetError
            converted["additionalProperties"] = False
        if not converted.keys() & {"type", "enum", "const", "anyOf", "allOf"}:
            raise _OutsideOfSubsetError
        return _with_notes(converted, notes)

    def _keyword(self, keyword: str, value: Any, notes: list[str], within: tuple[str, ...]) -> dict[str, Any]:
        """Return a keyword in the subset. Add a note where a rule on the value cannot be expressed."""
        match keyword, value:
            case "properties", _:
                return {"properties": {name: self.convert(each, within) for name, each in value.items()}}
            case (("items" | "prefixItems" | "anyOf" | "oneOf" | "allOf"), _):
                return self._subschemas(keyword, value, notes, within)
            case "required", _:
                return {"required": list(value)}
            case "enum", _ if not any(isinstance(each, Mapping | list) for each in value):
                return {"enum": list(value)}
            case "format", str() if value in _FORMATS:
                return {"format": value}
            case "minItems", 0 | 1:
                return {"minItems": value}
            case ("additionalProperties", False) | ("$defs", _):
                return {}
        if keyword in _STRUCTURES:
            raise _OutsideOfSubsetError
        notes.append(f"{keyword}: {_json(value)}")
        return {}

    def _subschemas(self, keyword: str, value: Any, notes: list[str], within: tuple[str, ...]) -> dict[str, Any]:
        match keyword:
            case "items":
                # `false` ends a list of `prefixItems`.
                return {} if value is False else {"items": self.convert(value, within)}
            case "prefixItems":
                notes.append(f"the values in this order: {_json(value)}")
                return {"items": {"anyOf": [self.convert(each, within) for each in value]}}
            case "allOf":
                if len(value) != 1:
                    raise _OutsideOfSubsetError
                return self.convert(value[0], within)
        return {"anyOf": [self.convert(each, within) for each in value]}

    def _inlined(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        """Return the definition behind a reference, with the keywords beside the reference over it."""
        reference = str(schema["$ref"])
        name = reference.removeprefix(_REFERENCE).replace("~1", "/").replace("~0", "~")
        if name in within or not reference.startswith(_REFERENCE) or name not in self._definitions:
            raise _OutsideOfSubsetError
        beside = {keyword: value for keyword, value in schema.items() if keyword not in {"$ref", "$defs"}}
        return self.convert({**self._definitions[name], **beside}, (*within, name))


def _with_notes(schema: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    if not notes:
        return schema
    description = schema.get("description")
    said = "; ".join(notes)
    return {**schema, "description": f"{description} ({said})" if description else said}


def _nodes(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a converted schema and every schema within it."""
    yield schema
    inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for each in [*inside, schema["items"]] if "items" in schema else inside:
        yield from _nodes(each)


def _has_fields(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
