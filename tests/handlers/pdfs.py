"""Builds PDFs for tests: valid ones, and each kind of broken one."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from fpdf import FPDF

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "rfp-analysis"
RIVERSIDE = EXAMPLE / "documents" / "riverside-digital-heritage.pdf"
COASTAL = EXAMPLE / "documents" / "coastal-road-resilience.pdf"

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


def pdf(*pages: Sequence[str], password: str | None = None, owner_password: str | None = None) -> bytes:
    """Return a PDF from the lines of each page. `password` blocks every reader; `owner_password` alone blocks none."""
    document = FPDF()
    document.set_font("helvetica", size=12)
    for lines in pages:
        document.add_page()
        for line in lines:
            document.cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    if password or owner_password:
        document.set_encryption(owner_password or "owner", user_password=password)
    return bytes(document.output())


def swollen_pdf(repetitions: int) -> bytes:
    """Return a small PDF of one page that expands to `repetitions` lines of 40 letters."""
    content = zlib.compress(b"BT /F1 1 Tf 1 1 Td " + b"(%s) Tj " % (b"a" * 40) * repetitions + b"ET", 9)
    fonts = b"<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9999999 9]/Contents 4 0 R/Resources %s>>" % fonts,
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content),
    )


def raw_pdf(*objects: bytes) -> bytes:
    """Return a PDF of these objects, numbered from 1. The first is the catalog."""
    file, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return file + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(file))
    )
