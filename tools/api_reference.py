"""Writes the page of the documentation site about the HTTP API, from the OpenAPI document of an example.

    python tools/api_reference.py .local/docs/http-api.md

`make docs` runs it. A deployment returns the document of its own analyses at `GET /openapi.json`.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis_jobs.api.openapi import document
from analysis_jobs.authoring.analysis import load_analyses
from analysis_jobs.base.settings import Settings

EXAMPLE = "rfp_analysis"
_INTRODUCTION = """# HTTP API reference

This page is made from the OpenAPI document of the example `{example}`, which adds the routes of its own analysis. A
deployment describes its own analyses at `GET /openapi.json`. [Call the HTTP API](../../docs/call/index.md) explains how
the calls work together.
"""

type Schema = Mapping[str, Any]


def page(api: Schema, example: str) -> str:
    """Return an OpenAPI document as a page of Markdown."""
    parts = [_INTRODUCTION.format(example=example.replace("_", "-")), "## Calls\n"]
    for path, item in api["paths"].items():
        for method, operation in item.items():
            parts.append("\n".join(_operation(f"{method.upper()} {path}", operation, api)))
    parts.append("## Schemas\n")
    parts += ["\n".join(_schema(name, schema)) for name, schema in sorted(api["components"]["schemas"].items())]
    return "\n".join(parts)


def _operation(route: str, operation: Schema, api: Schema) -> Iterator[str]:
    yield f"### `{route}`\n"
    yield f"{operation['summary']}\n"
    parameters = [_resolved(parameter, api) for parameter in operation.get("parameters", [])]
    if parameters:
        rows = [
            (f"`{each['name']}`", each["in"], _type(each["schema"]), each.get("description", "")) for each in parameters
        ]
        yield from _table(("parameter", "in", "type", "meaning"), rows)
    if body := operation.get("requestBody"):
        yield f"The body: {_contents(body)}.\n"
    answers = []
    for status, given in operation["responses"].items():
        answer = _resolved(given, api)
        headers = ", ".join(f"`{name}`" for name in answer.get("headers", {}))
        answers.append((status, answer["description"], _contents(answer), headers))
    yield from _table(("status", "meaning", "body", "headers"), answers)


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if description := schema.get("description"):
        yield f"{_one_line(description)}\n"
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", _type(each), "yes" if field in required else "no", _one_line(each.get("description", "")))
        for field, each in schema.get("properties", {}).items()
    ]
    if rows:
        yield from _table(("field", "type", "required", "meaning"), rows)
    else:
        yield f"{_type(schema)}\n"


def _resolved(given: Schema, api: Schema) -> Schema:
    reference = given.get("$ref")
    if reference is None:
        return given
    kind, name = reference.split("/")[-2:]
    resolved: Schema = api["components"][kind][name]
    return resolved


def _contents(given: Schema) -> str:
    return " or ".join(dict.fromkeys(_type(content["schema"]) for content in given.get("content", {}).values()))


def _type(schema: Schema) -> str:
    """Return a short description of a schema's type, with links to named schemas."""
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{re.sub(r'[^\w-]', '', name).lower()})"
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(dict.fromkeys(map(_type, choices)))
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": dict() as values} if values:
            return f"object of {_type(values)}"
        case {"type": str(name)}:
            return f"{name} ({schema['format']})" if "format" in schema else name
        case _:
            return "any JSON"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '\\|') for cell in row)} |"
    yield ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="Markdown file to write")
    file: Path = parser.parse_args(arguments).file
    settings = Settings.model_validate(
        {
            "analyses": EXAMPLE,
            "table_name": "jobs",
            "bucket_name": "artifacts",
            "queue_urls": {lane: f"https://sqs/1/{lane}" for lane in ("high", "medium", "low")},
            "code_version": "",
        }
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(document(load_analyses(EXAMPLE), settings), EXAMPLE), encoding="utf-8")


if __name__ == "__main__":
    main()
