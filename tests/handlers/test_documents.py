"""The text of PDFs, the refusal of each kind of broken PDF, and the names of documents."""

import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from analysis_jobs import Document, Fail
from analysis_jobs.documents import is_document, safe_filename, upload_key
from analysis_jobs.documents.reader import MAX_CHARACTERS, DocumentReader, ReaderLimits, require_text
from tests.handlers.pdfs import COASTAL, EXAMPLE, PNG, REPOSITORY, RIVERSIDE, pdf, raw_pdf, swollen_pdf

STATEMENT = REPOSITORY.parent / "shared" / "data" / "bank-statement-multipage.pdf"
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
ID = "01m80ep4519qqbn8af6shbwev8"


def pdf_text(content: bytes, name: str, **limits: int) -> str:
    reader = DocumentReader(ReaderLimits(**limits))
    return require_text(reader.read(content, name, lambda: None), name)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _code(content: bytes, name: str = "rfp.pdf", **limits: int) -> str:
    with pytest.raises(Fail) as refused:
        pdf_text(content, name, **limits)
    assert name in refused.value.message, "the message starts with the file name"
    return refused.value.code


@pytest.mark.parametrize("document", [RIVERSIDE, COASTAL], ids=lambda path: path.stem)
def test_every_word_of_an_example_is_extracted_in_order(document: Path) -> None:
    source = document.with_suffix(".txt").read_text(encoding="utf-8")
    title = source.splitlines()[0]
    foot = re.compile(rf"{re.escape(title)} - page \d+")
    found = foot.sub("", pdf_text(document.read_bytes(), document.name))
    notation = re.compile(r"^(# |- |---)", re.MULTILINE)
    assert _words(found) == _words(notation.sub("", source))


def test_pages_are_separated_by_form_feeds_and_lines_by_newlines() -> None:
    assert pdf_text(pdf(["one", "two"], ["three"]), "rfp.pdf") == "one\ntwo\fthree"


def test_a_page_without_text_between_others_stays_an_empty_page() -> None:
    assert pdf_text(pdf(["one"], [], ["three"]), "rfp.pdf") == "one\f\fthree"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["proposals are eval-", "uated"], "proposals are evaluated"),
        (["inter-", "natio-", "nal law"], "international law"),
        (["the COVID-", "19 rules of Baden-", "Baden"], "the COVID-19 rules of Baden-Baden"),
        (["price-fixing is not price-", "fixing"], "price-fixing is not price-fixing"),
        (["one -", "two"], "one -\ntwo"),
        (["pages 3-", "-4"], "pages 3-\n-4"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line_joins_the_halves_of_a_word(lines: list[str], text: str) -> None:
    """The hyphen stays if it belongs to the word."""
    assert pdf_text(pdf(lines), "rfp.pdf") == text


def test_non_ascii_letters_are_kept() -> None:
    assert pdf_text(pdf(["Café £500 {rfp_text} </document>"]), "rfp.pdf") == "Café £500 {rfp_text} </document>"


def test_a_statement_made_by_another_program_is_read_completely() -> None:
    if not STATEMENT.exists():
        pytest.skip("the shared data are not beside this repository")
    text = pdf_text(STATEMENT.read_bytes(), STATEMENT.name)
    assert [f"Page {page} of 5" in text for page in range(1, 6)] == [True] * 5
    assert "Total checking and money market savings accounts" in text
    assert not set(re.findall(r"[\x00-\x08\x0b\x0e-\x1f]", text)), "the text has no control characters"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "document_empty", id="no bytes"),
        pytest.param(PNG, "document_type_mismatch", id="a picture"),
        pytest.param(b"Request for proposals\n", "document_type_mismatch", id="a text"),
        pytest.param(b"%PDF-1.7\n" + b"nonsense" * 500, "document_corrupt", id="only the header is a PDF's"),
        pytest.param(raw_pdf(CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"), "document_corrupt", id="no pages"),
        pytest.param(raw_pdf(b"<</Type/Catalog>>"), "document_corrupt", id="no page tree"),
        pytest.param(pdf(["secret"], password="hunter2"), "document_encrypted", id="encrypted"),
        pytest.param(pdf([], []), "document_no_text", id="empty pages"),
        pytest.param(pdf(["   "]), "document_no_text", id="spaces only"),
    ],
)  # fmt: skip
def test_each_kind_of_broken_file_fails_with_its_own_code(content: bytes, code: str) -> None:
    assert _code(content) == code


