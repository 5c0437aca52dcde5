"""Dates, sums of money and plain numbers in a text."""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Final, NamedTuple

_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY: Final = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}"
    rf"|{_DAY}(?:\s+of)?\s+{_MONTH},?\s+\d{{4}}|{_MONTH}\s+{_DAY},?\s+\d{{4}})(?!\d)",
    re.IGNORECASE,
)
_DATE_FORMATS: Final = ("%Y-%m-%d", "%d %b %Y", "%b %d %Y", "%d/%m/%Y", "%m/%d/%Y")
_NUMBER: Final = r"\d{1,3}(?:[,. ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
_SCALES: Final = {"thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "billion": 1e9}
_SIGNS: Final = {"$": "USD", "\u20ac": "EUR", "\u00a3": "GBP", "\u00a5": "JPY"}
_MONEY = re.compile(
    rf"(?:(?P<before>\b[A-Z]{{3}}(?=\s?\d)|[$\u20ac\u00a3\u00a5])\s?)?(?P<number>{_NUMBER})"
    r"(?:\s?(?P<scale>thousand|million|billion|[km])\b)?(?:\s?(?P<behind>USD|EUR|GBP|CHF|\u20ac))?"
)
_CAPITALISED: Final = r"[^\W\d_a-z][\w'\u2019-]+"
_RUN: Final = rf"{_CAPITALISED}(?:[ \t]+(?:of|de|van|von|der|the|and|&)(?=[ \t]+[^\W\d_a-z]))?(?:[ \t]+{_CAPITALISED})+"
_NAMES: Final = (
    re.compile(rf"(?im)^\s*(?-i:(?:.*\b(?:sincerely|faithfully|truly|regards|wishes)\b),?\s*\n+\s*(?P<name>{_RUN}))"),
    re.compile(rf"\b(?:Mrs?|Ms|Miss|Dr|Prof)\.?\s+(?P<name>{_CAPITALISED}(?:[ \t]+{_CAPITALISED})*)"),
    re.compile(rf"(?<=[\w,;] )(?!(?:Mrs?|Ms|Miss|Dr|Prof)\b)(?P<name>{_RUN})"),
)
_PLAIN = re.compile(rf"(?<![\w.])-?(?:{_NUMBER})")


class Money(NamedTuple):
    """A sum, and its currency as an ISO 4217 code."""

    amount: float
    currency: str


def names(text: str) -> list[str]:
    """Return the names of people and organisations in the text: those of a signature and after a title come first.

    The others are runs of capitalised words that do not begin a sentence.
    """
    found = [match["name"].strip() for pattern in _NAMES for match in pattern.finditer(text)]
    return list(dict.fromkeys(found))


def dates(text: str) -> list[date]:
    """Return the dates in the text, in its order. 3/4/2027 is 3 April."""
    return [day for match in _DATE.finditer(text) if (day := _date(match.group()))]


def money(text: str) -> list[Money]:
    """Return the sums of money in the text, in its order."""
    found = ((match, match["before"] or match["behind"]) for match in _MONEY.finditer(text))
    return [
        Money(_number(match["number"]) * _SCALES.get(match["scale"] or "", 1), _SIGNS.get(currency, currency))
        for match, currency in found
        if currency
    ]


def numbers(text: str) -> list[float]:
    """Return the numbers in the text, in its order; those of dates and sums of money are left out."""
    rest = _MONEY.sub(lambda match: " " if match["before"] or match["behind"] else match.group(), _DATE.sub(" ", text))
    return [_number(match.group()) for match in _PLAIN.finditer(rest)]


def _date(text: str) -> date | None:
    bare = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|\bof\b|,", " ", text, flags=re.IGNORECASE)
    bare = re.sub(r"([a-z]{3})[a-z.]*", r"\1", bare, flags=re.IGNORECASE).replace(".", "/")
    for form in _DATE_FORMATS:
        with suppress(ValueError):
            return datetime.strptime(" ".join(bare.split()), form).date()  # noqa: DTZ007 - a day has no time zone
    return None


def _number(text: str) -> float:
    if re.fullmatch(r"-?\d{1,3}(\.\d{3})+(,\d+)?|-?\d+,\d{1,2}", text):  # 250.000,50
        text = text.replace(".", "").replace(",", ".")
    return float(re.sub(r"[, ]", "", text))
