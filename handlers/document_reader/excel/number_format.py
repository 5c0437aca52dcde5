"""Writes a number as a cell of Excel shows it (ECMA-376, part 1, 18.8.31: number formats).

A small formatter of our own: the libraries for Python are unmaintained or have a single release (docs/decisions/0016).
Colours and widths are left out. The separators, month names and the currency of formats without a country are those of
English. A date whose format depends on the reader's country is written as in ISO 8601.
"""

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from document_reader.excel.format_codes import GENERAL, Section, Token, parsed
from document_reader.excel.plain_number import MAX_VALUE
from document_reader.excel.serial_dates import Moment, moment, written_date

_MAX_DIGITS = 15
# Longer formats than Excel accepts (255 characters) are not read: they would cost time for each cell.
_MAX_LENGTH = 1_000
# Below this no per cent sign of a usual format lifts the number above the precision of `Decimal`.
_PLAIN_BELOW = MAX_VALUE / 10**12


class NumberFormats:
    """Formats numbers and text. `date1904`: the workbook counts its days from 1904, as Excel for the Mac did."""

    def __init__(self, *, date1904: bool = False) -> None:
        self._date1904 = date1904
        self._parsed: dict[str, list[Section]] = {}

    def text(self, value: str, code: str) -> str:
        """Return a text as the cell shows it: the fourth section, or the only one if it has an @."""
        if code == GENERAL:
            return value
        sections = self._sections(code)
        section = sections[3] if len(sections) > 3 else sections[-1]  # noqa: PLR2004 - the fourth section is for text
        if len(sections) < 4 and not section.has("text"):  # noqa: PLR2004 - as above
            return value
        return "".join(
            value if token.kind == "text" else token.text
            for token in section.tokens
            if token.kind in {"text", "literal"}
        )

    def number(self, value: float, code: str) -> str:
        """Return a number as the cell shows it."""
        if not math.isfinite(value):
            return str(value)
        if code == GENERAL:
            return general(value)
        section, keeps_sign = _chosen(self._sections(code), value)
        shown = value if keeps_sign else abs(value)
        if section is None or section.has("general"):
            text = general(shown)
            return text if section is None else _with_literals(section, text)
        if section.has("text"):
            return _with_literals(section, general(shown))
        if section.has("date") or section.has("elapsed"):
            at = moment(value, section.precision, date1904=self._date1904, elapsed=section.has("elapsed"))
            return general(value) if at is None else _dated(section, at)
        sign = "-" if shown < 0 else ""
        if not section.has("digit"):
            return sign + "".join(token.text for token in section.tokens)
        if section.has("slash"):
            return sign + _fraction(section.tokens, abs(shown))
        if section.has("exponent"):
            return sign + _scientific(section.tokens, abs(shown))
        text = _decimal(section, exact(abs(shown)))
        # Excel shows no sign before a number that is rounded to zero.
        return sign + text if re.search(r"[1-9]", text) else text

    def _sections(self, code: str) -> list[Section]:
        if code not in self._parsed:
            self._parsed[code] = parsed(code[:_MAX_LENGTH])
        return self._parsed[code]


def general(value: float) -> str:
    """Return a number in the format General, with all 15 digits of Excel: its column is taken to be wide enough."""
    if value == int(value) and abs(value) < 10**_MAX_DIGITS:
        return str(int(value))
    text = f"{value:.{_MAX_DIGITS}g}"
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    if -10 < int(exponent) < 0:  # noqa: PLR2004 - smaller numbers are easier to read with an exponent
        return f"{Decimal(text):f}"
    return f"{mantissa}E{int(exponent):+03d}"


def exact(value: float) -> Decimal:
    """Return the number that Excel shows: it knows 15 digits, so 1.005 is not a little less."""
    return Decimal(f"{value:.{_MAX_DIGITS}g}")


def _chosen(sections: list[Section], value: float) -> tuple[Section | None, bool]:
    """Return the section for a number, and whether the number keeps its sign there."""
    numeric = sections[:3] if len(sections) > 3 else sections  # noqa: PLR2004 - the fourth section is for text
    if len(numeric) > 1 and len(sections) <= 3 and numeric[-1].has("text"):  # noqa: PLR2004 - as above
        numeric = numeric[:-1]
    if any(section.condition for section in numeric):
        for index, section in enumerate(numeric):
            if section.condition is None:
                # Excel's own second section is for negative numbers, if the first does not take them.
                last = index == len(numeric) - 1
                if not last and value >= 0:
                    continue
                first = numeric[0].condition
                only_negative = index == 1 and first is not None and first[0] in {">", ">="} and first[1] <= 0
                return section, not only_negative
            if _meets(value, section.condition):
                operator, bound = section.condition
                only_negative = (operator == "<" and bound <= 0) or (operator == "<=" and bound < 0)
                return section, not (only_negative and len(numeric) > 1)
        return None, True
    if len(numeric) == 1:
        return numeric[0], True
    if value < 0:
        return numeric[1], False
    return (numeric[2] if value == 0 and len(numeric) > 2 else numeric[0]), True  # noqa: PLR2004 - the third: zero


def _meets(value: float, condition: tuple[str, float]) -> bool:
    operator, bound = condition
    return {
        "<": value < bound, ">": value > bound, "=": value == bound,
        "<=": value <= bound, ">=": value >= bound, "<>": value != bound,
    }[operator]  # fmt: skip


def _with_literals(section: Section, text: str) -> str:
    return "".join(text if token.kind in {"general", "text"} else token.text for token in section.tokens)


