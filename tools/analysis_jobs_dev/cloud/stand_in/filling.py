"""Fills a JSON schema (pydantic's `model_json_schema`) from a document's own words, for the demos.

A field is looked up by its name, its description and the names of its objects: in labels, then in headings, then in
sentences. This is not a model: it does not find what the document says in other words.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.reading import Document, Passage, read, stems
from analysis_jobs_dev.cloud.stand_in.values import dates, money, names, numbers

NOT_STATED: Final = "not stated in the document"
SIGNATURE: Final = "(stand-in model)"
_MAX_DEPTH: Final = 6
_MAX_ITEMS: Final = 200
_MAX_CHARS: Final = 2_000
_NO = re.compile(r"\b(?:not|no|never|none|without)\b", re.IGNORECASE)
_UNKNOWN: Final = frozenset({"other", "unknown", "none", "unspecified"})
_NAMED: Final = "name|sender|author|writer|person|company|customer|client|recipient|applicant|organi[sz]ation|issuer"
_GENERIC: Final = stems("date name number value text")
_LEAST: Final = {"boolean": False, "object": {}, "date": date.min.isoformat(), "date-time": "0001-01-01T00:00:00Z"}
_ADDRESSES: Final = {
    "mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "phone": re.compile(r"(?:\+|\b0)[\d()\s/-]{6,}\d"),
    "url|website": re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)]"),
}
_TRAITS: Final = {"polite": r"(?i)\b(?:please|thanks?|sorry)\b", "curious": r"\?", "precise": r"\d"}
_COMMON: Final = stems(
    "about after again also another anybody anything before both could doing done else even every find first found "
    "good here idea just keep know like little look made make many much need never next nobody once please question "
    "quite really right same said says should since some somebody something still such take tell thank then there "
    "thing think though time today until used very want well went while without write answer"
)

type Json = Any
type Schema = Mapping[str, Any]

_MISSING: Final = object()  # the document has no value; None may be one


def fill(schema: Schema, text: str) -> Json:
    """Return a value that fits the schema and holds what the text says about each field.

    What it does not say is None or left out where the schema allows that, else `NOT_STATED`, an empty list, or the
    smallest number or earliest date that fits.
    """
    return json.loads(_filled(json.dumps(schema), text))


def free_text(text: str) -> str:
    """Return a text answer: a summary of the document, and its labelled lines."""
    document = read(text)
    stated = [f"- {each.whole}" for each in document.passages if each.label]
    return "\n".join(
        [f"[stand-in model] {document.summary}", *(["", "The document states:", *stated] if stated else [])]
    )


@lru_cache(maxsize=128)
def _filled(schema_json: str, text: str) -> str:
    schema = json.loads(schema_json)
    found = _Filler(read(text), schema.get("$defs", {})).value(schema, _Wanted(""), 0)
    return json.dumps({} if found is _MISSING else found)


@dataclass(frozen=True)
class _Wanted:
    """A field: its name, its description, and the names of the objects that hold it."""

    name: str
    description: str = ""
    parents: str = ""

    @cached_property
    def own(self) -> frozenset[str]:
        return stems(self.name)

    def says(self, words: str) -> bool:
        """Tell whether its name has one of these words."""
        return re.search(rf"(?:^|_)(?:{words})(?:_|$)", self.name.lower()) is not None

    def fit(self, title: str) -> float:
        """Return how well a label or a heading names the field; 0 where it does not."""
        said, hints = stems(title), stems(self.description)
        telling = said - _GENERIC or said
        shared = said & (self.own | (hints - _GENERIC) | stems(self.parents))
        if not said or not ((self.own and self.own <= said) or 2 * len(shared) >= len(telling)):
            return 0
        return (2 * len(self.own & said) + len(hints & said) + len(shared) / 2) / len(said)


@dataclass(frozen=True)
class _Filler:
    """Walks a schema over a document, or over one `line` of it: an item of a list, a cell of a table."""

    document: Document
    definitions: Schema
    line: str = ""

    def value(self, schema: Schema, wanted: _Wanted, depth: int) -> Json:
        """Return the value, or `_MISSING` where the document has none."""
        schema = self._resolved(schema)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        options = [{**schema, "type": each} for each in kind] if isinstance(kind, list) else _options(schema)
        if options:
            return self._one_of(options, wanted, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._member(schema["enum"], wanted)
        if kind in {"object", "array"}:
            return (self._object if kind == "object" else self._array)(schema, wanted, depth)
        if kind == "boolean":
            said = self._best(wanted)
            return not _NO.search(said.whole) if said else _MISSING
        found = self._number(schema, wanted) if kind in {"number", "integer"} else self._string(schema, wanted)
        return _MISSING if found is None else found

    def _one_of(self, options: Sequence[Schema], wanted: _Wanted, depth: int) -> Json:
        real = [each for each in map(self._resolved, options) if each.get("type") != "null"]
        nullable = len(real) < len(options)
        # A Decimal is a number or a string of digits: the number is enough.
        real = [each for each in real if each.get("type") == "number"] or real
        for option in real if depth < _MAX_DEPTH or not nullable else ():
            found = self.value(option, wanted, depth)
            if found is not _MISSING and not (nullable and _is_empty(found)):
                return found
        return None if nullable else _MISSING

    def _object(self, schema: Schema, wanted: _Wanted, depth: int, row: Mapping[str, str] | None = None) -> Json:
        """Return an object; with a `row` of a table each field comes from its cell."""
        properties, required = schema.get("properties", {}), schema.get("required", ())
        filled: dict[str, Json] = {}
        for name, part in zip(properties, map(self._resolved, properties.values()), strict=True):
            if row is None:
                inner = _Wanted(name, str(part.get("description", "")), f"{wanted.parents} {wanted.name}")
                found = self.value(part, inner, depth + 1)
            else:
                found = self._of_line(part, row[name], _Wanted(""), depth + 1) if name in row else _MISSING
            if found is _MISSING and name in required:
                if self.line and part.get("type") != "string":
                    return _MISSING  # a line without a required date or number is not an item of the list
                found = self._elsewhere(part, _Wanted(name, str(part.get("description", ""))))
                found = self._least(part, depth + 1) if found is None else found
            if found is not _MISSING:
                filled[name] = found
        for name in properties:  # how sure the answer is: the share of the other fields that the document has
            if "confidence" in name and filled.get(name) in (0, None):
                known = [not _is_empty(filled.get(other)) for other in properties if other != name]
                filled[name] = round(0.4 + 0.55 * sum(known) / len(known), 2) if any(known) else filled.get(name)
        return filled

    def _array(self, schema: Schema, wanted: _Wanted, depth: int) -> Json:
        item, most = self._resolved(schema.get("items") or {}), schema.get("maxItems", _MAX_ITEMS)
        texts = [name for name, part in item.get("properties", {}).items() if _is_text(part)]
        found: list[Json]
        if rows := [] if self.line else self._rows(item):
            found = [self._object(item, wanted, depth, row) for row in rows]
        elif self.document.messages and len(texts) > 1:
            found = self._findings(item, texts, wanted)
        else:
            lines = self._lines_about(wanted) if depth < _MAX_DEPTH else []
            found = [self._of_line(item, line, wanted, depth + 1) for line in lines]
            found = [each for each in found if each is not _MISSING and not _is_empty(each)]
        least = self._least(schema, depth)
        return [each for at, each in enumerate(found) if each not in found[:at]][:most] + least[len(found) :]

    def _rows(self, item: Schema) -> list[dict[str, str]]:
        """Return the rows of the tables that have at least half of an item's properties, and three, as columns."""
        names, found = item.get("properties", {}), []
        for header, *rows in self.document.tables:
            columns = {name: at for name in names if (at := _column(name, header)) is not None}
            if len(columns) >= max(3, len(names) / 2):
                found += [{name: row[at] for name, at in columns.items() if row[at]} for row in rows]
        return found

    def _findings(self, item: Schema, texts: Sequence[str], wanted: _Wanted) -> list[Json]:
        """Return what the messages of a chat show, each with the first message that shows it and a confidence."""
        messages = self.document.messages
        cues = dict(_TRAITS)
        if not wanted.says("traits?"):
            said = Counter(word for each in messages for word in dict.fromkeys(re.findall(r"[a-z]{4,}", each.lower())))
            words = [word for word, count in said.most_common() if count > 1 and stems(word) - _COMMON]
            cues = {word: rf"(?i)\b{word}" for word in words[:5]}
        found: list[Json] = []
        for name, cue in cues.items():
            if shown := [each for each in messages if re.search(cue, each)]:
                sure = round(min(0.95, 0.3 + len(shown) / len(messages)), 2)
                found.append(
                    dict.fromkeys(item["properties"], sure) | dict.fromkeys(texts, shown[0]) | {texts[0]: name}
                )
        return found

    def _of_line(self, schema: Schema, line: str, wanted: _Wanted, depth: int) -> Json:
        if _is_text(self._resolved(schema)):
            return _clipped(line, schema.get("maxLength", _MAX_CHARS))
        return _Filler(read(line), self.definitions, line).value(schema, wanted, depth)

    def _lines_about(self, wanted: _Wanted) -> Sequence[str]:
        """Return the lines of a list: the values behind its label, or the lines below its heading."""
        labelled = [each.text for each in self.document.passages if wanted.own >= stems(each.label) > frozenset()]
        if len(labelled) == 1:
            return [part.strip(" .") for part in re.split(r"[;,]", labelled[0]) if part.strip(" .")]
        heading = max((each.heading for each in self.document.passages), key=wanted.fit, default="")
        return labelled or (self.document.below(heading) if wanted.fit(heading) else [])

    def _best(self, wanted: _Wanted, holds: Callable[[str], object] = bool) -> Passage | None:
        """Return the passage about a field that `holds` a value of its type: by label, by heading, by its words."""

        def rank(passage: Passage) -> tuple[float, float, bool]:
            by_words = bool(wanted.own) and wanted.own <= stems(passage.text)
            return wanted.fit(passage.label), wanted.fit(passage.heading), by_words

        found = max((each for each in self.document.passages if holds(each.text)), key=rank, default=None)
        return found if found and any(rank(found)) else None

    def _text_with(self, wanted: _Wanted, holds: Callable[[str], object]) -> str:
        found = None if self.line else self._best(wanted, holds)
        return found.text if found else self.line

    def _number(self, schema: Schema, wanted: _Wanted) -> float | None:
        """Return a sum of money, or a plain number; an integer is a plain number first."""

        def values(text: str) -> list[float]:
            sums, plain = [each.amount for each in money(text)], numbers(text)
            ordered = plain or sums if schema["type"] == "integer" else sums or plain
            return [each for each in ordered if _fits(each, schema)]

        found = values(self._text_with(wanted, values))
        if not found:
            return None
        pick = max if wanted.says("max|maximum|high|upper") else min if wanted.says("low|lower|min|minimum") else None
        number = pick(found) if pick else found[0]
        return int(number) if number.is_integer() else number

    def _string(self, schema: Schema, wanted: _Wanted) -> str | None:
        about = f"{wanted.name} {wanted.description}".lower()
        form = _form(schema, wanted)
        if form in {"date", "date-time"}:
            return _day(dates(self._text_with(wanted, dates)), form)
        if wanted.says("currency"):
            text = next((each.currency for each in money(self.line or self.document.text)), None)
        elif address := next((each for words, each in _ADDRESSES.items() if re.search(words, about)), None):
            match = address.search(self._text_with(wanted, address.search) or self.document.text)
            text = match.group() if match else None
        else:
            text = None if form in {"uuid", "time", "duration"} else self._text(wanted)
        if not text or len(text) < schema.get("minLength", 0) or not re.search(schema.get("pattern", ""), text):
            return None
        return _clipped(text, schema.get("maxLength", _MAX_CHARS))

    def _elsewhere(self, schema: Schema, wanted: _Wanted) -> str | None:
        """Return the first date or name of the whole text, for a required field that no passage is about."""
        if schema.get("type") != "string" or schema.keys() & {"enum", "const", "pattern", "default"}:
            return None
        form = _form(schema, wanted)
        if form in {"date", "date-time"}:
            return _day(dates(self.document.text), form)
        if form or not (wanted.says(_NAMED) or re.match(r"(the )?(full )?name of", wanted.description.lower())):
            return None
        found = next(iter(names(self.document.text)), None)
        return found and _clipped(found, schema.get("maxLength", _MAX_CHARS))

    def _text(self, wanted: _Wanted) -> str | None:
        is_name = wanted.says("name|title|label|event|criterion|item")
        if self.line:
            said = self.document.passages[0] if self.document.passages else Passage(self.line)
            if said.label:
                return said.label if is_name else said.text
            return re.split(r"\s*\([^)]*\d|\s*[,:]?\s+\d", self.line)[0] if is_name else self.line
        found = self._best(wanted)
        if not (found and wanted.own <= stems(found.label)):
            if wanted.says("summary|overview|abstract|style"):
                return f"{self.document.summary} {SIGNATURE}"
            if wanted.own <= stems("title document"):
                return self.document.title
        if found and not found.label and wanted.fit(found.heading):
            return " ".join(self.document.below(found.heading)[:2])
        return found.text if found else None

    def _member(self, members: Sequence[Json], wanted: _Wanted) -> Json:
        """Return the member that is named first: in the passage about the field, else in the whole text."""
        found = self._best(wanted)
        for text in (found.text if found else "", self.document.text):
            named = [(match.start(), -len(str(each)), each) for each in members if (match := _named(each, text))]
            if named:
                return min(named, key=lambda each: each[:2])[2]
        return _MISSING

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema or "allOf" in schema:
            parts = list(schema.get("allOf", ()))
            if "$ref" in schema:
                parts.append(self.definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}))
            own = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
            schema = {key: value for part in (*parts, own) for key, value in part.items()}
        return schema

    def _least(self, schema: Schema, depth: int) -> Json:
        """Return the least value that fits: of a required field about which the document says nothing."""
        schema = self._resolved(schema)
        kind, least = schema.get("type"), _LEAST.get(schema.get("format") or str(schema.get("type")))
        if "default" in schema:
            return schema["default"]
        if members := schema.get("enum"):
            return next((each for each in members if str(each).lower() in _UNKNOWN), members[0])
        if options := _options(schema):
            return self._least(options[0], depth)
        if kind in {"number", "integer"}:
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        if kind == "array":
            parts = schema.get("prefixItems") or [schema.get("items") or {}] * schema.get("minItems", 0)
            return [self._least(part, depth + 1) for part in parts]
        if kind == "object" and depth < _MAX_DEPTH:
            return self._object(schema, _Wanted(""), depth)
        return _clipped(NOT_STATED, schema.get("maxLength", _MAX_CHARS)) if least is None else least


