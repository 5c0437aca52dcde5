"""Turns Excel's serial numbers into dates and times, and writes their parts.

A day is 1. Day 1 is 1 January 1900; day 60 is 29 February 1900, which never was, but which Excel shows.
"""

from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_SECONDS_A_DAY = 86_400
_LEAP_DAY = 60
# The day after 31 December 9999, the last that Excel shows.
_END = 2_958_466
_DAYS_TO_1904 = 1_462
_NOON = 12


@dataclass(frozen=True)
class Moment:
    """A date and time. `fraction` is in milliseconds, and `total` counts the seconds since day 0, for elapsed time."""

    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    fraction: int
    total: int
    negative: bool = False


def moment(value: float, digits: int | None, *, date1904: bool, elapsed: bool) -> Moment | None:
    """Return the moment of a serial number, rounded to what is shown, or None if Excel shows none.

    `digits` are the digits after the second; None shows no seconds, and cuts them off.
    """
    if (value < 0 and not elapsed) or abs(value) >= _END:
        return None
    # Milliseconds first: a time such as 26:00 is stored as a fraction that is a little less.
    thousandths = round(abs(value) * _SECONDS_A_DAY * 1000)
    if digits is not None and digits < len("000"):
        unit = 10 ** (3 - digits)
        thousandths = (thousandths + unit // 2) // unit * unit
    total, fraction = divmod(thousandths, 1000)
    days, seconds = divmod(total, _SECONDS_A_DAY)
    year, month, day, weekday = _date(days + (_DAYS_TO_1904 if date1904 else 0))
    return Moment(
        year, month, day, weekday, seconds // 3600, seconds // 60 % 60, seconds % 60, fraction, total, value < 0
    )


def _date(days: int) -> tuple[int, int, int, int]:
    """Return year, month, day and weekday (Monday is 0). Day 0 is 0 January 1900."""
    if days == 0:
        return 1900, 1, 0, 5
    if days == _LEAP_DAY:
        return 1900, 2, 29, 2
    found = date(1899, 12, 31 if days < _LEAP_DAY else 30) + timedelta(days=min(days, _END - 1))
    return found.year, found.month, found.day, (days + 5) % 7


def written_date(kind: str, text: str, at: Moment, *, twelve: bool) -> str:
    """Return a part of a date: `text` is its code, such as `yyyy`. `twelve`: hours count to twelve."""
    if kind == "elapsed":
        unit = {"h": 3600, "m": 60, "s": 1}[text[0]]
        return str(at.total // unit).zfill(len(text))
    if kind == "subsecond":
        return "." + f"{at.fraction:03d}".ljust(len(text), "0")[: len(text)]
    if kind == "ampm":
        names = (text if len(text) == len("A/P") else text.upper()).split("/")
        return names[at.hour >= _NOON]
    if kind != "date":
        return text
    return _part(text, at, twelve=twelve)


def _part(code: str, at: Moment, *, twelve: bool) -> str:
    letter, length = code[0], len(code)
    short = length <= len("dd")
    if letter in "mdhns" and short:
        hour = (at.hour % _NOON or _NOON) if twelve else at.hour
        number = {"m": at.month, "d": at.day, "h": hour, "n": at.minute, "s": at.second}[letter]
        return str(number).zfill(length)
    match letter:
        case "y":
            return f"{at.year % 100:02d}" if short else f"{at.year:04d}"
        case "b":  # the Buddhist calendar
            return f"{(at.year + 543) % 100:02d}" if short else str(at.year + 543)
        case "e":
            return str(at.year)
        case "m":
            name = _MONTHS[at.month - 1]
            return {3: name[:3], 5: name[0]}.get(length, name)
        case "d":
            name = _DAYS[at.weekday]
            return name[:3] if length == len("ddd") else name
        case "h" | "n" | "s":
            return _part(code[:2], at, twelve=twelve)
    return ""
