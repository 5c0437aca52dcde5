"""The demo of a project without a `demo.toml`: its API says how a job is submitted."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from analysis_jobs import Document
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.demo_file import JSON_SUFFIX, DemoFile
from analysis_jobs_dev.cloud.errors import CloudError

_NAME_OF_DOCUMENT = TypeAdapter(Document).json_schema()["pattern"]


def of(connection: Connection, document: Path) -> DemoFile:
    """Return a demo that submits the document to the first analysis of the running cloud.

    Raises CloudError if the analysis needs more than a document.
    """
    described = connection.client(connection.token()).request("GET", "/openapi.json").json()
    return described_by(described, connection.analysis, document)


def described_by(openapi: Mapping[str, Any], analysis: str, document: Path) -> DemoFile:
    """Return the demo of an API with this description. A request without a document takes a JSON document."""
    body = openapi["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    models: Mapping[str, str] = body["discriminator"]["mapping"]
    name = analysis if analysis in models else min(models)
    schema = _resolved(openapi, _resolved(openapi, {"$ref": models[name]})["properties"]["input"])
    fields = list(_fields_of_documents(openapi, schema))
    required = [field for field in fields if field in schema.get("required", ())]
    if len(required) > 1:
        raise CloudError(f"A job of {name} needs several documents, {', '.join(required)}: write a demo.toml.")
    field = next(iter([*required, *fields]), None)
    if field is None and document.suffix != JSON_SUFFIX:
        raise CloudError(f"A job of {name} takes no document: give its input as a file *.json, or write a demo.toml.")
    given = {"file": document.name, **({"input": field} if field else {})}
    return DemoFile.model_validate(
        {"shows": f"A job with {document.name}", "documents": [given], "submit": {"analysis": name}}
    )


def _fields_of_documents(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    for name, each in schema.get("properties", {}).items():
        ways = [each, *each.get("anyOf", ())]
        if any(_resolved(openapi, way).get("pattern") == _NAME_OF_DOCUMENT for way in ways):
            yield name


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow the reference of a schema to one of the components."""
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found
