"""`make corpus`: what became of each file of a folder, and the share of its words that the reader found."""

import io
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest

import corpus
import visible_text
from analysis_jobs.documents import child
from tests.handlers.office import repacked, word
from tests.handlers.pdf_pages import typed
from tests.handlers.pdfs import pdf

SENTENCE = "Ten words are the least that a file needs for comparison"
_WORDML = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def write(folder: Path, **files: bytes) -> Path:
    """Write files into a folder; `report_docx` becomes `report.docx`."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(content)
    return folder


def figures(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Run the program, and return the figures of each file by its name."""
    details = folder.parent / "details.jsonl"
    corpus.main([str(folder), "--no-ocr", "--details", str(details), *options])
    lines = map(json.loads, details.read_text(encoding="utf-8").splitlines())
    return {line["path"]: line for line in lines}


def document_xml(body: str) -> bytes:
    return f'<w:document xmlns:w="{_WORDML}"><w:body>{body}</w:body></w:document>'.encode()


def test_every_document_of_a_folder_is_read_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(
        tmp_path / "documents", good_docx=word(SENTENCE), broken_docx=b"PK\x03\x04", note_txt=b"a note", other_py=b"#"
    )
    write(folder / "below", locked_pdf=pdf(["x"], password="hunter2"))
    write(folder / ".git", hidden_txt=b"x")
    found = figures(folder)
    assert {name: figure["outcome"] for name, figure in found.items()} == {
        "good.docx": "read",
        "broken.docx": "refused",
        "note.txt": "read",
        "below/locked.pdf": "refused",
    }
    assert found["good.docx"]["recall"] == 1
    assert found["note.txt"]["recall"] is None, "a text has no reference"
    printed = capsys.readouterr().out
    assert "docx: refused (1 document_corrupt)\n  broken.docx: document_corrupt: " in printed
    assert "pdf: refused (1 document_encrypted)\n  below/locked.pdf: document_encrypted: " in printed


def test_a_file_with_too_few_words_found_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visible_text, "_word_text", lambda _: f"{SENTENCE} and two that are missing")
    folder = write(tmp_path / "documents", short_docx=word(SENTENCE))
    [figure] = figures(folder).values()
    assert figure["recall"] == pytest.approx(11 / 16, abs=0.001)
    printed = capsys.readouterr().out
    assert "1 below 0.95" in printed
    assert "docx: files with fewer words than wanted\n  0.688  short.docx" in printed


def test_a_file_that_ends_the_child_is_killed_and_one_that_breaks_it_is_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "documents", any_txt=b"a text")
    suicide = f"import os\nos.kill(os.getpid(), {signal.SIGSEGV.value})"
    for program, outcome in ((suicide, "killed"), ("raise SystemError('ours')", "crashed")):
        monkeypatch.setattr(child, "_PROGRAM", program)
        assert corpus.main([str(folder)]) == 1
        assert figures(folder)["any.txt"]["outcome"] == outcome


def test_only_the_chosen_kinds_are_read_and_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "documents", a_txt=b"a text", b_docx=word("x"))
    assert list(figures(folder, "--kinds", "docx,pdf")) == ["b.docx"]
    assert corpus.main([str(folder), "--kinds", "pdf"]) == 2


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (poppler-utils) is not installed")
def test_a_pdf_is_compared_with_pdftotext(tmp_path: Path) -> None:
    folder = write(tmp_path / "documents", good_pdf=pdf([SENTENCE]), short_pdf=pdf(["too short"]))
    found = figures(folder)
    assert (found["good.pdf"]["recall"], found["short.pdf"]["recall"]) == (1, None)


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext (poppler-utils) is not installed")
def test_the_reference_of_a_cropped_page_is_what_it_shows(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(1, 6)]
    whole = write(tmp_path / "documents", whole_pdf=typed(lines), top_pdf=typed(lines, b"/CropBox[0 675 600 790]"))
    assert (visible_text.of_pdf(whole / "whole.pdf") or "").split() == " ".join(lines).split()
    assert (visible_text.of_pdf(whole / "top.pdf") or "").split() == ["line", "1", "line", "2", "line", "3"]


