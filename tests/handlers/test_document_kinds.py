"""Every kind of document: the text that is read, the detected kind, and the refusals."""

import io
import sys
from datetime import date
from typing import Any

import pypdfium2
import pytest
from fpdf import FPDF
from PIL import Image

from analysis_jobs import Fail
from analysis_jobs.base.errors import CancelAsked, ConfigurationError
from analysis_jobs.base.extras import MissingExtraError
from analysis_jobs.documents import Page, Reading, child
from analysis_jobs.documents.reader import DocumentReader, OcrEngine, ReaderLimits
from document_reader.kinds import detect_kind
from document_reader.task import Limits, Task
from tests.handlers.office import picture, repacked, scanned_pdf, word, workbook, written_on
from tests.handlers.office_xml import package
from tests.handlers.pdfs import REPOSITORY, pdf

COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
LICENCE = ("Licence of a therapist", "Valid until 30 August 2026")
SHARED = REPOSITORY.parent / "shared" / "data"


def nothing_stops() -> None:
    """Do nothing: a check that never stops the work."""


def read(content: bytes, name: str, reader: DocumentReader | None = None) -> Reading:
    return (reader or DocumentReader()).read(content, name, nothing_stops)


def refused(content: bytes, name: str, reader: DocumentReader | None = None) -> Fail:
    with pytest.raises(Fail) as failed:
        read(content, name, reader)
    assert failed.value.message.startswith(f"{name} "), "the message starts with the file name"
    return failed.value


def test_a_word_document_is_read_in_page_order() -> None:
    table = [["Course", "Credits"], ["Care", "7.5"]]
    content = word("Certificate", "", "Awarded to Ada", table=table, header="Academy", footer="Page 1")
    reading = read(content, "certificate.docx")
    assert reading == Reading(
        "docx", (Page(1, "Academy\nCertificate\n\nAwarded to Ada\nCourse\tCredits\nCare\t7.5\nPage 1", "text"),)
    )


def test_a_workbook_is_read_sheet_by_sheet_with_one_line_per_row() -> None:
    rows: list[list[Any]] = [["Item", "Count", "On"], ["Camera", 4, date(2026, 3, 1)]]
    rows += [[None, 0.1 + 0.2, True], [None], ["sum", "=B2+1"]]
    reading = read(workbook({"Schedule": rows, "Notes": []}), "schedule.xlsx")
    assert reading.kind == "xlsx"
    assert [page.text for page in reading.pages] == [
        "Schedule\nItem\tCount\tOn\nCamera\t4\t2026-03-01\n\t0.3\tTRUE\nsum\t=B2+1",
        "Notes",
    ]


