"""JSON schemas as Gemini takes them: a part of what pydantic writes. What is left out, pydantic checks afterwards."""

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
    """Return a pydantic model's JSON schema as `responseJsonSchema` takes it; references and nullable types stay.

    Beside a reference Gemini takes nothing else, and of constraints few: `pattern`, `exclusiveMinimum`, `default` and
    the like go. A `const` becomes an `enum` of one.
    """
    found = _converted(schema)
    return found | {"description": description} if description and "$ref" not in found else found


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "$defs" in schema:
        found["$defs"] = {name: _converted(each) for name, each in schema["$defs"].items()}
    if "$ref" in schema:
        return found | {"$ref": schema["$ref"]}
    for keyword, value in schema.items():
        if keyword in _KEYWORDS or (keyword == "format" and value in _FORMATS):
            found[keyword] = value
        elif keyword == "const":
            found["enum"] = [value]
        elif keyword in _SCHEMAS:
            found[keyword] = _converted(value) if isinstance(value, Mapping) else value
        elif keyword in _LISTS_OF_SCHEMAS:
            found[keyword] = [_converted(each) for each in value]
        elif keyword in _MAPS_OF_SCHEMAS:
            found[keyword] = {name: _converted(each) for name, each in value.items()}
    return found