def test_words_ignore_case_hyphens_at_line_ends_and_compatibility_forms() -> None:
    assert visible_text.words("Evalu-\nation ﬁne \uff37 東京") == {"evaluation": 1, "fine": 1, "w": 1, "東": 1, "京": 1}
    assert visible_text.recall("a a b c", "a b d").words == 0.5


def test_torn_words_agree_by_their_characters() -> None:
    shares = visible_text.recall("H e l l o W o r l d", "Hello World")
    assert (shares.words, shares.characters, shares.better) == (0, 1, 1)
    missing = visible_text.recall("The report is due in May", "The report is due")
    assert missing.better < 0.8, "words that are missing are missing by characters too"
    assert visible_text.recall("The report is due in May", "yaM ni eud si troper ehT").better < 0.2


@pytest.mark.parametrize(
    ("text", "doubted"),
    [
        (SENTENCE, ""),
        ("H e l l o W o r l d", "torn"),
        ("Lo ad re no n au pl m ip lu gu ac is ci", "torn"),
        ("1 2 3 4 5 6 7 8 9 10 11 12", ""),
        ("我 们 在 这 里 一 起 学 习 中 文", ""),
        ("ÓÚìüÔòÎÊÌâÂÒâÍÇÒÓÐÇÑÌÈÎÎñ", "mojibake"),
        ("Mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm", ""),
    ],
)
def test_a_reference_without_words_is_recognised(text: str, doubted: str) -> None:
    assert (visible_text.is_torn(text), visible_text.is_mojibake(text)) == (doubted == "torn", doubted == "mojibake")


TORN = "W h a t i s n o t o n t h e p a g e"


@pytest.mark.parametrize(
    ("reference", "printed"),
    [
        (f"{SENTENCE}\f{TORN}", "no words there; 0 files have no other pages\n      1  good.pdf"),
        (TORN, "no words there; 1 files have no other pages\n      1  good.pdf"),
        (" ".join(SENTENCE.replace(" ", "")), "0 below 0.8"),
        (f"{SENTENCE}\fand as many words that are missing on every page of it", "1 below 0.8"),
    ],
    ids=["a page is torn", "all pages are torn", "torn, but the same characters", "a page is missing"],
)
def test_pages_of_a_reference_without_words_are_listed_if_too_little_of_it_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reference: str, printed: str
) -> None:
    monkeypatch.setattr(corpus, "_reference", lambda *_: reference)
    figures(write(tmp_path / "documents", good_pdf=pdf([SENTENCE])))
    assert printed in capsys.readouterr().out


def test_the_reference_of_a_word_document_is_what_word_shows(tmp_path: Path) -> None:
    body = """
    <w:p><w:r><w:t>kept</w:t><w:tab/><w:t>after</w:t></w:r>
      <w:ins><w:r><w:t> inserted</w:t></w:r></w:ins>
      <w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>
      <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>
      <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>
      <w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t> shown</w:t></w:r>
      <w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
    <w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"""
    content = repacked(word("x", footer="unused"), {"word/document.xml": document_xml(body)})
    folder = write(tmp_path / "documents", a_docx=content)
    shown = visible_text.of_docx(folder / "a.docx") or ""
    assert sorted(visible_text.words(shown)) == ["after", "cell", "inserted", "kept", "shown"]


def test_the_reference_of_a_workbook_is_the_strings_of_its_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Camera", 4, "Lens"])
    written = io.BytesIO()
    book.save(written)
    folder = write(tmp_path / "documents", a_xlsx=written.getvalue())
    assert sorted(visible_text.words(visible_text.of_xlsx(folder / "a.xlsx") or "")) == ["camera", "lens"]


def test_a_broken_file_has_no_reference(tmp_path: Path) -> None:
    folder = write(tmp_path / "documents", a_docx=b"PK\x03\x04", b_pdf=b"%PDF-1.7")
    assert visible_text.of_docx(folder / "a.docx") is None
    if shutil.which("pdftotext"):
        assert visible_text.of_pdf(folder / "b.pdf") is None


def test_a_header_in_use_belongs_to_the_reference(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("body")
    document.sections[0].header.paragraphs[0].text = "letterhead"
    written = io.BytesIO()
    document.save(written)
    folder = write(tmp_path / "documents", a_docx=written.getvalue())
    assert sorted(visible_text.words(visible_text.of_docx(folder / "a.docx") or "")) == ["body", "letterhead"]
