"""Malicious documents end in a clear error, within the memory that the reader is given."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from document_reader.office import archives
from tests.handlers.formats import mail, open_text, presentation
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
# What the interpreter needs before it reads anything.
SLACK_MB = 60

_SCHEMA = b"http://schemas.openxmlformats.org"
_WORD = b'<w:document xmlns:w="%s/wordprocessingml/2006/main"><w:body>%s</w:body></w:document>'
_SHEET = b'<worksheet xmlns="%s/spreadsheetml/2006/main"><dimension ref="%s"/><sheetData>%s</sheetData></worksheet>'
_LAUGHS = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>'


def _sheet(rows: bytes, dimension: bytes = b"A1:B2") -> bytes:
    return repacked(_book(), {"xl/worksheets/sheet1.xml": _SHEET % (_SCHEMA, dimension, rows)})


def _book() -> bytes:
    return workbook({"a": [[1]]})


def _big_picture() -> bytes:
    """Return a PDF with a picture of 10 gigapixels on its page."""
    entries = b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceGray/BitsPerComponent 8"
    return page_of(stream(b"q 600 0 0 800 0 0 cm /I Do Q"), b"<</XObject<</I 5 0 R>>>>", stream(b"\0" * 2**20, entries))


def _mails_within(levels: int) -> bytes:
    """Return a mail in a mail in a mail."""
    content = b"MIME-Version: 1.0\n\nthe end"
    for _ in range(levels):
        content = b"MIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + content
    return content


def _mail_of_parts(parts: int) -> bytes:
    header = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
    return header + b"--x\nContent-Type: text/plain\n\na\n" * parts + b"--x--\n"


# How each document is made: some take seconds.
BOMBS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a stream of text": (lambda: swollen_pdf(1_000_000), "a.pdf", "document_too_complex"),
    "a stream packed twice": (lambda: stream_bomb(1_000), "a.pdf", "document_too_complex"),
    "forms within forms": (lambda: nested_forms(9), "a.pdf", "document_too_complex"),
    "a picture of ten gigapixels on a page": (_big_picture, "a.pdf", "document_no_text"),
    "ten thousand pages": (lambda: pdf(*[[]] * 10_000), "a.pdf", "document_too_long"),
    "a PNG of 400 megapixels": (lambda: pixel_bomb(20_000), "a.png", "document_too_many_pixels"),
    "a Word document of paragraphs": (
        lambda: repacked(word("x"), {"word/document.xml": _WORD % (_SCHEMA, b"<w:p/>" * 10_000_000)}),
        "a.docx",
        "document_too_complex",
    ),
    "a Word document that laughs": (
        lambda: repacked(word("x"), {"word/document.xml": _LAUGHS}),
        "a.docx",
        "document_too_complex",
    ),
    "one that laughs in UTF-16": (
        lambda: repacked(word("x"), {"word/document.xml": _LAUGHS.decode().encode("utf-16")}),
        "a.docx",
        "document_too_complex",
    ),
    "a workbook that laughs": (
        lambda: repacked(_book(), {"xl/worksheets/sheet1.xml": _LAUGHS}),
        "a.xlsx",
        "document_too_complex",
    ),
    "a part of many megabytes": (
        lambda: repacked(word("x"), {"word/media/image1.bin": bytes(archives.MAX_UNPACKED_BYTES + 1)}),
        "a.docx",
        "document_too_complex",
    ),
    "more parts than a document has": (
        lambda: repacked(word("x"), {f"word/{number}.xml": b"" for number in range(10_001)}),
        "a.docx",
        "document_too_complex",
    ),
    "a row number of a trillion": (
        lambda: _sheet(b'<row r="1000000000000"><c r="A1"><v>1</v></c></row>'),
        "a.xlsx",
        "document_too_complex",
    ),
    "a presentation that laughs": (
        lambda: repacked(presentation("x"), {"ppt/slides/slide1.xml": _LAUGHS}),
        "a.pptx",
        "document_too_complex",
    ),
    "a presentation of many megabytes": (
        lambda: repacked(presentation("x"), {"ppt/media/image1.bin": bytes(archives.MAX_UNPACKED_BYTES + 1)}),
        "a.pptx",
        "document_too_complex",
    ),
    "an OpenDocument text that laughs": (
        lambda: repacked(open_text(""), {"content.xml": _LAUGHS}),
        "a.odt",
        "document_too_complex",
    ),
    "an OpenDocument text of many spaces": (
        lambda: open_text('<text:p><text:s text:c="100000000"/></text:p>' * 60_000),
        "a.odt",
        "document_too_long",
    ),
    "an OpenDocument text of many characters": (
        lambda: open_text(f"<text:p>{'a' * 1_000_000}</text:p>" * 6),
        "a.odt",
        "document_too_long",
    ),
    "groups within groups": (lambda: rb"{\rtf1" + b"{" * 2_000, "a.rtf", "document_too_complex"),
    "a CSV file of many rows": (lambda: b"a,b,c,d\n" * 700_000, "a.csv", "document_too_long"),
    "mails within mails": (lambda: _mails_within(40), "a.eml", "document_too_complex"),
    "a mail of many parts": (lambda: _mail_of_parts(1_500), "a.eml", "document_too_complex"),
    "a mail with bombs": (lambda: mail("x", {"a.pdf": stream_bomb(1_000)}).as_bytes(), "a.eml", "document_too_complex"),
    "a text of more characters than are read": (lambda: b"abcdefghi\n" * 600_000, "a.txt", "document_too_long"),
}  # fmt: skip

# Reads one document in a child process; prints the outcome and the peak memory of the child.
_MEASURED = """
import json, resource, sys
from analysis_jobs.documents.reader import DocumentReader, ReaderLimits, require_text
from analysis_jobs.base.errors import Fail
name = sys.argv[1]
reader = DocumentReader(ReaderLimits(memory_mb=int(sys.argv[2])))
try:
    outcome = "read", require_text(reader.read(sys.stdin.buffer.read(), name, lambda: None), name)
