"""Checks the answers of an API against its own OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

from tests.handlers.events import Answer

# These headers describe the body. The document describes them under `content`.
_OF_THE_BODY = {"content-type"}


class Documented:
    """An OpenAPI document with look-ups and validation."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._validators: dict[str, OAS31Validator] = {}
        # Match as the resolver does: paths without parameters first.
        paths = sorted(document["paths"], key=lambda path: "{" in path)
        self._patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the operation that documents a call, or None."""
        for template, pattern in self._patterns.items():
            if pattern.fullmatch(path) and method.lower() in self.document["paths"][template]:
                found: dict[str, Any] = self.document["paths"][template][method.lower()]
                return found
        return None

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Fail unless the document describes this answer for this call."""
        operation = self.operation(method, path)
        if operation is None:
            assert answer.status == 404, f"{method} {path} is not in the document"
            return
        assert str(answer.status) in operation["responses"], f"{answer.status} of {method} {path} is undocumented"
        said = self.found(operation["responses"][str(answer.status)])
        named = {name.lower() for name in said.get("headers", {})}
        assert answer.headers.keys() - _OF_THE_BODY <= named, "the answer has an undocumented header"
        content = said.get("content", {})
        if not content:
            assert answer.body == ""
            return
        schema = content[answer.headers["content-type"]]["schema"]
        self.validate(schema, answer.json)

    def found(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resolve a reference. Return any other value unchanged."""
        if "$ref" not in value:
            return value
        found: Any = self.document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self.found(found)

    def validate(self, schema: Mapping[str, Any], value: Any) -> None:
        """Fail unless the value is valid for a schema of the document."""
        errors = [f"{error.json_path}: {error.message}" for error in self.validator(schema).iter_errors(value)]
        assert errors == []

    def fits(self, schema: Mapping[str, Any], value: Any) -> bool:
        """Return whether a value is valid for a schema of the document."""
        return bool(self.validator(schema).is_valid(value))

    def validator(self, schema: Mapping[str, Any]) -> OAS31Validator:
        """Return a validator for a schema. References resolve within the document."""
        key = repr(schema)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = OAS31Validator(whole, format_checker=oas31_format_checker)
        return self._validators[key]
