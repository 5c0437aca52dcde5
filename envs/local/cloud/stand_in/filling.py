"""Fills a JSON schema (pydantic's `model_json_schema`) from a document's own words."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cloud.stand_in.chats import as_item, findings, messages_in, style
from cloud.stand_in.field_values import SIGNATURE, FieldValues, address_pattern
from cloud.stand_in.json_types import Json, Schema
from cloud.stand_in.matching import Wanted
from cloud.stand_in.reading import Document, clipped, read, stems
from cloud.stand_in.tables import rows_about
from cloud.stand_in.typed_values import dates

NOT_STATED: Final = "not stated in the document"
_MAX_DEPTH = 6
_OF_STYLE: Final = stems("style tone writing manner")
_MAX_ITEMS = 20
_MAX_ROWS = 200  # of a table
_MOST_CHARS = 2_000
_UNKNOWN_MEMBERS: Final = frozenset({"other", "unknown", "none", "not_stated", "unspecified", "n/a"})
_UNREADABLE_FORMATS: Final = frozenset({"uuid", "binary", "time", "duration"})
_DATE_FORMATS: Final = frozenset({"date", "date-time"})


class _Missing:
    """The document has no value for a field: unlike None, which may be the field's value."""


_MISSING: Final = _Missing()


def fill(schema: Schema, document_text: str) -> Json:
    """Return a value that fits the schema and holds what the document says about each field.

    What it does not say is None or left out where the schema allows that, else `NOT_STATED`, an empty list, or the
    smallest number or earliest date that fits.
    """
    return json.loads(_filled(json.dumps(schema), document_text))


@lru_cache(maxsize=128)
def _filled(schema_json: str, document_text: str) -> str:
    schema = json.loads(schema_json)
    found = _Filler(read(document_text), schema.get("$defs", {})).value(schema, Wanted(""), 0)
    return json.dumps({} if found is _MISSING else found)


