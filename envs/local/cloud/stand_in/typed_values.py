"""Dates, sums of money, numbers and addresses, found in running text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?P<year>\d{4})-(?P<m>\d{2})-(?P<day>\d{2})(?!\d)",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:day\s+)?(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})\b",
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b",
        r"\b(?P<day>\d{1,2})[/.](?P<m>\d{1,2})[/.](?P<year>\d{4})\b",
        rf"\b{_MONTH}\s+(?P<year>\d{{4}})\b",
    )
)
_TIME = re.compile(
    r"\b(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\b)|\b(?P<h24>\d{1,2}):(?P<m24>\d{2})\b",
    re.IGNORECASE,
)

_NUMBER = r"\d{1,3}(?:[,.'\u2019 \u00a0]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
_SCALES: Final = {"thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9}
_SCALE = r"(?:\s?(?P<scale>thousand|million|billion|mn|bn|[mk])\b)?"
_SIGNS: Final = {"us$": "USD", "$": "USD", "a$": "AUD", "c$": "CAD", "\u20ac": "EUR", "\u00a3": "GBP", "\u00a5": "JPY",
                 "dollars": "USD", "euro": "EUR", "euros": "EUR", "pounds": "GBP"}  # fmt: skip
_CODES = r"USD|EUR|GBP|CHF|CAD|AUD|NZD|JPY|INR|SEK|NOK|DKK|PLN|CZK|ZAR|KES|UAH|BRL|MXN|SGD"
_MONEY_AHEAD = re.compile(
    rf"(?P<currency>{_CODES}|US\$|A\$|C\$|[$\u20ac\u00a3\u00a5])\s?(?P<number>{_NUMBER}){_SCALE}", re.IGNORECASE
)
_MONEY_BEHIND = re.compile(
    rf"(?<![\w.])(?P<number>{_NUMBER}){_SCALE}\s?(?P<currency>{_CODES}|dollars|euros?|pounds|\u20ac)(?!\w)",
    re.IGNORECASE,
)
_UPPER_BOUND = re.compile(rf"\s?(?:-|\u2013|\u2014|to|and)\s?(?P<number>{_NUMBER}){_SCALE}(?!\s?[%\w])", re.IGNORECASE)
_PLAIN = re.compile(
    rf"(?<![\w.])(?P<number>-?(?:{_NUMBER}))(?:{_SCALE})?\)?\s?(?P<unit>%|[a-z\u00b2\u00b3]+)?", re.IGNORECASE
)
_SPELLED: Final = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
                   "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "eighteen": 18, "twenty": 20, "thirty": 30,
                   "sixty": 60, "ninety": 90}  # fmt: skip
_SPELLED_NUMBER = re.compile(rf"\b(?P<word>{'|'.join(_SPELLED)})\s+(?P<unit>[a-z]+)", re.IGNORECASE)

EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
URL: Final = re.compile(r"(?:https?://|www\.)[^\s<>()\"']+[^\s<>()\"'.,;:]")
PHONE: Final = re.compile(r"(?:\+|\(\d|\b0)[\d()\s./-]{6,}\d")


@dataclass(frozen=True)
class Found[T]:
    """A value and where in the text it stands; `unit` is a currency code, or the word behind a number."""

    value: T
    start: int
    end: int
    unit: str = ""


def dates(text: str) -> list[Found[date]]:
    """Return the dates in the text, in its order. A month without a day is its first; 3/4/2027 is 3 April."""
    found: dict[int, Found[date]] = {}
    taken: list[tuple[int, int]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            start, end = match.span()
            value = _date(match.groupdict())
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                continue
            taken.append((start, end))
            if value:
                found[start] = Found(value, start, end)
    return [found[start] for start in sorted(found)]


def time_of_day(text: str) -> tuple[int, int]:
    """Return hour and minute of the first time in the text, else midnight."""
    for match in _TIME.finditer(text):
        hour, minute = int(match["hour"] or match["h24"]), int(match["minute"] or match["m24"] or 0)
        if match["half"]:
            hour = hour % 12 + (12 if match["half"].lower().startswith("p") else 0)
        if hour < 24 and minute < 60:  # noqa: PLR2004 - a clock
            return hour, minute
    return 0, 0


def sums_of_money(text: str) -> list[Found[float]]:
    """Return the sums in the text, in its order; the upper end of a range is a sum too."""
    found: dict[int, Found[float]] = {}
    for pattern in (_MONEY_AHEAD, _MONEY_BEHIND):
        for match in pattern.finditer(text):
            if any(other.start < match.end() and match.start() < other.end for other in found.values()):
                continue
            currency = _SIGNS.get(match["currency"].lower(), match["currency"].upper())
            found[match.start()] = Found(_scaled(match), match.start(), match.end(), currency)
            upper = _UPPER_BOUND.match(text, match.end())
            if upper:
                found[upper.start()] = Found(_scaled(upper), upper.start(), upper.end(), currency)
    return [found[start] for start in sorted(found)]


def numbers(text: str) -> list[Found[float]]:
    """Return the plain numbers in the text, in its order, digits or words; those of dates and clauses are left out."""
    not_numbers = [(day.start, day.end) for day in dates(text)]
    found = [
        Found(_scaled(match), match.start(), match.end(), (match["unit"] or "").lower())
        for match in _PLAIN.finditer(text)
    ] + [
        Found(float(_SPELLED[match["word"].lower()]), match.start(), match.end(), match["unit"].lower())
        for match in _SPELLED_NUMBER.finditer(text)
    ]
    kept = (each for each in found if not any(each.start < end and start < each.end for start, end in not_numbers))
    return sorted(kept, key=lambda each: each.start)


def _date(parts: dict[str, str | None]) -> date | None:
    name = parts.get("month")
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts["m"] or 0)
    day, year = int(parts.get("day") or 1), int(parts["year"] or 0)
    if month > 12 >= day:  # noqa: PLR2004 - 3/25/2027 can only be the American order
        day, month = month, day
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _scaled(match: re.Match[str]) -> float:
    return _number(match["number"]) * _SCALES.get((match["scale"] or "").lower(), 1)


def _number(text: str) -> float:
    digits = re.sub(r"['\u2019\s]", "", text)
    separators = [each for each in digits if each in ",."]
    if len(set(separators)) == 2:  # noqa: PLR2004 - both kinds: the last one is the decimal
        decimal = max(",.", key=digits.rfind)
        digits = digits.replace("." if decimal == "," else ",", "").replace(decimal, ".")
    elif separators and (len(separators) > 1 or re.search(r"^-?[1-9]\d{0,2}[,.]\d{3}$", digits)):
        digits = re.sub(r"[,.]", "", digits)
    return float(digits.replace(",", "."))


def first_matches(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Yield what the pattern finds, in the text's order."""
    return (match.group().strip() for match in pattern.finditer(text))