@pytest.mark.parametrize(
    ("image_format", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tiff"), ("WEBP", "webp"), ("PNG", "jpg")]
)
def test_an_image_is_read_by_ocr_with_a_confidence(image_format: str, ending: str) -> None:
    reading = read(picture(written_on(*LICENCE), image_format), f"licence.{ending}")
    [page] = reading.pages
    assert (reading.kind, page.source) == ("image", "ocr")
    assert _lines(page.text) == list(LICENCE)
    assert 0.7 < page.confidence <= 1


def test_a_tiff_has_one_page_for_each_image() -> None:
    pages = [written_on(f"Page number {number}") for number in (1, 2, 3)]
    reading = read(picture(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "fax.tif")
    assert [page.text for page in reading.pages] == ["Page number 1", "Page number 2", "Page number 3"]


def test_a_photo_is_rotated_upright_and_a_transparent_background_becomes_white() -> None:
    turned = written_on(*LICENCE).rotate(90, expand=True)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    assert _lines(read(picture(turned, "JPEG", exif=orientation), "photo.jpg").text) == list(LICENCE)
    clear = written_on(*LICENCE, mode="RGBA")
    clear.putalpha(clear.convert("L").point(lambda value: 255 - value))
    assert _lines(read(picture(clear, "PNG"), "stamp.png").text) == list(LICENCE)


def test_only_pages_without_a_text_layer_are_read_by_ocr() -> None:
    both = pypdfium2.PdfDocument.new()
    for content in (pdf(["typed"]), scanned_pdf(written_on("scanned words"))):
        both.import_pages(pypdfium2.PdfDocument(content))
    written = io.BytesIO()
    both.save(written)
    reading = read(written.getvalue(), "both.pdf")
    assert [(page.number, page.text, page.source) for page in reading.pages] == [
        (1, "typed", "text"),
        (2, "scanned words", "ocr"),
    ]
    assert [page.confidence for page in reading.pages] == [1.0, pytest.approx(0.9, abs=0.1)]


def test_a_scan_with_only_a_page_number_as_text_is_still_read_by_ocr() -> None:
    document = FPDF(unit="pt", format=(595, 192))
    document.add_page()
    document.set_font("helvetica", size=8)
    document.image(written_on("scanned words"), 0, 0, 595)
    document.text(550, 190, "Page 7")
    [page] = read(bytes(document.output()), "scan.pdf").pages
    assert page.source == "ocr"
    assert "scanned words" in page.text
    assert "Page 7" in page.text


def test_without_an_ocr_engine_images_are_not_read() -> None:
    reader = DocumentReader(ocr=None)
    assert read(scanned_pdf(written_on("scanned")), "scan.pdf", reader).pages == (Page(1, "", "text", 0.0),)
    assert read(picture(written_on("scanned"), "PNG"), "scan.png", reader).pages == (Page(1, "", "text", 0.0),)


def test_another_ocr_engine_gets_only_the_images() -> None:
    class Engine(OcrEngine):
        pictures: list[bytes] = []  # noqa: RUF012 - one engine, one test

        def recognise(self, picture: bytes) -> tuple[str, float]:
            self.pictures.append(picture)
            return "read elsewhere", 0.5

    engine = Engine()
    reading = read(scanned_pdf(written_on("scanned")), "scan.pdf", DocumentReader(ocr=engine))
    assert reading.pages == (Page(1, "read elsewhere", "ocr", 0.5),)
    assert read(pdf(["typed"]), "typed.pdf", DocumentReader(ocr=engine)).text == "typed"
    assert [picture[:4] for picture in engine.pictures] == [b"\x89PNG"]


@pytest.mark.parametrize(
    ("content", "name", "code", "says"),
    [
        (b"", "a.docx", "document_empty", "no bytes"),
        (pdf(["x"]), "a.docx", "document_type_mismatch", "is pdf, but its name says docx"),
        (word("x"), "a.pdf", "document_type_mismatch", "is docx, but its name says pdf"),
        (word("x"), "a.xlsx", "document_type_mismatch", "is docx, but its name says xlsx"),
        (b"plain", "a.png", "document_type_mismatch", "is text, but its name says image"),
        (picture(written_on("x"), "PNG"), "a.txt", "document_type_mismatch", "is PNG, but its name says text"),
        (b"GIF89a\0\0", "a.gif", "document_unsupported", "is a GIF picture; upload a PDF"),
        (b"GIF89a\0\0", "a.txt", "document_type_mismatch", "is a GIF picture, but its name says text"),
        (b"PK\x03\x04 and nothing more", "a.docx", "document_corrupt", "cannot be unpacked"),
        (word("x")[:-400], "a.docx", "document_corrupt", "cannot be unpacked"),
        (repacked(word("x"), {"word/document.xml": b"<w:document"}), "a.docx", "document_corrupt", "cannot be read"),
        (repacked(workbook({"a": [[1]]}), {"xl/workbook.xml": b"<"}), "a.xlsx", "document_corrupt", "cannot be read"),
        (COMPOUND_FILE, "a.doc", "document_unsupported", "is an Office file in a format from before 2007"),
        (COMPOUND_FILE + "EncryptedPackage".encode("utf-16-le"), "a.docx", "document_encrypted", "is encrypted"),
        (bytes(range(256)), "a", "document_unsupported", "is of an unknown kind"),
        (bytes(range(256)), "a.pdf", "document_type_mismatch", "is of an unknown kind, but its name says"),
        (b"\xff\xfea", "a.txt", "document_corrupt", "is marked as utf-16"),
        (picture(written_on("x"), "PNG")[:300], "a.png", "document_corrupt", "cannot be read"),
        (picture(written_on("x"), "JPEG")[:300], "a.jpg", "document_corrupt", "cannot be read"),
    ],
)  # fmt: skip
def test_an_invalid_file_of_any_kind_fails_with_a_code_and_a_reason(
    content: bytes, name: str, code: str, says: str
) -> None:
    failure = refused(content, name)
    assert (failure.code, says in failure.message) == (code, True), failure.message


def test_a_file_without_an_extension_is_detected_by_its_content() -> None:
    assert read(pdf(["found"]), "upload").kind == "pdf"
    assert read(b"found", "upload.unheard-of").kind == "text"


def test_no_control_characters_reach_a_model() -> None:
    assert read("a\x1bb\x85".encode(), "a.txt").text == "ab\x85"


def test_pages_are_rendered_for_models_that_read_images() -> None:
    drawn = DocumentReader().draw(pdf(["one"], ["two"], ["three"]), "a.pdf", nothing_stops, pages=[3, 1], dpi=72)
    assert [(each.name, each.media_type) for each in drawn] == [("a-page-1", "image/png"), ("a-page-3", "image/png")]
    assert _size(drawn[0].content) == (596, 842)


def test_a_page_over_the_size_limit_is_rendered_smaller() -> None:
    reader = DocumentReader(ReaderLimits(pixels=100_000))
    [drawn] = reader.draw(pdf(["one"]), "a.pdf", nothing_stops, pages=None, dpi=300)
    width, height = _size(drawn.content)
    assert 90_000 < width * height < 101_500


def test_an_uploaded_image_is_rendered_upright() -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    content = picture(written_on("x"), "JPEG", exif=orientation)
    [drawn] = DocumentReader().draw(content, "a.jpg", nothing_stops, pages=None, dpi=150)
    assert _size(drawn.content) == (400, 1240)


@pytest.mark.parametrize(("pages", "dpi"), [([0], 150), (None, 0), (None, 601)])
def test_impossible_pages_and_resolutions_are_refused(pages: list[int] | None, dpi: int) -> None:
    with pytest.raises(ConfigurationError, match="page_images"):
        DocumentReader().draw(pdf(["one"]), "a.pdf", nothing_stops, pages=pages, dpi=dpi)


def test_a_missing_page_and_a_kind_without_pages_are_refused() -> None:
    with pytest.raises(Fail, match=r"document_page_missing: a\.pdf has no page 2: it has 1 pages"):
        DocumentReader().draw(pdf(["one"]), "a.pdf", nothing_stops, pages=[2], dpi=72)
    with pytest.raises(Fail, match=r"document_unsupported: a\.docx is docx, which has no pages to draw"):
        DocumentReader().draw(word("x"), "a.docx", nothing_stops, pages=None, dpi=72)


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (pdf(["x"]), "a.pdf", "application/pdf"),
        (picture(written_on("x"), "JPEG"), "a.png", "image/jpeg"),
        (word("x"), "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"x", "a.md", "text/plain"),
        (b"x", "a.csv", "text/csv"),
        (b"x", "a.html", "text/html"),
    ],
)
def test_a_document_is_attached_with_its_detected_kind(content: bytes, name: str, media_type: str) -> None:
    attached = DocumentReader().attach(content, name, nothing_stops)
    assert (attached.content, attached.media_type, attached.name) == (content, media_type, name)


def test_a_document_that_cannot_be_opened_is_not_attached() -> None:
    with pytest.raises(Fail, match="document_encrypted"):
        DocumentReader().attach(pdf(["x"], password="hunter2"), "a.pdf", nothing_stops)


def test_a_cancel_takes_effect_while_a_document_is_being_read() -> None:
    glances = 0

    def stop_soon() -> None:
        nonlocal glances
        glances += 1
        if glances > 2:
            raise CancelAsked("a caller asked for it")

    pages = [written_on(*LICENCE)] * 50
    with pytest.raises(CancelAsked):
        DocumentReader().read(scanned_pdf(*pages), "scan.pdf", stop_soon)
    assert glances == 3


def test_the_error_names_the_extra_that_the_package_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process has the import path of the function, and nothing else."""
    bare = [entry for entry in sys.path if "site-packages" not in entry]
    monkeypatch.setattr(sys, "path", bare)
    with pytest.raises(MissingExtraError, match=r'add "ocr" to `extras` in \[tool\.analysis-jobs\] of pyproject\.toml'):
        read(picture(written_on("x"), "PNG"), "a.png")


def test_office_files_are_read_without_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    assert read(word("x"), "a.docx").text == "x"
    assert read(workbook({"a": [[1]]}), "a.xlsx").text == "a\n1"


@pytest.mark.parametrize(
    ("main", "content_type", "name", "kind"),
    [
        ("word/document2.xml", "application/vnd.ms-word.document.macroEnabled.main+xml", "a.docm", "docx"),
        ("a.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml", "a.dotx", "docx"),
        ("word\\document.xml", "application/xml", "a.docx", "docx"),
        ("xl/book.xml", "application/vnd.ms-excel.sheet.macroEnabled.main+xml", "a.xlsm", "xlsx"),
        ("b.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml", "a.xltx", "xlsx"),
    ],
)
def test_the_kind_of_an_office_file_is_that_of_its_main_part(
    main: str, content_type: str, name: str, kind: str
) -> None:
    content = package({main: "<x/>"}, main, content_type)
    assert DocumentReader().attach(content, name, nothing_stops).media_type.startswith("application/vnd.openxml")
    assert detect_kind(content, name).name == kind


def test_office_files_that_are_not_read_are_named() -> None:
    binary = package(
        {"xl/workbook.bin": b"x"}, "xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.main"
    )
    assert "is a binary workbook (XLSB)" in refused(binary, "a.xlsb").message
    assert "is a ZIP archive" in refused(package({"a.xml": "<x/>"}, "a.xml", "application/xml"), "a.zip").message


def test_the_child_process_does_not_inherit_the_functions_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/var/lang/lib")
    program = "import json, os, sys\nprint(json.dumps({'seen': dict(os.environ)}))\nprint(json.dumps({'done': True}))"
    monkeypatch.setattr(child, "_PROGRAM", program)
    [line] = child.run(_task(), b"x", nothing_stops)
    assert set(line["seen"]) <= {"OMP_THREAD_LIMIT", "MALLOC_ARENA_MAX", "LD_LIBRARY_PATH", "LC_CTYPE"}


def test_a_crash_of_the_child_process_is_not_blamed_on_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_PROGRAM", "raise SystemError('ours')")
    with pytest.raises(RuntimeError, match=r"(?s)ended with status 1: .*SystemError: ours"):
        list(child.run(_task(), b"x", nothing_stops))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _task() -> Task:
    return Task("look", "a.txt", Limits(1, 1, 1))


def _size(content: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(content)).size


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are not beside this repository")
@pytest.mark.parametrize(
    ("name", "phrases", "least"),
    [
        ("letter1.jpg", ["October 31, 1995", "We certainly need your support", "TNJB 0008497"], 0.8),
        ("email1.jpg", ["Saturd", "Byron Nelson", "104-49", "Minnesota community to put the issue"], 0.7),
    ],
)
def test_real_scans_are_read(name: str, phrases: list[str], least: float) -> None:
    [page] = read((SHARED / name).read_bytes(), name).pages
    assert [phrase for phrase in phrases if phrase not in page.text] == []
    assert page.confidence > least