class _Filler:
    """Walks a schema over one document, or over one line of it: an item of a list."""

    def __init__(self, document: Document, definitions: Schema, line: str = "") -> None:
        self.document = document
        self.definitions = definitions
        self.line = line
        self.read = FieldValues(document, line)

    def value(self, schema: Schema, wanted: Wanted, depth: int) -> Json:
        """Return the value, or `_MISSING` where the document has none."""
        schema = self._resolved(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        kind = schema.get("type")
        if isinstance(kind, list):
            options = [{**schema, "type": each} for each in kind]
        if options:
            return self._one_of(options, wanted, depth)
        if "const" in schema:
            return schema["const"]
        if kind == "object" or "properties" in schema:
            return self._object(schema, wanted, depth)
        if kind == "array":
            return self._array(schema, wanted, depth)
        found = self._scalar(schema, wanted)
        return _MISSING if found is None and kind != "null" else found

    def _scalar(self, schema: Schema, wanted: Wanted) -> Json:
        kind = schema.get("type")
        if "enum" in schema:
            return self.read.member(schema["enum"], wanted)
        if kind == "null":
            return None
        if kind == "boolean":
            return self.read.boolean(wanted)
        if kind in {"number", "integer"}:
            number = self.read.number(wanted, lambda value: _fits(value, schema))
            return int(number) if number is not None and number.is_integer() else number
        return self._string(schema, wanted)

    def _string(self, schema: Schema, wanted: Wanted) -> str | None:
        form = str(schema.get("format", "date" if "YYYY-MM-DD" in wanted.description else ""))
        if form in _DATE_FORMATS:
            return self.read.day(wanted) if form == "date" else self.read.moment(wanted)
        if address_pattern(form, wanted):
            return self.read.address(form, wanted)
        if wanted.words & _OF_STYLE and not self.line and (messages := messages_in(self.document.text)):
            return _shortened(style(messages), schema.get("maxLength", _MOST_CHARS))
        text = None if form in _UNREADABLE_FORMATS else self.read.text(wanted)
        if not text or len(text) < schema.get("minLength", 0):
            return None
        if "pattern" in schema and not re.search(schema["pattern"], text):
            return None
        return _shortened(text, schema.get("maxLength", _MOST_CHARS))

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema or "allOf" in schema:
            own = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
            parts = list(schema.get("allOf", ()))
            if "$ref" in schema:
                parts.append(self.definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}))
            schema = {key: value for part in (*parts, own) for key, value in part.items()}
        return schema

    def _one_of(self, options: list[Schema], wanted: Wanted, depth: int) -> Json:
        real = [each for each in map(self._resolved, options) if each.get("type") != "null"]
        nullable = len(real) < len(options)
        if any(each.get("type") == "number" for each in real):
            # A Decimal is a number or a string of digits: the string would say nothing new.
            real = [each for each in real if each.get("type") != "string"]
        for option in real if depth < _MAX_DEPTH or not nullable else ():
            found = self.value(option, wanted, depth)
            if found is not _MISSING and not (nullable and _is_empty(found)):
                return found
        return None if nullable else _MISSING

    def _object(self, schema: Schema, wanted: Wanted, depth: int) -> Json:
        properties: Schema = schema.get("properties", {})
        if not properties:
            return self._pairs(schema)
        filled = {}
        for name, part in properties.items():
            resolved = self._resolved(part)
            inner = Wanted(name, str(resolved.get("description", "")), f"{wanted.parents} {wanted.name}".strip())
            found = self.value(resolved, inner, depth + 1)
            if found is _MISSING and name in schema.get("required", ()):
                if self.line and resolved.get("type") != "string":
                    return _MISSING  # a line without the date or number of a list's items is none of them
                found = self._least(resolved, depth + 1)
            if found is not _MISSING:
                filled[name] = found
        return filled | self._confidence(properties, filled)

    def _confidence(self, properties: Schema, filled: Mapping[str, Json]) -> dict[str, Json]:
        """Return how sure an object is, where it wants to know: the share of its other fields that the document has."""
        numbers = {name for name, part in properties.items() if _is_share(self._resolved(part))}
        wants = [name for name in numbers if "confidence" in name and filled.get(name) in (0, None)]
        others = properties.keys() - set(wants)
        if not wants or not others:
            return {}
        share = sum(not _is_unknown(filled.get(name)) for name in others) / len(others)
        return dict.fromkeys(wants, round(0.4 + 0.55 * share, 2)) if share else {}

    def _pairs(self, schema: Schema) -> dict[str, Json]:
        """Return what the document itself labels, for an object without properties of its own."""
        wants = schema.get("additionalProperties")
        item = self._resolved(wants) if isinstance(wants, Mapping) else {}
        pairs: dict[str, Json] = {}
        for admission_write in self.document.passages:
            key = re.sub(r"\W+", "_", admission_write.label.lower()).strip("_")
            if key and key not in pairs and len(pairs) < _MAX_ITEMS:
                found = self._of_line(item, admission_write.text, Wanted(key), 1)
                if found is not _MISSING:
                    pairs[key] = found
        return pairs

    def _array(self, schema: Schema, wanted: Wanted, depth: int) -> Json:
        if "prefixItems" in schema:
            return self._tuple(schema["prefixItems"], wanted, depth)
        item = self._items(schema)
        if not self.line and (rows := rows_about(self.document.text, item.get("properties", {}))):
            return [self._row(item, row, depth + 1) for row in rows][
                : min(schema.get("maxItems", _MAX_ROWS), _MAX_ROWS)
            ]
        most = min(schema.get("maxItems", _MAX_ITEMS), _MAX_ITEMS)
        if seen := self._seen_in_chat(item, wanted):
            return seen[:most]
        found: list[Json] = []
        for line in self._lines_about(wanted, item) if depth < _MAX_DEPTH else ():
            each = self._of_line(item, line, wanted, depth + 1)
            if each is not _MISSING and not _is_empty(each) and each not in found:
                found.append(each)
        return found[:most] + self._least_items(schema, depth)[len(found) :]

    def _seen_in_chat(self, item: Schema, wanted: Wanted) -> list[Json]:
        messages = [] if self.line else messages_in(self.document.text)
        about = f"{wanted.name} {wanted.description}"
        found = (as_item(each, item.get("properties", {})) for each in findings(messages, about))
        return [each for each in found if each and set(item.get("required", ())) <= each.keys()]

    def _row(self, schema: Schema, row: Mapping[str, str], depth: int) -> Json:
        """Return an item of a list, of the row of a table: each field of its cell."""
        filled = {}
        for name, part in schema["properties"].items():
            resolved = self._resolved(part)
            found = self._of_cell(resolved, row[name], Wanted(name), depth) if name in row else _MISSING
            if found is _MISSING and name in schema.get("required", ()):
                found = self._least(resolved, depth)
            if found is not _MISSING:
                filled[name] = found
        return filled

    def _of_cell(self, schema: Schema, cell: str, wanted: Wanted, depth: int) -> Json:
        kinds = {self._resolved(each).get("type") for each in schema.get("anyOf", [schema])}
        if kinds <= {"string", "null"}:
            return self._of_line({"type": "string"}, cell, wanted, depth)
        return _Filler(read(cell), self.definitions, cell).value(schema, wanted, depth)

    def _tuple(self, parts: list[Schema], wanted: Wanted, depth: int) -> Json:
        found = [self.value(part, wanted, depth + 1) for part in parts]
        both = zip(found, parts, strict=True)
        return [self._least(part, depth + 1) if each is _MISSING else each for each, part in both]

    def _items(self, schema: Schema) -> Schema:
        item = schema.get("items", {})
        return self._resolved(item) if isinstance(item, Mapping) else {}

    def _least_items(self, schema: Schema, depth: int) -> list[Json]:
        return [self._least(self._items(schema), depth + 1) for _ in range(schema.get("minItems", 0))]

    def _of_line(self, schema: Schema, line: str, wanted: Wanted, depth: int) -> Json:
        if schema.get("type", "string") == "string" and not schema.keys() & {"enum", "format", "const"}:
            return clipped(line, schema.get("maxLength", _MOST_CHARS))
        return _Filler(read(line), self.definitions, line).value(schema, wanted, depth)

    def _lines_about(self, wanted: Wanted, item: Schema) -> list[str]:
        """Return the lines a list is made of: bullets under a heading, the parts of a label's value, or sentences."""
        finder = self.read.finder
        if group := finder.group(wanted):
            return group.items
        is_plain = item.get("type") != "object" and "properties" not in item
        if is_plain and (labelled := finder.labelled(wanted, own_words=True)):
            return [part.strip(" .") for part in re.split(r"[;,]|\band\b", labelled) if part.strip(" .")]
        if any(_is_date(self._resolved(part)) for part in item.get("properties", {}).values()):
            return [each.whole for each in self.document.passages if dates(each.text)]
        hits = finder.passages(wanted)[:5]
        return [hit.admission_write.whole for hit in sorted(hits, key=lambda hit: hit.position)]

    def _least(self, schema: Schema, depth: int) -> Json:
        """Return the least that fits the schema of a required field of which the document says nothing."""
        schema = self._resolved(schema)
        kind, options = schema.get("type"), schema.get("anyOf") or schema.get("oneOf")
        if "default" in schema:
            return schema["default"]
        if "enum" in schema:
            return next((each for each in schema["enum"] if str(each).lower() in _UNKNOWN_MEMBERS), schema["enum"][0])
        if options:
            return self._least(options[0], depth)
        if kind in {"number", "integer"}:
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        if kind == "object":
            return {} if depth >= _MAX_DEPTH else self._object(schema, Wanted(""), depth)
        if kind == "boolean":
            return False
        if kind == "array":
            return [self._least(part, depth + 1) for part in schema.get("prefixItems", ())] or self._least_items(
                schema, depth
            )
        earliest = {"date": "0001-01-01", "date-time": "0001-01-01T00:00:00Z"}.get(str(schema.get("format")))
        return earliest or clipped(NOT_STATED, schema.get("maxLength", len(NOT_STATED)))


def _is_share(schema: Schema) -> bool:
    options = schema.get("anyOf", [schema])
    return any(each.get("type") == "number" and each.get("maximum", 1) == 1 for each in options)


def _is_unknown(value: Json) -> bool:
    return value == NOT_STATED or _is_empty(value) or str(value).lower() in _UNKNOWN_MEMBERS


def _is_date(schema: Schema) -> bool:
    return any(each.get("format") in _DATE_FORMATS for each in schema.get("anyOf", [schema]))


def _shortened(text: str, most: int) -> str:
    """Return the text, cut where it is too long; what says whose it is stays on."""
    if text.endswith(SIGNATURE) and len(SIGNATURE) + 1 < most < len(text):
        return f"{clipped(text.removesuffix(SIGNATURE).rstrip(), most - len(SIGNATURE) - 1)} {SIGNATURE}"
    return clipped(text, most)


def _is_empty(value: Json) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(each) or each == NOT_STATED for each in value.values())
    return value is None or value in ([], "")


def _fits(value: float, schema: Schema) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
        and (schema.get("type") != "integer" or value.is_integer())
    )
