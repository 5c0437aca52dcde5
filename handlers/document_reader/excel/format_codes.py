"""Reads the code of a number format of Excel into sections and tokens (ECMA-376, part 1, 18.8.31)."""

import re
from dataclasses import dataclass
from functools import cached_property

from document_reader.excel.plain_number import PlainNumber

GENERAL = "General"
# The formats that a workbook does not define itself. Those of 14 and 22 depend on the reader's country.
BUILT_IN = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '"$"#,##0_);("$"#,##0)', 6: '"$"#,##0_);("$"#,##0)', 7: '"$"#,##0.00_);("$"#,##0.00)',
    8: '"$"#,##0.00_);("$"#,##0.00)', 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0_);(#,##0)", 38: "#,##0_);(#,##0)",
    39: "#,##0.00_);(#,##0.00)", 40: "#,##0.00_);(#,##0.00)", 41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    # Dates in the formats of East Asia.
    **dict.fromkeys([*range(27, 32), 36, *range(50, 55), 57, 58], "yyyy-mm-dd"),
    **dict.fromkeys((32, 33, 34, 35, 55, 56), "h:mm:ss"),
}  # fmt: skip

_TOKEN = re.compile(
    r"""
      "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | _(?P<space>.) | \*(?P<fill>.)
    | \[(?P<bracket>[^\]]*)\]
    | (?P<general>General|Standard) | (?P<ampm>AM/PM|A/P|上午/下午)
    | (?P<exponent>E[+-]) | (?P<date>y+|m+|d+|h+|s+|g+|b+|e+) | (?P<number>[0#?]) | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+(?:E[+-]?\d+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Token:
    """A piece of a format: `literal` text, a `digit` place, a `date` part, `elapsed` time, or a mark such as %."""

    kind: str
    text: str


@dataclass(frozen=True)
class Section:
    """One of up to four sections of a format, for some of the numbers or for text."""

    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None = None

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the section's tokens."""
        return frozenset(token.kind for token in self.tokens)

    @cached_property
    def plain(self) -> PlainNumber | None:
        """The fast way to write a number; None if the format needs more."""
        return PlainNumber.of(self.tokens)

    @cached_property
    def precision(self) -> int | None:
        """The digits after the second; None if the section shows no seconds."""
        digits = [len(token.text) for token in self.tokens if token.kind == "subsecond"]
        seconds = any(token.kind in {"date", "elapsed"} and token.text[0] == "s" for token in self.tokens)
        return max(digits, default=0) if seconds or digits else None

    def has(self, kind: str) -> bool:
        """Tell whether the section has a token of this kind."""
        return kind in self.kinds


def parsed(code: str) -> list[Section]:
    """Return the sections of a format's code. Nothing is refused: what is no mark is a literal."""
    sections: list[Section] = []
    tokens: list[Token] = []
    condition: tuple[str, float] | None = None
    for match in _TOKEN.finditer(code):
        if match["other"] == ";":
            sections.append(_section(tokens, condition))
            tokens, condition = [], None
        elif match["bracket"] is not None:
            if found := _CONDITION.fullmatch(match["bracket"]):
                condition = found[1], float(found[2])
            else:
                tokens += _bracket(match["bracket"])
        else:
            tokens.append(_token(match))
    return [*sections, _section(tokens, condition)]


def _token(match: re.Match[str]) -> Token:
    kind, text = match.lastgroup or "other", match[0]
    if kind in {"quoted", "escaped"}:
        return Token("literal", match[kind])
    if kind == "space":
        return Token("literal", " ")
    if kind == "fill":
        return Token("literal", "")
    if kind == "number":
        return Token("digit", text)
    if kind in {"general", "ampm", "exponent"}:
        return Token(kind, text)
    if kind == "date":
        return Token("date", text.lower())
    marks = {"%": "percent", ".": "point", ",": "comma", "/": "slash", "@": "text"}
    return Token(marks.get(text, "literal"), text)


def _bracket(inside: str) -> list[Token]:
    """Return the tokens of brackets: elapsed time, or a currency. Colours, countries and digit shapes show nothing."""
    if _ELAPSED.fullmatch(inside):
        return [Token("elapsed", inside.lower())]
    if inside.startswith("$"):
        return [Token("literal", inside[1:].rpartition("-")[0] if "-" in inside else inside[1:])]
    return []


def _section(tokens: list[Token], condition: tuple[str, float] | None) -> Section:
    """Return the section. In one with dates, m after hours or before seconds is a minute, and .00 parts of a second."""
    kinds = {token.kind for token in tokens}
    if not kinds & {"date", "elapsed"}:
        plain = [Token("literal", token.text) if token.kind == "ampm" else token for token in tokens]
        return Section(tuple(plain), condition)
    if kinds & {"digit", "exponent"} and not any(
        token.kind == "elapsed" or token.text[0] in "ymdhs" for token in tokens if token.kind in {"date", "elapsed"}
    ):  # a number with letters such as e, g and b that are not quoted
        return Section(tuple(Token("literal", t.text) if t.kind == "date" else t for t in tokens), condition)
    dated: list[Token] = []
    for token in tokens:
        if token.kind == "digit" and dated and dated[-1].kind in {"point", "subsecond"}:
            zeros = "" if dated[-1].kind == "point" else dated[-1].text
            dated[-1] = Token("subsecond", zeros + "0")
        elif token.kind in {"slash", "comma", "percent", "digit"}:
            dated.append(Token("literal", token.text))
        else:
            dated.append(token)
    parts = [index for index, token in enumerate(dated) if token.kind in {"date", "elapsed"}]
    for place, index in enumerate(parts):
        before = dated[parts[place - 1]].text[0] if place else ""
        after = dated[parts[place + 1]].text[0] if place + 1 < len(parts) else ""
        token = dated[index]
        if token.kind == "date" and token.text in {"m", "mm"} and ((before and before in "hs") or after == "s"):
            dated[index] = Token("date", "n" * len(token.text))
    literal = [Token("literal", token.text) if token.kind == "point" else token for token in dated]
    return Section(tuple(literal), condition)
