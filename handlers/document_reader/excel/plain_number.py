"""The fast way for the formats that most cells have, such as `0.00`, `#,##0` and `0.0%`, with text around the number.

`number_format` reads any format, token by token for each cell. A format of this kind needs only what Python's own
formatting does. A test compares the two ways.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

# Tokens as letters: d and p are a digit place and the point; text before and after the number, and per cent signs.
_PLAIN = re.compile(r"(?P<before>l*)(?P<integer>d(?:[dc]*d)?)(?P<decimals>(?:pd+)?)(?P<after>[l%]*)")
_LETTERS = {"literal": "l", "digit": "d", "comma": "c", "point": "p", "percent": "%"}
# From here on a number has more digits than the precision of `Decimal`.
MAX_VALUE = Decimal("1e27")


class _Token(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class PlainNumber:
    """A format with one number in decimal places. `unit` is the value of the last place, `spec` is for `format`."""

    before: str
    after: str
    spec: str
    unit: Decimal
    percents: int

    @classmethod
    def of(cls, tokens: tuple[_Token, ...]) -> "PlainNumber | None":
        """Return the plain form of a format; None if it has none."""
        letters = "".join(_LETTERS.get(token.kind, "?") for token in tokens)
        match = _PLAIN.fullmatch(letters)
        if match is None:
            return None
        texts = [token.text for token in tokens]
        places = "".join(texts[slice(*match.span("integer"))])
        decimals = "".join(texts[slice(*match.span("decimals"))])[1:]
        # One zero at the end: a number below 1 has one zero before the point, and no number has leading zeros.
        if not re.fullmatch(r"[#,]*0", places) or decimals.strip("0"):
            return None
        grouped = "," if "," in places else ""
        return cls(
            before="".join(texts[slice(*match.span("before"))]),
            after="".join(texts[slice(*match.span("after"))]),
            spec=f"{grouped}.{len(decimals)}f",
            unit=Decimal(1).scaleb(-len(decimals)),
            percents=match["after"].count("%"),
        )

    def text(self, value: Decimal) -> str:
        """Return the text of a number from 0 to `MAX_VALUE`."""
        if self.percents:
            value *= 100**self.percents
        return f"{self.before}{value.quantize(self.unit, ROUND_HALF_UP):{self.spec}}{self.after}"
