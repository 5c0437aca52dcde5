"""Makes the documents of the example `credential-extraction`: PDFs with text, scans, and a photograph of a card.

    python tools/make_credentials.py examples/credential-extraction/documents

All organisations, persons and numbers in them are invented. Each scan and photograph has a fixed random seed, so its
noise is always the same. The files are committed. A test makes them again and compares.
"""

import io
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
from fpdf import FPDF, XPos, YPos
from PIL import Image, ImageChops, ImageDraw, ImageFilter

_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
_POINTS_AN_INCH = 72
_SCAN_DPI = 150
_PHOTO_WIDTH = 1_500
_INK = (28, 44, 84)


@dataclass(frozen=True)
class Credential:
    """The content of one credential. `size` is in millimetres, `text_size` in points; `lines` are (label, value)."""

    issuer: str
    title: str
    lines: tuple[tuple[str, str], ...]
    small_print: str
    size: tuple[float, float] = (297, 210)
    text_size: int = 20
    paper: tuple[int, int, int] = (255, 255, 255)


CERTIFICATE = Credential(
    "Northwind Institute of Continuing Learning",
    "Certificate of Completion",
    (
        ("Awarded to", "Ada Example"),
        ("Course", "Infection Control in Community Care"),
        ("Credits", "7.5 contact hours"),
        ("Date of issue", "14 March 2026"),
        ("Valid until", "13 March 2028"),
        ("Certificate number", "CE-204817"),
    ),
    "This certificate of continuing education is given for a course that was completed in full.",
)
SCANNED_CERTIFICATE = Credential(
    "Westmarch Academy of Allied Health",
    "Certificate of Completion",
    (
        ("Awarded to", "Bertram Sample"),
        ("Course", "Safe Handling of Loads"),
        ("Credits", "12 contact hours"),
        ("Date of issue", "2 June 2026"),
        ("Valid until", "1 June 2029"),
        ("Certificate number", "CE-381146"),
    ),
    "This certificate of continuing education is given for a course that was completed in full.",
)
LICENCE = Credential(
    "Exampleland Board of Therapy Practice",
    "Licence to Practise",
    (
        ("Name of licensee", "Cleo Placeholder"),
        ("Profession", "Physical therapist"),
        ("Licence number", "PT-0047193"),
        ("Date of issue", "1 September 2025"),
        ("Expires", "31 August 2027"),
        ("Status", "Active"),
    ),
    "The holder is licensed to practise this profession within Exampleland, subject to the rules of the Board.",
    size=(210, 297),
    text_size=17,
)
REGISTRATION = Credential(
    "Fictional College of Pharmacists",
    "Registration Card",
    (
        ("Registrant", "Dorian Madeup"),
        ("Category", "Pharmacy technician"),
        ("Registration number", "FCP-55218"),
        ("Registered on", "9 January 2024"),
        ("Valid until", "8 January 2027"),
    ),
    "Entered in the public register of the College.",
    size=(148, 94),
    text_size=12,
    paper=(247, 243, 230),
)
WRONG_CERTIFICATE = Credential(
    "Northwind Institute of Continuing Learning",
    "Certificate of Completion",
    (
        ("Awarded to", "Edda Nobody"),
        ("Course", "Wound Care, Advanced"),
        ("Credits", "480 contact hours"),
        ("Date of issue", "20 May 2026"),
        ("Valid until", "19 May 2024"),
        ("Certificate number", "CE-77"),
    ),
    "This certificate of continuing education is given for a course that was completed in full.",
)


class _Sheet(FPDF):
    """One page of the credential's size, with a fixed creation date, so that every run gives the same bytes."""

    def __init__(self, size: tuple[float, float]) -> None:
        super().__init__(orientation="landscape" if size[0] > size[1] else "portrait", format=(min(size), max(size)))
        self.set_auto_page_break(auto=False)
        self.set_margin(0)
        self.set_creation_date(_MADE_AT)
        self.add_page()


