"""The subset of JSON Schema draft 2020-12 that Bedrock compiles: what it refuses, in the vendor's words where known.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_ANNOTATIONS: Final = {"default", "description", "title"}
_REFERENCES: Final = {"$defs", "$ref", "definitions"}
_RULES: Final = {"const", "enum", "format", "minItems", "required", "type"}
_SUBSCHEMAS: Final = {"additionalProperties", "allOf", "anyOf", "items", "properties"}
_KEYWORDS: Final = _ANNOTATIONS | _REFERENCES | _RULES | _SUBSCHEMAS
_FORMATS: Final = frozenset(
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"]
)
_MOST_OPTIONAL: Final = 24
_MOST_UNIONS: Final = 16


def violation(schema: Any) -> str:  # noqa: ANN401 - JSON, or a text of it
    """Return why Bedrock refuses a schema; empty where it takes it."""
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError:
            return "The schema is not valid JSON"
    if not isinstance(schema, dict):
        return "The schema is not a JSON object"
    found = next(_violations(schema, schema, ()), "")
    return found or _complexity(schema)


def _violations(schema: Any, root: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401 - JSON
    if not isinstance(schema, dict):
        yield "Boolean schemas are not supported"
        return
    kind = schema.get("type")
    if unknown := sorted(schema.keys() - _KEYWORDS):
        yield f"For '{kind}' type, properties {', '.join(unknown)} are not supported"
    if not schema.keys() & {"type", "$ref", "enum", "const", "anyOf", "allOf"}:
        yield "Schema must have a 'type', '$ref', 'enum', 'const', 'anyOf' or 'allOf'"
    yield from _wrong_values(schema)
    if reference := schema.get("$ref"):
        name = str(reference).removeprefix("#/$defs/")
        definition = (root.get("$defs") or {}).get(name)
        if definition is None:
            yield f"Reference '{reference}' is not supported"
        elif name in within:
            yield f"Circular reference detected in schema definitions: {name}"
        else:
            yield from _violations(definition, root, (*within, name))
    for each in _inside(schema):
        yield from _violations(each, root, within)


def _wrong_values(schema: Mapping[str, Any]) -> Iterator[str]:
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if schema.get("minItems", 0) not in (0, 1):
        yield f"For 'array' type, 'minItems' values other than 0 or 1 are not supported: {schema['minItems']}"
    if "format" in schema and schema["format"] not in _FORMATS:
        yield f"For 'string' type, format '{schema['format']}' is not supported"
    if any(isinstance(value, dict | list) for value in schema.get("enum", ())):
        yield "Enum values must be strings, numbers, booleans or null"


def _complexity(schema: Mapping[str, Any]) -> str:
    nodes = list(_nodes(schema))
    optional = sum(len((node.get("properties") or {}).keys() - set(node.get("required") or ())) for node in nodes)
    if optional > _MOST_OPTIONAL:
        return f"Schemas contain too many optional parameters ({optional}). The limit is {_MOST_OPTIONAL}."
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    if unions > _MOST_UNIONS:
        return f"Schemas contain too many parameters with union types ({unions}). The limit is {_MOST_UNIONS}."
    return ""


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(schema, dict):
        yield schema
        for each in (*_inside(schema), *(schema.get("$defs") or {}).values()):
            yield from _nodes(each)


def _inside(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from (schema.get("properties") or {}).values()
    for keyword in ("anyOf", "allOf"):
        yield from schema.get(keyword) or ()
    if "items" in schema:
        yield schema["items"]
