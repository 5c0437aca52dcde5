"""Says in sentences what is wrong in a configuration: where, what was expected, and the nearest right name."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from analysis_jobs_dev.environments.document import Key, dotted
from analysis_jobs_dev.environments.schema import BUCKET, MODULE_PATH, NAME, POLICY_ARN, REGION, ROLE, STATE_KEY

__all__ = ["nearest", "problems"]

type Schema = dict[str, Any]
type Found = tuple[Key, str]

_KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
_PATTERNS = {
    NAME: "2 to 50 small letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    REGION: 'a Region, such as "eu-west-1"',
    BUCKET: "the name of an S3 bucket: 3 to 63 small letters, digits, hyphens and dots, without s3:// or a path",
    POLICY_ARN: "the ARN of a policy: arn:aws:iam::123456789012:policy/…",
    STATE_KEY: "a key without a slash at either end",
    ROLE: "the ARN of a role: arn:aws:iam::123456789012:role/…",
    MODULE_PATH: 'the import path of a module, such as "rfp_analysis", not a file name',
}
_SHOWN = 12


def problems(value: Any, schema: Schema) -> Iterator[Found]:  # noqa: ANN401 - JSON
    """Yield the path of each problem in a JSON value, and the sentence that says what to do."""
    places = _places(schema)
    seen: set[Found] = set()
    for error in Draft7Validator(schema).iter_errors(value):
        for found in _explained(error, places):
            if found not in seen:
                seen.add(found)
                yield found


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str | None:
    """Return the known name that somebody meant: the same in another spelling, or else the most similar one."""
    plain = {_plain(each): each for each in known}
    if same := plain.get(_plain(name)):
        return same
    near = get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _explained(error: ValidationError, places: Mapping[str, list[str]]) -> Iterator[Found]:
    path: Key = tuple(error.absolute_path)
    rule: Any = error.validator_value
    instance: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties":
            for name in instance.keys() - schema.get("properties", {}).keys():
                yield (*path, name), _unknown(name, path, schema.get("properties", {}), places)
        case "required":
            for name in rule:
                if name not in instance:
                    yield path, _missing(name, path, schema)
        case "enum":
            yield _not_allowed(error, path)
        case _:
            yield path, _about_a_value(error, instance, dotted(path) or "the file", rule)


def _about_a_value(error: ValidationError, instance: Any, here: str, rule: Any) -> str:  # noqa: ANN401 - JSON
    match error.validator:
        case "type":
            return f"{here} must be {_wanted(rule)}, and is {_described(instance)}{_type_fix(instance, rule)}"
        case "pattern" if instance != instance.strip():
            return f"{here} begins or ends with a space: {instance!r}. Remove it."
        case "pattern":
            return f"{here} is {json.dumps(instance)}; give {_PATTERNS.get(rule, f'a text that fits {rule}')}."
        case "uniqueItems":
            twice = next((each for number, each in enumerate(instance) if each in instance[:number]), None)
            return f"{here} has {json.dumps(twice)} twice. Remove one."
        case "minLength":
            return f"{here} must not be empty. Give a text, or leave it out."
        case "minItems" | "minProperties":
            return f"{here} needs at least {rule}. Give that many, or leave it out."
    return f"{here}: {error.message}."


def _not_allowed(error: ValidationError, path: Key) -> Found:
    rule: Any = error.validator_value
    allowed, name = [str(each) for each in rule], str(error.instance)
    if "propertyNames" in error.absolute_schema_path:  # then `path` is that of the object
        path = (*path, name)
        what = f"the key {dotted(path)} is unknown"
    else:
        what = f"{dotted(path)} is {json.dumps(error.instance)}"
    near = nearest(name, allowed)
    return path, f"{what}. Allowed are {', '.join(allowed)}.{f' Did you mean {near}?' if near else ''}"


def _unknown(name: str, path: Key, known: Mapping[str, Schema], places: Mapping[str, list[str]]) -> str:
    """Return the sentence about a key that an object does not have."""
    what = f"the key {dotted((*path, name))} is unknown"
    if path[:1] == ("settings",):
        what += ", and Terraform would ignore it" if len(path) > 1 else ": the Terraform root has no such variable"
    elsewhere = [each for each in places.get(name, []) if each != dotted((*path, name))]
    if elsewhere:
        where = "at the top of the file" if "." not in elsewhere[0] else f"in {' or '.join(elsewhere[:2])}"
        return f"{what}. It belongs {where}."
    if near := nearest(name, known):
        return f"{what}. Did you mean {dotted((*path, near))}?"
    names = sorted(known)
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    if not names:
        return f"{what}. Remove it: nothing can be set here."
    return f"{what}. Remove it, or use one of: {', '.join(names[:_SHOWN])}{more}."


def _missing(name: str, path: Key, schema: Schema) -> str:
    wanted = schema.get("properties", {}).get(name, {})
    described = wanted.get("description", "").partition(". ")[0].rstrip(".")
    what = f" ({described})" if described else ""
    return f"{dotted((*path, name))} is missing. Add {json.dumps(name)}: {_example(wanted)}{what}."


def _example(schema: Schema) -> str:
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            inner = [
                f"{json.dumps(name)}: {_example(schema['properties'][name])}" for name in schema.get("required", ())
            ]
            return "{" + ", ".join(inner) + "}"
        case "array":
            return f"[{_example(schema['items'])}]" if isinstance(schema.get("items"), dict) else "[]"
        case "number" | "integer":
            return "1"
        case "boolean":
            return "true"
    return json.dumps(schema["examples"][0]) if schema.get("examples") else '"…"'


def _wanted(rule: str | list[str]) -> str:
    kinds = [rule] if isinstance(rule, str) else [each for each in rule if each != "null"]
    return " or ".join(_KINDS.get(each, each) for each in kinds)


def _described(value: Any) -> str:  # noqa: ANN401 - JSON
    match value:
        case None:
            return "null"
        case bool():
            return json.dumps(value)
        case str():
            return f"the text {json.dumps(value, ensure_ascii=False)}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
    return "an object"


def _type_fix(value: Any, rule: str | list[str]) -> str:  # noqa: ANN401 - JSON
    """Return the end of the sentence about a wrong type."""
    kinds = {rule} if isinstance(rule, str) else set(rule)
    match value:
        case None:
            return ". Give a value, or leave it out for the default."
        case str() if kinds & {"number", "integer"} and _is_number(value):
            return f". Write {value.strip()} without quotes."
        case str() if "boolean" in kinds and value.lower() in {"true", "false", "yes", "no", "on", "off"}:
            return f". Write {'true' if value.lower() in {'true', 'yes', 'on'} else 'false'} without quotes."
        case bool() | int() | float() if "string" in kinds:
            return f'. Write "{json.dumps(value)}".'
        case str() | int() | float() if "array" in kinds:
            return f". Write [{json.dumps(value, ensure_ascii=False)}]."
    return "."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _places(schema: Schema, path: str = "") -> dict[str, list[str]]:
    """Return where each name is a key: the paths by the name, the shortest first."""
    found: dict[str, list[str]] = {}
    inside = schema.get("properties", {})
    for name in inside:
        found.setdefault(name, []).append(f"{path}.{name}".removeprefix("."))
    deeper = [(f"{path}.{name}", each) for name, each in inside.items()]
    if isinstance(schema.get("additionalProperties"), dict):
        deeper.append((f"{path}.*", schema["additionalProperties"]))
    if isinstance(schema.get("items"), dict):
        deeper.append((f"{path}[]", schema["items"]))
    for below, each in deeper:
        for name, paths in _places(each, below).items():
            found.setdefault(name, []).extend(paths)
    return {name: sorted(paths, key=lambda each: (each.count("."), each)) for name, paths in found.items()}
