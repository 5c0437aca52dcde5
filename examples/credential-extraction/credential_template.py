"""The template: finds the kind and the fields of a document by known phrases and labels, without a model."""

import re
from typing import Any

from pydantic import BaseModel

from analysis_jobs.extraction import IsDate, IsNumber, as_date
from credential_types import MARKS, Labels

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def kind_by_marks(text: str) -> str | None:
    """Return the kind with the most marks (typical phrases) in the text. None if two kinds have equally many."""
    normalised = " ".join(text.lower().split())
    hits = sorted(((sum(mark in normalised for mark in marks), kind) for kind, marks in MARKS.items()), reverse=True)
    (most, kind), (second, _) = hits[0], hits[1]
    return kind if most > second else None


def fields_by_labels(kind: type[BaseModel], text: str) -> dict[str, Any]:
    """Return the text after the first matching label of each field, or None if no label is found."""
    found: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        labels = next((each.labels for each in field.metadata if isinstance(each, Labels)), ())
        values = (_text_after(label, text) for label in labels)
        found[name] = next((value for value in values if value), None)
    return in_one_form(kind, found)


def in_one_form(kind: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values in their stored form: dates as YYYY-MM-DD, numbers as floats, others unchanged."""
    return {name: _normalised(kind.model_fields[name].metadata, value) for name, value in values.items()}


def _text_after(label: str, text: str) -> str | None:
    # The value follows the label on its line, or is on the next line. OCR may read a colon as a semicolon or full stop.
    line = rf"^\W*{re.escape(label)}[ \t]*(?:[:;.][ \t]*(?P<value>\S.*)|[:;.]?[ \t]*\n+[ \t]*(?P<below>\S.*))$"
    match = re.search(line, text, re.IGNORECASE | re.MULTILINE)
    return (match["value"] or match["below"]).strip() if match else None


def _normalised(rules: list[Any], value: object) -> object:
    for rule in rules:
        if isinstance(rule, IsDate):
            # A date that can be two dates stays as it is printed: its rule makes it a finding.
            day = as_date(value, rule.order)
            return day.isoformat() if day else value
    if any(isinstance(rule, IsNumber) for rule in rules) and isinstance(value, str):
        number = _NUMBER.search(value.replace(",", ""))
        return float(number.group()) if number else value
    return value
