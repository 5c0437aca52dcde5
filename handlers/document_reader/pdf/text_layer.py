"""Reads the text layer of a PDF page: its lines with their places, and which characters cannot be trusted."""

import re
from ctypes import c_double, c_void_p, cast
from dataclasses import dataclass
from typing import Any

from pypdfium2 import raw

from document_reader.geometry import Box, View
from document_reader.pdf import slanted, trust, vertical
from document_reader.pdf.lines import Character, Line, text_of
from document_reader.task import Budget

# PDFium's sign for a hyphen between the halves of a word, which it has put on one line.
_JOINED = "\x02"
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
# What a font without a usable character table gives. U+FFFD stands for an unknown character.
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd-\uffff]")
_KOREAN = re.compile("[\uac00-\ud7a3]")
# So many characters of Korean text are not by chance all codes of UTF-8.
_MIN_UTF8 = 8
_BULLET = "\N{BULLET}"
# Text in these modes of drawing is not visible: an OCR program put it over a scan. ISO 32000-1, table 106.
_INVISIBLE = {3, 7}
_SAMPLES = 40
# A character that is repeated at so small a part of its size aside is drawn twice: as a shadow, or to look bold.
_SHADOW, _BOLD = 0.22, 0.12
# A gap of so many heights of a character is more than wide spacing of letters.
_GAP = 2.5


@dataclass
class TextLayer:
    """The lines of a page, in the order of the file, or of reading if they are vertical.

    `invisible`: an OCR program has put the text over a scan. `certainty`: that the order is right, 0 to 1.
    """

    lines: list[Line]
    invisible: bool = False
    certainty: float = 1.0

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
    lines, certainty = vertical.ordered(_without_hyphens(_lines(characters)))
    _replace_bullets(lines)
    return TextLayer(lines, invisible, certainty)


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
    unmapped = _without_utf8(unmapped)
    if unmapped and not trust.is_language(_of_unmapped(characters, unmapped)):
        for each in unmapped:
            each.bad = True
    return characters


def _without_utf8(unmapped: list[Character]) -> list[Character]:
    """Decode the codes that are UTF-8, and return the other characters.

    libHaru writes text in UTF-8 and lets the codes of two bytes stand for characters. PDFium then takes the bytes D0 98
    for the Korean letter U+D098, where they are the Russian letter U+0418. Korean text has other letters too.
    """
    encoded = [each for each in unmapped if _is_utf8(each.text)]
    korean = [each for each in unmapped if _KOREAN.match(each.text) and not _is_utf8(each.text)]
    if len(encoded) < _MIN_UTF8 or korean:
        return unmapped
    for each in encoded:
        each.text = ord(each.text).to_bytes(2).decode()
    decoded = set(map(id, encoded))
    return [each for each in unmapped if id(each) not in decoded and not each.text.isascii()]


def _is_utf8(text: str) -> bool:
    high, low = divmod(ord(text), 256)
    return 0xC2 <= high <= 0xDF and 0x80 <= low <= 0xBF  # noqa: PLR2004 - RFC 3629, section 4: UTF8-2


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


def _is_invisible(layer: Any) -> bool:
    """Tell whether most of the characters are in a mode of drawing that shows nothing."""
    count = layer.count_chars()
    sampled = (raw.FPDFText_GetTextObject(layer, number) for number in range(0, count, max(1, count // _SAMPLES)))
    modes = [raw.FPDFTextObj_GetTextRenderMode(drawn) for drawn in sampled if drawn]
    return 2 * sum(mode in _INVISIBLE for mode in modes) > len(modes)


def _lines(characters: list[Character]) -> list[Line]:
    """Divide the characters into lines.

    PDFium misses a line end after a hyphen if the line before ended in a hyphen too, and inserts a space instead. It
    also takes numbers that are far above each other, as on the axis of a chart, for one word.
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
        if line.characters and _is_far_above_or_below(character, line.characters[-1]):
            lines.append(Line([character]))
            continue
        if line.characters and _is_apart(character, line.characters[-1]):
            line.characters.append(Character(" ", character.box, made=True))
        line.characters.append(character)
    return [line for line in lines if not all(each.text.isspace() for each in line.characters)]


def _is_far_above_or_below(character: Character, before: Character) -> bool:
    if character.made or before.made or character.text.isspace() or before.text.isspace():
        return False
    box, last = character.box, before.box
    height = max(box.bottom - box.top, last.bottom - last.top)
    return max(box.top - last.bottom, last.top - box.bottom) > _GAP * height > 0


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
