"""Builds documents of every kind for tests: valid ones and malicious ones."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import docx
import openpyxl
from PIL import Image, ImageDraw, ImageFont

from tests.handlers.pdfs import raw_pdf

# Pixels per point at 150 dots per inch, rounded.
_SCALE = 2


def word(*paragraphs: str, table: Sequence[Sequence[str]] = (), header: str = "", footer: str = "") -> bytes:
    """Return a DOCX with paragraphs, a table, a header and a footer."""
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        made = document.add_table(len(table), len(table[0]))
        for row, texts in zip(made.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    if header:
        document.sections[0].header.paragraphs[0].text = header
    if footer:
        document.sections[0].footer.paragraphs[0].text = footer
    return _saved(document)


def workbook(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """Return an XLSX with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    return _saved(book)


def repacked(content: bytes, changes: Mapping[str, bytes]) -> bytes:
    """Return an Office file with some parts changed or added."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as after:
        parts = {**{name: before.read(name) for name in before.namelist()}, **changes}
        for name, part in parts.items():
            after.writestr(name, part)
    return written.getvalue()


def written_on(*lines: str, size: int = 12, mode: str = "L") -> Image.Image:
    """Return an image of a page with these lines, as scanned at 150 dots per inch."""
    font = ImageFont.load_default(size * _SCALE)
    picture = Image.new(mode, (1240, 400), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((80, 60 + number * size * 4), line, font=font, fill="black")
    return picture


def picture(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the file of an image."""
    written = io.BytesIO()
    image.save(written, image_format, **options)
    return written.getvalue()


def scanned_pdf(*pages: Image.Image) -> bytes:
    """Return a PDF with one image on each page."""
    return picture(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=150)


def pixel_bomb(side: int) -> bytes:
    """Return a small PNG file with `side` times `side` compressed pixels."""
    row = b"\0" * (1 + (side + 7) // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def page_of(content: bytes, resources: bytes = b"<<>>", *others: bytes) -> bytes:
    """Return a PDF of one page with this content stream and its dictionary. `others` are the objects from 5 on."""
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources %s>>" % resources,
        content,
        *others,
    )


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """Return a compressed stream object."""
    packed = zlib.compress(data, 9)
    return b"<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream" % (len(packed), entries, packed)


def stream_bomb(megabytes: int) -> bytes:
    """Return a PDF with a page of zeros, compressed twice to a millionth of its size."""
    packer = zlib.compressobj(9)
    once = b"".join(packer.compress(b" " * 2**20) for _ in range(megabytes)) + packer.flush()
    twice = zlib.compress(once, 9)
    entries = b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>" % len(twice)
    return page_of(entries + b"stream\n" + twice + b"\nendstream")


def nested_forms(depth: int) -> bytes:
    """Return a PDF with nested forms. Each form draws the next one ten times."""
    numbers = range(5, 5 + depth)
    forms = [
        stream(
            b"/F Do " * 10,
            b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F %d 0 R>>>>" % (number + 1),
        )
        for number in numbers
    ]
    last = stream(b"0 0 1 1 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]")
    return page_of(stream(b"/F Do"), b"<</XObject<</F 5 0 R>>>>", *forms, last)


def _saved(document: Any) -> bytes:
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()
