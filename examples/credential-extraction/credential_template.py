"""The template: what a document says behind known labels, found without a model."""

import re
from typing import Any

from pydantic import BaseModel

from analysis_jobs.extraction import IsDate, IsNumber, as_date
from credential_types import MARKS, Behind

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def kind_by_marks(text: str) -> str | None:
    """Return the kind of which the text has most marks; None where two have as many, or none has any."""
    said = " ".join(text.lower().split())
    hits = sorted(((sum(mark in said for mark in marks), kind) for kind, marks in MARKS.items()), reverse=True)
    (most, kind), (second, _) = hits[0], hits[1]
    return kind if most > second else None


def fields_by_labels(kind: type[BaseModel], text: str) -> dict[str, Any]:
    """Return what stands behind the labels of a kind's fields, None where no label is found."""
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        labels = next((each.labels for each in field.metadata if isinstance(each, Behind)), ())
        values = (_behind(label, text) for label in labels)
        found[name] = next((value for value in values if value), None)
    return in_one_form(kind, found)


def in_one_form(kind: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Return values in the form they are kept in: dates as YYYY-MM-DD, numbers as numbers; what is neither as it is."""
    return {name: _formed(kind.model_fields[name].metadata, value) for name, value in values.items()}


def _behind(label: str, text: str) -> str | None:
    # OCR takes a colon for a semicolon or a full stop. Below the label where nothing follows it in its line.
    line = rf"^\W*{re.escape(label)}[ \t]*(?:[:;.][ \t]*(?P<value>\S.*)|[:;.]?[ \t]*\n+[ \t]*(?P<below>\S.*))$"
    match = re.search(line, text, re.IGNORECASE | re.MULTILINE)
    return (match["value"] or match["below"]).strip() if match else None


def _formed(rules: list[Any], value: object) -> object:
    if any(isinstance(rule, IsDate) for rule in rules):
        day = as_date(value)
        return day.isoformat() if day else value
    if any(isinstance(rule, IsNumber) for rule in rules) and isinstance(value, str):
        number = _NUMBER.search(value.replace(",", ""))
        return float(number.group()) if number else value
    return value
