"""Reads the text layer of a PDF page: its lines with their places, and which characters cannot be trusted."""

import re
from ctypes import c_double, c_void_p, cast
from dataclasses import dataclass, field
from typing import Any

from pypdfium2 import raw

from document_reader import slanted, trust
from document_reader.geometry import Box, View
from document_reader.task import Budget

# PDFium's sign for a hyphen between the halves of a word, which it has put on one line.
_JOINED = "\x02"
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
# What a font without a usable character table gives. U+FFFD stands for an unknown character.
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd-\uffff]")
_BULLET = "\N{BULLET}"
# Han, kana and Hangul syllables, which are also written from top to bottom.
_EAST_ASIAN = re.compile(
    "[\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffee\U00020000-\U0003ffff]"
)
# Text in these modes of drawing is not visible: an OCR program put it over a scan. ISO 32000-1, table 106.
_INVISIBLE = {3, 7}
_SAMPLES = 40
# A character that is repeated at so small a part of its size aside is drawn twice: as a shadow, or to look bold.
_SHADOW, _BOLD = 0.22, 0.12
# A gap of so many heights of a character is more than wide spacing of letters.
_GAP = 2.5


@dataclass(slots=True)
class Character:
    """A character and its box. `bad`: the font has no usable Unicode value for it. `made`: PDFium inserted it.

    `font` identifies the font of the first character of a line. It is 0 for the others.
    """

    text: str
    box: Box
    bad: bool = False
    made: bool = False
    font: int = 0