def make_pdf(credential: Credential) -> bytes:
    """Return a credential as a PDF with a text layer."""
    width, height = credential.size
    sheet = _Sheet(credential.size)
    edge = min(width, height) * 0.04
    sheet.set_fill_color(*credential.paper)
    sheet.rect(0, 0, width, height, style="F")
    sheet.set_draw_color(*_INK)
    for inset, line in ((edge, 0.8), (edge * 1.4, 0.25)):
        sheet.set_line_width(line)
        sheet.rect(inset, inset, width - 2 * inset, height - 2 * inset)
    sheet.set_left_margin(edge * 2.5)
    sheet.set_y(edge * 2.2)
    _heading(sheet, credential.issuer, credential.text_size + 3, _INK)
    _heading(sheet, credential.title, credential.text_size * 2, (0, 0, 0))
    sheet.ln(edge * 0.8)
    for label, value in credential.lines:
        sheet.set_font("helvetica", size=credential.text_size)
        sheet.cell(0, credential.text_size * 0.62, f"{label}: {value}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(edge * 0.6)
    sheet.set_font("helvetica", style="I", size=max(8, credential.text_size - 4))
    sheet.multi_cell(width - edge * 5 - 34, credential.text_size * 0.4, credential.small_print)
    _seal(sheet, width - edge * 2.5 - 16, height - edge * 2.5 - 16)
    return bytes(sheet.output())


def _heading(sheet: FPDF, text: str, size: int, colour: tuple[int, int, int]) -> None:
    sheet.set_text_color(*colour)
    sheet.set_font("helvetica", style="B", size=size)
    sheet.cell(0, size * 0.6, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_text_color(0, 0, 0)


def _seal(sheet: FPDF, x: float, y: float) -> None:
    sheet.set_line_width(0.5)
    for radius in (13.0, 10.5, 4.0):
        sheet.circle(x, y, radius)


def make_scan(credential: Credential, seed: int, *, tilt: float) -> bytes:
    """Return a PDF of one picture without text: a grey, noisy scan of the page, rotated by `tilt` degrees."""
    page = _picture(make_pdf(credential), _SCAN_DPI).convert("L")
    page = page.rotate(tilt, Image.Resampling.BICUBIC, fillcolor=255)
    page = page.point(lambda level: 30 + level * 0.82)  # in a scan, toner is not fully black and paper not fully white
    page = _noisy(page, random.Random(seed), 0.10)  # noqa: S311 - image noise, not a secret
    width, height = credential.size
    sheet = _Sheet(credential.size)
    sheet.image(io.BytesIO(_jpeg(page, 55)), 0, 0, width, height)
    return bytes(sheet.output())


def make_photo(credential: Credential, seed: int) -> bytes:
    """Return a JPEG photograph: the card on a table, slightly oblique, partly in shadow, in indoor light."""
    draw = random.Random(seed)  # noqa: S311 - image noise, not a secret
    card = _picture(make_pdf(credential), 220)
    margin = card.width // 9
    table = Image.new("RGB", (card.width + 2 * margin, card.height + 2 * margin), (96, 78, 62))
    grain = Image.frombytes("L", (table.width, 1), draw.randbytes(table.width)).resize(table.size)
    table = Image.blend(table, Image.merge("RGB", (grain,) * 3), 0.08)
    shade = Image.new("L", table.size, 0)
    below = (margin + 14, margin + 18, margin + 14 + card.width, margin + 18 + card.height)
    ImageDraw.Draw(shade).rectangle(below, fill=150)
    table.paste((20, 16, 12), mask=shade.filter(ImageFilter.GaussianBlur(16)))
    table.paste(card, (margin, margin))
    seen = _from_the_side(table).resize((_PHOTO_WIDTH, _PHOTO_WIDTH * table.height // table.width))
    seen = ImageChops.multiply(seen, Image.merge("RGB", (_light(seen.size),) * 3))
    seen = Image.composite(seen, Image.new("RGB", seen.size, (255, 214, 150)), Image.new("L", seen.size, 236))
    seen = _noisy(seen.filter(ImageFilter.GaussianBlur(0.6)), draw, 0.07)
    return _jpeg(seen, 82)


def _from_the_side(table: Image.Image) -> Image.Image:
    width, height = table.size
    corners = (
        *(width * 0.000, height * 0.015),  # upper left
        *(width * 0.035, height * 0.985),  # lower left
        *(width * 0.985, height * 1.000),  # lower right
        *(width * 1.000, height * 0.035),  # upper right
    )
    return table.transform(
        table.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=(80, 64, 50)
    ).rotate(-1.6, Image.Resampling.BICUBIC, fillcolor=(80, 64, 50))


def _light(size: tuple[int, int]) -> Image.Image:
    """Return the brightness of each point: light from above, and the shadow of a hand in a lower corner."""
    falling = Image.linear_gradient("L").rotate(35).crop((50, 50, 206, 206)).resize(size)
    light = falling.point(lambda level: 255 - level * 0.42)
    hand = Image.new("L", size, 255)
    reach = (-size[0] * 0.3, size[1] * 0.62, size[0] * 0.42, size[1] * 1.5)
    ImageDraw.Draw(hand).ellipse(reach, fill=168)
    return ImageChops.multiply(light, hand.filter(ImageFilter.GaussianBlur(size[0] / 30)))


def _picture(pdf: bytes, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        picture: Image.Image = document[0].render(scale=dpi / _POINTS_AN_INCH).to_pil().convert("RGB")
    return picture


def _noisy(picture: Image.Image, draw: random.Random, share: float) -> Image.Image:
    grain = Image.frombytes("L", picture.size, draw.randbytes(picture.width * picture.height))
    return Image.blend(picture, grain.convert(picture.mode), share)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "certificate.pdf": lambda: make_pdf(CERTIFICATE),
    "certificate-scan.pdf": lambda: make_scan(SCANNED_CERTIFICATE, 3, tilt=-0.7),
    "certificate-wrong.pdf": lambda: make_pdf(WRONG_CERTIFICATE),
    "licence-scan.pdf": lambda: make_scan(LICENCE, 1, tilt=0.9),
    "registration-photo.jpg": lambda: make_photo(REGISTRATION, 2),
}


def main(folder: Path) -> None:
    """Make every document."""
    for name, make in DOCUMENTS.items():
        (folder / name).write_bytes(make())
        print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