def _form(schema: Schema, wanted: _Wanted) -> str:
    """Return the format of a text field, such as `date`; empty without one."""
    about = f"{wanted.name} {wanted.description}".lower()
    return str(schema.get("format", "date" if "yyyy-mm-dd" in about else ""))


def _day(days: Sequence[date], form: str) -> str | None:
    """Return the first day as a `date` or a `date-time`."""
    if not days:
        return None
    return days[0].isoformat() if form == "date" else f"{days[0].isoformat()}T00:00:00Z"


def _options(schema: Schema) -> Sequence[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or ()


def _column(name: str, header: Sequence[str]) -> int | None:
    """Return the column about a field: all words of one are words of the other."""
    wanted, titles = stems(name), [stems(title) for title in header]
    return next((at for at, words in enumerate(titles) if words and (wanted <= words or words <= wanted)), None)


def _named(member: Json, text: str) -> re.Match[str] | None:
    words = re.findall(r"[^\W_]+", str(member))
    if not words or str(member).lower() in _UNKNOWN:
        return None
    return re.search(rf"\b{r'\W+'.join(words)}s?\b", text, re.IGNORECASE)


def _is_text(schema: Schema) -> bool:
    """Tell whether a schema takes any text."""
    kinds = {each.get("type", "any") for each in _options(schema) or [schema]}
    return kinds <= {"string", "null"} and not schema.keys() & {"enum", "format", "const", "pattern"}


def _is_empty(value: Json) -> bool:
    if isinstance(value, dict):
        return all(map(_is_empty, value.values()))
    return value in (None, [], "", NOT_STATED) or str(value).lower() in _UNKNOWN


def _fits(value: float, schema: Schema) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
        and (schema["type"] != "integer" or value.is_integer())
    )


def _clipped(text: str, most: int) -> str:
    """Return the text, cut where it is too long; a signature stays."""
    if len(text) <= most:
        return text
    end = f"\u2026 {SIGNATURE}" if text.endswith(SIGNATURE) and most > len(SIGNATURE) + 2 else "\u2026"
    return text[: most - len(end)] + end