@dataclass
class Line:
    """A line of text."""

    characters: list[Character] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, without the hyphen of a word that went over two lines."""
        return _paired("".join(character.text for character in self.characters)).strip()

    @property
    def box(self) -> Box:
        """The box around all characters."""
        return Box.around(character.box for character in self.characters)

    @property
    def font(self) -> int:
        """Identifies the font at the beginning of the line. 0: unknown."""
        return next((character.font for character in self.characters if character.font), 0)

    @property
    def bad(self) -> int:
        """How many characters cannot be trusted."""
        return sum(character.bad for character in self.characters)

    def insert(self, text: str, box: Box) -> None:
        """Insert text at its place among the characters, with a space on each side."""
        x, _ = box.middle
        after = [number for number, character in enumerate(self.characters) if character.box.middle[0] < x]
        at = after[-1] + 1 if after else 0
        self.characters[at:at] = [Character(f" {text} ", box)]


@dataclass
class TextLayer:
    """The lines of a page, in the order of the file. `invisible`: an OCR program has put the text over a scan."""

    lines: list[Line]
    invisible: bool = False

    @property
    def letters(self) -> int:
        """How many characters the layer has, without spaces."""
        return sum(not each.text.isspace() for line in self.lines for each in line.characters)

    @property
    def bad(self) -> int:
        """How many characters cannot be trusted."""
        return sum(line.bad for line in self.lines)

    @property
    def text(self) -> str:
        """The text of all lines."""
        return text_of(self.lines)


def text_of(lines: list[Line]) -> str:
    """Return the lines as text, one on each line."""
    return "\n".join(text for line in lines if (text := line.text))


def view_of(page: Any) -> View:
    """Return how the page is displayed."""
    left, bottom, right, top = page.get_bbox()
    return View(left, bottom, right, top, page.get_rotation())


def read_layer(page: Any, budget: Budget) -> TextLayer:
    """Return the text layer of a page. Characters outside of the visible page are left out."""
    layer = page.get_textpage()
    try:
        budget.spend(layer.count_chars())
        characters = _characters(layer, view_of(page))
        invisible = _is_invisible(layer)
    finally:
        layer.close()
    lines = _without_hyphens(_columns(_lines(characters)))
    _replace_bullets(lines)
    return TextLayer(lines, invisible)


def _characters(layer: Any, view: View) -> list[Character]:
    """Return the characters in the order of the file, with newlines for line ends."""
    left, right, bottom, top = c_double(), c_double(), c_double(), c_double()
    characters: list[Character] = []
    unmapped: list[Character] = []
    count, (width, height) = layer.count_chars(), view.size
    for number in range(count):
        text = _character(raw.FPDFText_GetUnicode(layer, number))
        made = raw.FPDFText_IsGenerated(layer, number) == 1
        if made and text in "\r\n":
            if text == "\n" and characters:
                between = "\n" if number < 2 or number + 1 == count else slanted.between(layer, number - 2, number + 1)  # noqa: PLR2004
                characters += [Character(between, characters[-1].box, made=True)] * bool(between)
            continue
        if text in "\r\n\t\u2028\u2029":
            text = " "
        raw.FPDFText_GetCharBox(layer, number, left, right, bottom, top)
        box = view.box(left.value, bottom.value, right.value, top.value)
        x, y = box.middle
        if not made and min(width, height) > 1 and not (-1 <= x <= width + 1 and -1 <= y <= height + 1):
            continue
        hyphen = text == _JOINED and raw.FPDFText_IsHyphen(layer, number) == 1
        bad = not hyphen and bool(_BAD.match(text) or _PRIVATE_USE.match(text))
        if characters and not made and _is_shadow(text, box, characters[-1]):
            continue
        begins = not characters or characters[-1].text == "\n"
        characters.append(Character(text, box, bad, made or hyphen, _font(layer, number) if begins else 0))
        if not made and raw.FPDFText_HasUnicodeMapError(layer, number) == 1:
            unmapped.append(characters[-1])
    # Without a Unicode value, PDFium gives the character's code. In many fonts the codes are those of ASCII.
    if unmapped and not trust.is_language(_of_unmapped(characters, unmapped)):
        for each in unmapped:
            each.bad = True
    return characters


def _font(layer: Any, number: int) -> int:
    drawn = raw.FPDFText_GetTextObject(layer, number)
    font = raw.FPDFTextObj_GetFont(drawn) if drawn else None
    return cast(font, c_void_p).value or 0 if font else 0


def _of_unmapped(characters: list[Character], unmapped: list[Character]) -> str:
    """Return the text of the characters without Unicode values, with the spaces and line ends between them."""
    among = set(map(id, unmapped))
    return "".join(each.text for each in characters if id(each) in among or each.text.isspace())


def _is_shadow(text: str, box: Box, before: Character) -> bool:
    """Tell whether a character is drawn a second time, a little aside: bold text or text with a shadow."""
    across, down = abs(box.left - before.box.left), abs(box.top - before.box.top)
    aside = max(across, down) / max(box.right - box.left, box.bottom - box.top, 0.1)
    return text == before.text and not text.isspace() and aside < (_SHADOW if down > 0.3 else _BOLD)  # noqa: PLR2004


def _character(code: int) -> str:
    return chr(code) if 0 <= code < 0x110000 else "\ufffd"  # noqa: PLR2004 - the last code point and one


def _paired(text: str) -> str:
    """Join the halves of characters that need two units of UTF-16."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_invisible(layer: Any) -> bool:
    """Tell whether most of the characters are in a mode of drawing that shows nothing."""
    count = layer.count_chars()
    sampled = (raw.FPDFText_GetTextObject(layer, number) for number in range(0, count, max(1, count // _SAMPLES)))
    modes = [raw.FPDFTextObj_GetTextRenderMode(drawn) for drawn in sampled if drawn]
    return 2 * sum(mode in _INVISIBLE for mode in modes) > len(modes)


def _lines(characters: list[Character]) -> list[Line]:
    """Divide the characters into lines.

    PDFium misses a line end after a hyphen if the line before ended in a hyphen too, and inserts a space instead.
    """
    lines = [Line()]
    for number, character in enumerate(characters):
        if character.text == "\n":
            lines.append(Line())
            continue
        line = lines[-1]
        if character.made and character.text == " " and 0 < number < len(characters) - 1:
            before, after = characters[number - 1], characters[number + 1]
            if before.text in "-\u00ad\u2010" and _is_below(after.box, before.box):
                if before.text != "\u00ad" or len(line.characters) > 1:
                    before.text, before.made = _JOINED, True
                continue
        if line.characters and _is_apart(character, line.characters[-1]):
            line.characters.append(Character(" ", character.box, made=True))
        line.characters.append(character)
    return [line for line in lines if not all(each.text.isspace() for each in line.characters)]


def _is_apart(character: Character, before: Character) -> bool:
    """Tell whether two characters are in different columns. PDFium misses wide gaps in some fonts."""
    if character.made or before.made or character.text.isspace() or before.text.isspace():
        return False
    height = max(character.box.bottom - character.box.top, before.box.bottom - before.box.top)
    return character.box.left - before.box.right > _GAP * height > 0


def _is_below(box: Box, above: Box) -> bool:
    return box.left < above.left and box.top > above.bottom


def _without_hyphens(lines: list[Line]) -> list[Line]:
    """Join words that a hyphen divides: `eval-` and `uated` become `evaluated`.

    The hyphen stays, without a line end, if it belongs to the word: beside a capital or a digit (`COVID-19`), or if the
    page has the word with a hyphen inside a line too.
    """
    whole = "\n".join(line.text for line in lines).lower()
    for line in lines:
        for number, character in enumerate(line.characters):
            if character.made and character.text == _JOINED:
                before = _half("".join(each.text for each in line.characters[max(0, number - 40) : number]), last=True)
                after = _half("".join(each.text for each in line.characters[number + 1 : number + 40]), last=False)
                divided = before[-1:].islower() and after[:1].islower() and f"{before}-{after}".lower() not in whole
                character.text = "" if divided else "-"
    return lines


def _half(text: str, *, last: bool) -> str:
    found = re.search(r"[^\W\d_]+$" if last else r"^[^\W\d_]+", text)
    return found[0] if found else ""


def _columns(lines: list[Line]) -> list[Line]:
    """Join lines of one East Asian character each, one below the other, into a line: vertical writing."""
    joined: list[Line] = []
    for line in lines:
        character = line.characters[0]
        last = joined[-1].characters[-1].box if joined else None
        vertical = len(line.characters) == 1 and _EAST_ASIAN.match(character.text) is not None
        if vertical and last and _is_next_in_column(character.box, last) and _is_vertical(joined[-1]):
            joined[-1].characters.append(character)
        else:
            joined.append(line)
    return joined


def _is_next_in_column(box: Box, last: Box) -> bool:
    size = max(box.right - box.left, box.bottom - box.top)
    return abs(box.middle[0] - last.middle[0]) < size / 2 and last.top < box.top < last.bottom + size / 2


def _is_vertical(line: Line) -> bool:
    """Tell whether the line is the beginning of a column: one character, or characters that are below each other."""
    box = line.box
    return len(line.characters) == 1 or box.bottom - box.top > box.right - box.left


def _replace_bullets(lines: list[Line]) -> None:
    """Replace a symbol for private use that stands alone: it is the bullet of a list, not a word."""
    for line in lines:
        for number, each in enumerate(line.characters):
            if each.bad and _PRIVATE_USE.match(each.text):
                before, after = line.characters[:number][-1:], line.characters[number + 1 :][:1]
                if _ends_word(before) and (_ends_word(after) or (not before and not after[0].bad)):
                    each.text, each.bad = _BULLET, False


def _ends_word(beside: list[Character]) -> bool:
    return not beside or beside[0].text.isspace()
