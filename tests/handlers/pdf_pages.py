"""Builds PDFs whose text layer does not say what the page shows, and PDFs with forms and annotations."""

import base64
import inspect
import re
import tempfile
from collections.abc import Callable, Sequence

from fpdf import FPDF
from PIL import Image, ImageFont

from tests.handlers.office import page_of, stream
from tests.handlers.pdfs import raw_pdf

LETTER = (
    "GRANT AGREEMENT",
    "The province gives Harbour Museum at most 75,000 euro",
    "for the digital archive, to be spent before the end of 2027.",
    "The final report is due on 15 February 2028.",
)


def with_character_table(lines: Sequence[str], unicode: Callable[[int], int]) -> bytes:
    """Return a page in Helvetica. Its font says that the character with code `n` is the character `unicode(n)`."""
    return drawn_with_character_table(_typed(lines), unicode)


def drawn_with_character_table(content: bytes, unicode: Callable[[int], int]) -> bytes:
    """Return a page with this content, in the font F1 of `with_character_table`."""
    return page_of(stream(content), b"<</Font<</F1 %s>>>>" % _MAPPED, _character_table(unicode))


def two_fonts(right: Sequence[str], wrong: Sequence[str], unicode: Callable[[int], int]) -> bytes:
    """Return a page of two fonts: one is right, the other has the character table of `with_character_table`."""
    content = _typed(right) + _typed([""] * len(right) + list(wrong)).replace(b"/F1", b"/F2")
    fonts = b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>/F2 %s>>>>" % _MAPPED
    return page_of(stream(content), fonts, _character_table(unicode))


_MAPPED = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/FirstChar 32/LastChar 126/ToUnicode 5 0 R>>"


def _character_table(unicode: Callable[[int], int]) -> bytes:
    table = "".join(f"<{code:02X}> <{unicode(code):04X}>\n" for code in range(32, 127))
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Made def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <FF> endcodespacerange\n95 beginbfchar\n{table}endbfchar\nendcmap end end"
    )
    return stream(cmap.encode())


def encoded_in_utf8(lines: Sequence[str]) -> bytes:
    """Return a page as libHaru writes it: the codes of the characters are UTF-8, in a font that is not in the file."""
    content = b"".join(
        b"BT /F1 12 Tf 1 0 0 1 60 %d Tm <%s> Tj ET\n" % (720 - 20 * number, line.encode().hex().encode())
        for number, line in enumerate(lines)
    )
    ranges = "".join(f"<{high:02X}80> <{high:02X}BF> {(high - 0xC0) * 64}\n" for high in range(0xC2, 0xE0))
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Modern-UTF8-H def /CMapType 1 def\n"
        "2 begincodespacerange <00> <7F> <C280> <DFBF> endcodespacerange\n"
        f"31 begincidrange <00> <7F> 0\n{ranges}endcidrange endcmap end end"
    )
    return page_of(
        stream(content),
        b"<</Font<</F1<</Type/Font/Subtype/Type0/BaseFont/Any/Encoding 5 0 R/DescendantFonts[6 0 R]>>>>>>",
        stream(cmap.encode(), b"/Type/CMap/CMapName/Modern-UTF8-H"),
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Any/DW 600/FontDescriptor 7 0 R"
        b"/CIDSystemInfo<</Registry(Haru)/Ordering(Modern1)/Supplement 0>>>>",
        b"<</Type/FontDescriptor/FontName/Any/Flags 4/FontBBox[0 0 600 800]/Ascent 800/Descent 0/ItalicAngle 0"
        b"/CapHeight 700/StemV 80>>",
    )


def without_character_table(lines: Sequence[str]) -> bytes:
    """Return a page in an embedded font that has no table of Unicode values."""
    document = FPDF()
    document.add_page()
    with tempfile.NamedTemporaryFile(suffix=".ttf") as font:
        font.write(_font())
        font.flush()
        document.add_font("embedded", fname=font.name)
    document.set_font("embedded", size=14)
    for line in lines:
        document.cell(0, 9, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(document.output()).replace(b"/ToUnicode", b"/ToNothing")


def _font() -> bytes:
    """Return the TrueType font that Pillow contains."""
    packed = re.findall(r'b"""\s*(.*?)\s*"""', inspect.getsource(ImageFont.load_default), re.DOTALL)
    return base64.b64decode(max(packed, key=len))


def page(content: bytes, entries: bytes = b"", catalog: bytes = b"", *others: bytes) -> bytes:
    """Return a PDF of one page in Helvetica with these dictionary entries. `others` are the objects from 5 on."""
    fonts = b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources %s%s>>" % (fonts, entries),
        stream(content),
        *others,
    )


def typed(lines: Sequence[str], entries: bytes = b"", catalog: bytes = b"", *others: bytes) -> bytes:
    """Return a PDF of one page with these lines, 20 points apart, the first 80 points below the top."""
    return page(_typed(lines), entries, catalog, *others)


def _typed(lines: Sequence[str]) -> bytes:
    return b"".join(
        b"BT /F1 12 Tf 1 0 0 1 60 %d Tm (%s) Tj ET\n" % (720 - 20 * number, line.encode("latin-1"))
        for number, line in enumerate(lines)
    )


def sideways(lines: Sequence[str], rotation: int) -> bytes:
    """Return a page that is stored turned, and turned back by its /Rotate."""
    matrix = {90: b"0 1 -1 0", 180: b"-1 0 0 -1", 270: b"0 -1 1 0"}[rotation]
    content = b""
    for number, line in enumerate(lines):
        down = 80 + 20 * number
        x, y = {90: (down, 60), 180: (540, down), 270: (600 - down, 740)}[rotation]
        content += b"BT /F1 12 Tf %s %d %d Tm (%s) Tj ET\n" % (matrix, x, y, line.encode())
    return page(content, b"/Rotate %d" % rotation)


def scan(image: Image.Image, *, strips: int = 1, stamps: Sequence[str] = ()) -> bytes:
    """Return an A4 page with the image on its upper part, cut into strips, and these lines of text over it."""
    document = FPDF(unit="pt", format=(595, 842))
    document.add_page()
    document.set_auto_page_break(auto=False)
    height = 595 * image.height / image.width
    for number in range(strips):
        top, bottom = (image.height * at // strips for at in (number, number + 1))
        piece = image.crop((0, top, image.width, bottom))
        document.image(piece, 0, height * number / strips, 595, height * piece.height / image.height)
    document.set_font("helvetica", size=8)
    for number, line in enumerate(stamps):
        document.text(20, 12 + number * 816, line)
    return bytes(document.output())
