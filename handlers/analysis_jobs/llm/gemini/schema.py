"""Turns pydantic's JSON schemas into schemas for Gemini, which supports a part of JSON Schema.

pydantic validates the answer against the complete schema afterwards.
"""

from collections.abc import Mapping
from typing import Any

# https://ai.google.dev/api/generate-content#GenerationConfig, responseJsonSchema
_KEYWORDS = {
    "description",
    "enum",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "required",
    "title",
    "type",
}
_FORMATS = {"date", "date-time", "time"}
_SCHEMAS = {"additionalProperties", "items"}
_LISTS_OF_SCHEMAS = {"anyOf", "oneOf", "prefixItems"}
_MAPS_OF_SCHEMAS = {"$defs", "properties"}


def response_schema(schema: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """Return a pydantic model's JSON schema in the form of `responseJsonSchema`.

    References and nullable types stay. Gemini accepts no other keyword beside a reference. It accepts few constraints:
    `pattern`, `exclusiveMinimum`, `default` and others are dropped. A `const` becomes an `enum` with one value.
    """
    converted = _convert(schema)
    return converted | {"description": description} if description and "$ref" not in converted else converted


def _convert(schema: Mapping[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    if "$defs" in schema:
        converted["$defs"] = {name: _convert(each) for name, each in schema["$defs"].items()}
    if "$ref" in schema:
        return converted | {"$ref": schema["$ref"]}
    for keyword, value in schema.items():
        if keyword in _KEYWORDS or (keyword == "format" and value in _FORMATS):
            converted[keyword] = value
        elif keyword == "const":
            converted["enum"] = [value]
        elif keyword in _SCHEMAS:
            converted[keyword] = _convert(value) if isinstance(value, Mapping) else value
        elif keyword in _LISTS_OF_SCHEMAS:
            converted[keyword] = [_convert(each) for each in value]
        elif keyword in _MAPS_OF_SCHEMAS:
            converted[keyword] = {name: _convert(each) for name, each in value.items()}
    return converted
