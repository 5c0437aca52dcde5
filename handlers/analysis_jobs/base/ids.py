"""Job ids: 26 characters that sort by time and cannot be guessed.

The layout is ULID's: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32 (lower case).
Because ids sort by time, a list "newest first" or "between two dates" is a range of ids. It needs no index by date.
"""

import re
import secrets
from datetime import datetime

from analysis_jobs.base.clock import from_ms, to_ms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_LENGTH = 26

ID_PATTERN = rf"[{_ALPHABET}]{{{_LENGTH}}}"


def new_id(now: datetime) -> str:
    """Return a new, random id for the time `now`."""
    return _encode(to_ms(now), secrets.randbits(_RANDOM_BITS))


def first_id_at(moment: datetime) -> str:
    """Return the smallest id for `moment`, which bounds a range of ids by date. Times before 1970 count as 1970."""
    return _encode(max(to_ms(moment), 0), 0)


def time_of(identifier: str) -> datetime:
    """Return the time at which an id was made. Raises `ValueError` if it is not an id."""
    if not is_id(identifier):
        raise ValueError(f"{identifier!r} is not an id")
    value = 0
    for character in identifier:
        value = value << 5 | _ALPHABET.index(character)
    return from_ms(value >> _RANDOM_BITS)


def is_id(text: str) -> bool:
    """Return whether `text` has the format of an id."""
    return re.fullmatch(ID_PATTERN, text) is not None


def _encode(milliseconds: int, random: int) -> str:
    value = milliseconds << _RANDOM_BITS | random
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