except Fail as failure:
    outcome = failure.code, failure.message
print(json.dumps([*outcome, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""


def measured(content: bytes, name: str) -> tuple[str, str, float]:
    """Return "read" and the text, or the code and the message of the failure; and the peak memory in MB."""
    paths = [str(REPOSITORY / "handlers"), *(entry for entry in sys.path if "site-packages" in entry)]
    program = f"import sys\nsys.path[:0] = {paths!r}\n{_MEASURED}"
    run = [sys.executable, "-c", program, name, str(MEMORY_MB)]
    printed = subprocess.run(run, input=content, capture_output=True, check=True)
    outcome, text, peak_mb = json.loads(printed.stdout)
    return outcome, text, peak_mb


@pytest.mark.parametrize(("make", "name", "code"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_recognised_and_stays_within_its_memory(make: Callable[[], bytes], name: str, code: str) -> None:
    content = make()
    outcome, message, peak_mb = measured(content, name)
    assert outcome == code
    assert "takes too long" not in message, "a limit of size must stop it, long before the limit of processor time"
    assert peak_mb < MEMORY_MB + len(content) / 2**20 + SLACK_MB


def test_only_the_existing_cells_of_a_workbook_with_a_huge_claimed_range_are_read() -> None:
    content = _sheet(b'<row r="1"><c r="A1"><v>42</v></c></row>', b"A1:XFD1048576")
    assert measured(content, "a.xlsx")[0] == "read"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<div>" * 200_000 + b"x", "a.html"),
        (b"<table><tr><td>" * 20_000 + b"x", "a.html"),
        (b"[" * 1_000_000, "a.json"),
        (b"<a>" * 500_000, "a.xml"),
        (b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>', "a.xml"),
        (open_text("<text:list>" * 20_000 + "<text:p>x</text:p>" + "</text:list>" * 20_000), "a.odt"),
    ],
    ids=["html", "tables", "json", "xml", "entities", "lists"],
)
def test_nesting_and_entities_do_no_harm_where_nothing_is_parsed_into_a_tree(content: bytes, name: str) -> None:
    assert measured(content, name)[0] == "read"


def test_an_ordinary_document_takes_a_fraction_of_the_memory() -> None:
    outcome, text, peak_mb = measured(pdf(["typed"]), "a.pdf")
    assert (outcome, text) == ("read", "typed")
    assert peak_mb < MEMORY_MB / 2


def test_a_scanned_page_fits_into_the_memory_limit() -> None:
    page = picture(written_on("scanned words").resize((2480, 800)), "PNG")
    assert measured(page, "a.png")[0] == "read"