@pytest.mark.parametrize("percent", [1, 5, 25, 50, 75, 90, 99])
def test_a_truncated_file_is_corrupt_and_never_read_in_part(percent: int) -> None:
    content = RIVERSIDE.read_bytes()
    assert _code(content[: len(content) * percent // 100]) == "document_corrupt"


def test_a_file_with_random_damage_is_read_or_refused_but_never_crashes() -> None:
    content = RIVERSIDE.read_bytes()
    dice = random.Random(7)
    outcomes: set[str] = set()
    for _ in range(40):
        noisy = bytearray(content)
        for _ in range(dice.choice([1, 10, 200])):
            noisy[dice.randrange(len(noisy))] = dice.randrange(256)
        try:
            pdf_text(bytes(noisy), "rfp.pdf")
        except Fail as refused:
            outcomes.add(refused.code)
    assert outcomes
    assert outcomes <= {"document_corrupt", "document_no_text", "document_type_mismatch", "document_encrypted"}


def test_a_document_with_only_an_owner_password_is_read() -> None:
    assert pdf_text(pdf(["open"], owner_password="hunter2"), "rfp.pdf") == "open"


def test_a_pdf_header_must_be_within_the_first_kilobyte() -> None:
    content = pdf(["found"])
    assert pdf_text(b"\r\n" * 500 + content, "rfp.pdf") == "found"
    assert _code(b"\r\n" * 512 + content) == "document_type_mismatch"


def test_a_file_padded_with_zeros_is_read() -> None:
    assert pdf_text(pdf(["found"]) + b"\0" * 4096, "rfp.pdf") == "found"


def test_a_document_with_more_pages_than_the_limit_is_too_long() -> None:
    assert pdf_text(pdf(*[["page"]] * 3), "rfp.pdf", pages=3).count("page") == 3
    assert _code(pdf(*[["page"]] * 4), pages=3) == "document_too_long"
    assert ReaderLimits().pages == 2_000


def test_a_small_file_that_expands_to_much_text_is_too_long() -> None:
    bomb = swollen_pdf(2_000)
    assert len(bomb) < 2_000
    assert len(pdf_text(bomb, "rfp.pdf")) == 80_000
    assert _code(swollen_pdf(MAX_CHARACTERS // 40 + 1), memory_mb=2_000) == "document_too_long"


def test_concurrent_jobs_read_their_own_documents() -> None:
    contents = [pdf([f"document {number}"] * 30) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda content: pdf_text(content, "rfp.pdf"), contents * 4))
    assert [set(text.split("\n")) for text in texts] == [{f"document {number}"} for number in range(8)] * 4


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("rfp.pdf", "rfp.pdf"),
        ("Call for proposals (final).pdf", "Call-for-proposals-final-.pdf"),
        ("../../other-tenant/secret.pdf", "secret.pdf"),
        ("C:\\Users\\me\\rfp.pdf", "rfp.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "a-Set-Cookie-x-1.pdf"),
        ("r\u00e9sum\u00e9.pdf", "r-sum-.pdf"),
        ("\u6587\u4ef6.pdf", "pdf"),
        ("rfp\0.pdf", "rfp-.pdf"),
        ("..", "document"),
        (".hidden", "hidden"),
        ("/", "document"),
        ("\u202efdp.exe", "fdp.exe"),
        ("." + "x" * 200 + ".pdf", "x" * 124 + ".pdf"),
        ("a" * 72 + "." + "-" * 127, "document"),
    ],
)  # fmt: skip
def test_a_filename_keeps_only_characters_safe_in_a_key_and_in_a_header(given: str, kept: str) -> None:
    assert safe_filename(given) == kept
    assert is_document(f"{ID}/{safe_filename(given)}"), "POST /jobs accepts the name that POST /uploads returned"


@pytest.mark.parametrize(
    "document",
    [
        "rfp.pdf",
        f"{ID}/",
        f"{ID}/..",
        f"{ID}/.",
        f"{ID}/-rf",
        f"{ID}/../other/rfp.pdf",
        f"{ID}/a/b.pdf",
        f"../other/{ID}/rfp.pdf",
        f"/{ID}/rfp.pdf",
        f"{ID}/rfp.pdf\n",
        f"{ID}/rfp%2F.pdf",
        f"{ID.upper()}/rfp.pdf",
        f"{ID[:-1]}/rfp.pdf",
        f"{ID}/{'a' * 129}",
        f"{ID}/r\u00e9sum\u00e9.pdf",
    ],
)
def test_a_name_that_no_upload_returns_is_not_a_document(document: str) -> None:
    assert not is_document(document)
    with pytest.raises(ValidationError):
        TypeAdapter(Document).validate_python(document)


def test_a_document_is_in_the_folder_of_its_tenant() -> None:
    assert upload_key("acme", f"{ID}/rfp.pdf") == f"uploads/acme/{ID}/rfp.pdf"


def test_the_examples_carry_the_documents_that_the_tests_read() -> None:
    assert sorted(path.name for path in (EXAMPLE / "documents").glob("*.pdf")) == [COASTAL.name, RIVERSIDE.name]
