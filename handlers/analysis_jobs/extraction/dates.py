"""Parses dates in the notations of documents, without guessing which number is the month."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

DateOrder: TypeAlias = Literal["day_first", "month_first", "year_first"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?:[T ].*)?")
_NAMED_MONTH = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]*(?:of\s+)?{_MONTH}[\s,-]*(?P<year>\d{{4}})",
        rf"{_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    )
)
_NUMBERS = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{2})")
# POSIX, for two digits: 69 to 99 are years of the 20th century. https://pubs.opengroup.org/onlinepubs/9799919799/
_FIRST_YEAR_OF_1900 = 69


def as_date(value: Any, order: DateOrder | None = None) -> date | None:
    """Return a value as a date; None if it is not a date, or if it can be more than one date.

    Reads `2026-03-14`, `14 March 2026`, `March 14th, 2026`, `14.03.2026` and `14/3/26`. `order` decides about a date
    such as `3/4/2026`: `day_first` reads 3 April, `month_first` 4 March. Without it such a date is None.
    """
    found = possible_dates(value, order)
    return found[0] if len(found) == 1 else None


def possible_dates(value: Any, order: DateOrder | None = None) -> tuple[date, ...]:
    """Return all dates that a value can be, in the order of the calendar. See `as_date`."""
    if isinstance(value, datetime):
        return (value.date(),)
    if isinstance(value, date):
        return (value,)
    if not isinstance(value, str):
        return ()
    text = " ".join(value.split()).rstrip(".")
    if match := _YEAR_FIRST.fullmatch(text):
        return tuple(_valid(match["year"], match["month"], match["day"]))
    for form in _NAMED_MONTH:
        if match := form.fullmatch(text):
            return tuple(_valid(match["year"], _MONTHS.index(match["name"][:3].lower()) + 1, match["day"]))
    if match := _NUMBERS.fullmatch(text):
        readings = _readings(*(number for number in match.groups() if number is not None))
        return (readings[order],) if order in readings else tuple(sorted(set(readings.values())))
    return ()


def _readings(first: str, second: str, third: str) -> dict[DateOrder | None, date]:
    """Return the valid dates of three numbers, by the order that gives them. The third may have four digits."""
    parts: dict[DateOrder, tuple[str, str, str]] = {
        "day_first": (third, second, first),
        "month_first": (third, first, second),
    }
    if len(third) == 2:  # noqa: PLR2004 - digits of a year
        parts["year_first"] = (first, second, third)
    return {order: day for order, numbers in parts.items() for day in _valid(*numbers)}


def _valid(year: str, month: str | int, day: str) -> Iterator[date]:
    """Yield the date, if there is such a date."""
    number = int(year)
    if len(year) < 4:  # noqa: PLR2004 - digits of a year
        number += 1900 if number >= _FIRST_YEAR_OF_1900 else 2000
    try:
        yield date(number, int(month), int(day))
    except ValueError:
        return
