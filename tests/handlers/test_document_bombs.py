"""Malicious documents end in a clear error, within limits of CPU time and memory."""

import json
import subprocess
import sys

import pytest

from document_reader import archives
from tests.handlers.office import (
    nested_forms,
    page_of,
    picture,
    pixel_bomb,
    repacked,
    stream,
    stream_bomb,
    word,
    workbook,
    written_on,
)
from tests.handlers.pdfs import REPOSITORY, pdf, swollen_pdf

MEMORY_MB = 256
# CPU seconds, so that other load on the machine does not count.
SECONDS = 12
# For the interpreter that starts the child, and for memory that the system adds to the measurement.
SLACK_MB = 60

_SCHEMA = b"http://schemas.openxmlformats.org"
_WORD = b'<w:document xmlns:w="%s/wordprocessingml/2006/main"><w:body>%s</w:body></w:document>'
_SHEET = b'<worksheet xmlns="%s/spreadsheetml/2006/main"><dimension ref="%s"/><sheetData>%s</sheetData></worksheet>'
_LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'
_BOOK = workbook({"a": [[1]]})


def _sheet(rows: bytes, dimension: bytes = b"A1:B2") -> bytes:
    return repacked(_BOOK, {"xl/worksheets/sheet1.xml": _SHEET % (_SCHEMA, dimension, rows)})


def _big_picture() -> bytes:
    """Return a PDF with a picture of 10 gigapixels on its page."""
    entries = b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceGray/BitsPerComponent 8"
    return page_of(stream(b"q 600 0 0 800 0 0 cm /I Do Q"), b"<</XObject<</I 5 0 R>>>>", stream(b"\0" * 2**20, entries))


BOMBS = {
    "a stream of text": (swollen_pdf(1_000_000), "a.pdf", "document_too_complex"),
    "a stream packed twice": (stream_bomb(1_000), "a.pdf", "document_too_complex"),
    "forms within forms": (nested_forms(9), "a.pdf", "document_too_complex"),
    "a picture of ten gigapixels on a page": (_big_picture(), "a.pdf", "document_no_text"),
    "ten thousand pages": (pdf(*[[]] * 10_000), "a.pdf", "document_too_long"),
    "a PNG of 400 megapixels": (pixel_bomb(20_000), "a.png", "document_too_many_pixels"),
    "a Word document of paragraphs": (
        repacked(word("x"), {"word/document.xml": _WORD % (_SCHEMA, b"<w:p/>" * 10_000_000)}),
        "a.docx",
        "document_too_complex",
    ),
    "a Word document that laughs": (
        repacked(word("x"), {"word/document.xml": _LAUGHS}),
        "a.docx",
        "document_too_complex",
    ),
    "one that laughs in UTF-16": (
        repacked(word("x"), {"word/document.xml": _LAUGHS.decode().encode("utf-16")}),
        "a.docx",
        "document_too_complex",
    ),
    "a workbook that laughs": (
        repacked(_BOOK, {"xl/worksheets/sheet1.xml": _LAUGHS}),
        "a.xlsx",
        "document_too_complex",
    ),
    "a part of many megabytes": (
        repacked(word("x"), {"word/media/image1.bin": bytes(archives.MAX_UNPACKED_BYTES + 1)}),
        "a.docx",
        "document_too_complex",
    ),
    "more parts than a document has": (
        repacked(word("x"), {f"word/{number}.xml": b"" for number in range(10_001)}),
        "a.docx",
        "document_too_complex",
    ),
    "a row number of a trillion": (
        _sheet(b'<row r="1000000000000"><c r="A1"><v>1</v></c></row>'),
        "a.xlsx",
        "document_too_complex",
    ),
    "a text of more characters than are read": (b"abcdefghi\n" * 600_000, "a.txt", "document_too_long"),
}  # fmt: skip

# Reads one document in a separate process. Prints the outcome, and the memory and CPU time of its children.
_MEASURED = """
import json, resource, sys
from analysis_jobs.documents.reader import DocumentReader, ReaderLimits, require_text
from analysis_jobs.base.errors import Fail
name = sys.argv[1]
reader = DocumentReader(ReaderLimits(memory_mb=int(sys.argv[2])))
try:
    code = f"read {len(require_text(reader.read(sys.stdin.buffer.read(), name, lambda: None), name))}"
except Fail as failure:
    code = failure.code
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


def measured(content: bytes, name: str) -> tuple[str, float, float]:
    """Return the error code, the peak memory in megabytes, and the CPU seconds."""
    paths = [str(REPOSITORY / "handlers"), *(entry for entry in sys.path if "site-packages" in entry)]
    program = f"import sys\nsys.path[:0] = {paths!r}\n{_MEASURED}"
    run = [sys.executable, "-c", program, name, str(MEMORY_MB)]
    said = subprocess.run(run, input=content, capture_output=True, check=True)
    code, peak_mb, seconds = json.loads(said.stdout)
    return code, peak_mb, seconds


@pytest.mark.parametrize(("content", "name", "code"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_within_its_limits_of_time_and_memory(content: bytes, name: str, code: str) -> None:
    found, peak_mb, seconds = measured(content, name)
    assert found == code
    assert peak_mb < MEMORY_MB + len(content) / 2**20 + SLACK_MB
    assert seconds < SECONDS


def test_only_the_existing_cells_of_a_workbook_with_a_huge_claimed_range_are_read() -> None:
    content = _sheet(b'<row r="1"><c r="A1"><v>42</v></c></row>', b"A1:XFD1048576")
    assert measured(content, "a.xlsx")[0] == "read 4"


def test_an_ordinary_document_stays_far_below_the_limits() -> None:
    """Starting the second process is cheap."""
    found, peak_mb, seconds = measured(pdf(["typed"]), "a.pdf")
    assert found == "read 5"
    assert peak_mb < MEMORY_MB / 2
    assert seconds < 1


def test_a_scanned_page_fits_into_the_memory_limit() -> None:
    page = picture(written_on("scanned words").resize((2480, 800)), "PNG")
    assert measured(page, "a.png")[0].startswith("read ")