def _dated(section: Section, at: Moment) -> str:
    noon = section.has("ampm")
    text = "".join(written_date(token.kind, token.text, at, twelve=noon) for token in section.tokens)
    return f"-{text}" if at.negative else text


# Numbers


def _scaled(tokens: tuple[Token, ...], value: Decimal) -> tuple[list[Token], Decimal, bool]:
    """Apply the per cent signs and the commas: after the last digit each divides by 1,000, between digits they group.

    Return the tokens without commas, the number, and whether its digits are grouped.
    """
    digits = [index for index, token in enumerate(tokens) if token.kind == "digit"]
    point = next((index for index, token in enumerate(tokens) if token.kind == "point"), len(tokens))
    integer = [index for index in digits if index < point]
    last = max(integer or digits)
    grouped, left = False, []
    for index, token in enumerate(tokens):
        if token.kind == "percent":
            value *= 100
        if token.kind != "comma":
            left.append(token)
        elif integer and integer[0] < index < last:
            grouped = True
        elif index in {last + 1, digits[-1] + 1} or tokens[index - 1].kind == "comma":
            value /= 1000
    return left, value, grouped


def _decimal(section: Section, value: Decimal) -> str:
    if section.plain and value < _PLAIN_BELOW:
        return section.plain.text(value)
    left, value, grouped = _scaled(section.tokens, value)
    point = next((index for index, token in enumerate(left) if token.kind == "point"), len(left))
    after = [token for token in left[point:] if token.kind == "digit"]
    rounded = value.quantize(Decimal(1).scaleb(-len(after)), ROUND_HALF_UP) if value < MAX_VALUE else value
    integer, _, fraction = f"{rounded:f}".partition(".")
    return _integer(left[:point], integer, grouped=grouped) + _after_point(left[point:], fraction)


def _integer(tokens: list[Token], digits: str, *, grouped: bool = False) -> str:
    """Return the tokens with digits in their places, filled from the right. The first place takes all that are left."""
    digits = digits.lstrip("0")
    places = sum(token.kind == "digit" for token in tokens)
    written: list[str] = []
    count = 0

    def add(digit: str) -> None:
        nonlocal count
        if grouped and count and count % 3 == 0:
            written.append("," if digit != " " else " ")
        written.append(digit)
        count += 1

    for token in reversed(tokens):
        if token.kind != "digit":
            written.append(token.text[::-1])
            continue
        places -= 1
        if digits:
            add(digits[-1])
            digits = digits[:-1]
        elif token.text != "#":
            add("0" if token.text == "0" else " ")
        while digits and places == 0:
            add(digits[-1])
            digits = digits[:-1]
    return "".join(written)[::-1]


def _after_point(tokens: list[Token], digits: str) -> str:
    """Return the point and the digits after it. A # shows no zeros at the end."""
    kept = len(digits.rstrip("0"))
    written, place = "", 0
    for token in tokens:
        if token.kind == "digit":
            if place < kept or token.text == "0":
                written += digits[place] if place < len(digits) else "0"
            elif token.text == "?":
                written += " "
            place += 1
        else:
            written += token.text
    return written


def _scientific(tokens: tuple[Token, ...], value: float) -> str:
    tokens = tuple(token for token in tokens if token.kind != "comma")
    at = next(index for index, token in enumerate(tokens) if token.kind == "exponent")
    mantissa, power = tokens[:at], tokens[at + 1 :]
    point = next((index for index, token in enumerate(mantissa) if token.kind == "point"), len(mantissa))
    step = max(sum(token.kind == "digit" for token in mantissa[:point]), 1)
    places = sum(token.kind == "digit" for token in mantissa[point:])
    number = exact(value)
    exponent = 0 if not number else number.adjusted() // step * step
    scaled = number.scaleb(-exponent).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if scaled >= Decimal(10) ** step:
        exponent += step
        scaled = number.scaleb(-exponent).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    integer, _, fraction = f"{scaled:f}".partition(".")
    sign = "-" if exponent < 0 else "+" if tokens[at].text[1] == "+" else ""
    shown = _integer(list(mantissa[:point]), integer) + _after_point(list(mantissa[point:]), fraction)
    return f"{shown}{tokens[at].text[0]}{sign}{_integer(list(power), str(abs(exponent)))}"


def _fraction(tokens: tuple[Token, ...], value: float) -> str:
    """Return a number as a fraction: 1 3/4. A denominator in the format is fixed; places give its most digits."""
    slash = next(index for index, token in enumerate(tokens) if token.kind == "slash")
    before, after = list(tokens[:slash]), list(tokens[slash + 1 :])
    start = slash
    while start and tokens[start - 1].kind == "digit":
        start -= 1
    whole_part = before[:start]
    has_whole = any(token.kind == "digit" for token in whole_part)
    fixed = "".join(token.text for token in after if token.kind == "digit" or token.text.isdigit())
    number = Fraction(exact(value))
    whole = math.floor(number) if has_whole else 0
    if fixed.isdigit() and int(fixed):
        denominator = int(fixed)
        numerator = math.floor((number - whole) * denominator + Fraction(1, 2))
    else:
        places = min(max(sum(token.kind == "digit" for token in after), 1), 7)
        nearest = (number - whole).limit_denominator(10**places - 1)
        numerator, denominator = nearest.numerator, nearest.denominator
    if has_whole and numerator == denominator:
        whole, numerator = whole + 1, 0
    shown = _integer(whole_part, str(whole)) if has_whole else "".join(token.text for token in whole_part)
    if has_whole and not numerator:
        return shown.strip() or "0"
    return f"{shown.rstrip() if has_whole and whole else shown.strip()} {numerator}/{denominator}".strip()
