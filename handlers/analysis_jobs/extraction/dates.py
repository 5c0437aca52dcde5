"""Parses dates in the notations of documents."""

import re
from datetime import date, datetime
from typing import Any

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T ].*)?")
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?P<day>\d{1,2})[-/. ](?P<month>\d{1,2})[-/. ](?P<year>\d{4})",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]*(?:of\s+)?{_MONTH}[\s,-]*(?P<year>\d{{4}})",
        rf"{_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    )
)
_MONTHS_A_YEAR = 12


def as_date(value: Any) -> date | None:
    """Return a value as a date, or None. Reads `2026-03-14`, `14 March 2026`, `March 14th, 2026` and `14.03.2026`.

    Numeric dates are read day first; month first only if the date is invalid otherwise. So `3/4/2026` is 3 April, and
    `3/14/2026` is 14 March.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        return None
    text = " ".join(value.split()).rstrip(".")
    if match := _YEAR_FIRST.fullmatch(text):
        return _date(int(match["year"]), int(match["month"]), int(match["day"]))
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None:
        return None
    parts = match.groupdict()
    name, day, year = parts.get("name"), int(parts["day"]), int(parts["year"])
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts["month"])
    return _date(year, day, month) if month > _MONTHS_A_YEAR and not name else _date(year, month, day)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
