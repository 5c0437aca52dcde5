"""Plain text: its encoding is detected or refused, and what a text says does not change its kind."""

from pathlib import Path

import pytest

from analysis_jobs import Fail
from analysis_jobs.documents import Reading
from analysis_jobs.documents.reader import DocumentReader
from document_reader.encodings import decode
from document_reader.task import UnreadableError
from tests.handlers.pdfs import REPOSITORY, pdf

CASES = REPOSITORY.parent / "shared" / "cases" / "25-text-legacy-encoding"
ENGLISH = "Plain English, with “quotes”, a dash – and £5.\n"
GERMAN = "Größe und Maße: 75.000 € für Köln, Müller & Söhne.\n"
FRENCH = "L’été dernier, nous étions à la fête près de Besançon.\n"
POLISH = "Zażółć gęślą jaźń. Umowa została zawarta w Łodzi, załącznik nr 3.\n"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy, smlouva byla uzavřena.\n"
RUSSIAN = "Договор № 12 от 1 февраля: стороны договорились о нижеследующем.\n"
GREEK = "Η σύμβαση υπογράφηκε στην Αθήνα και ισχύει από σήμερα.\n"
TURKISH = "Sözleşme İstanbul'da imzalandı, değişiklik yapılmayacağı kararlaştırıldı.\n"
HEBREW = "החוזה נחתם בירושלים ונכנס לתוקף ביום חתימתו.\n"
ARABIC = "تم توقيع العقد في القاهرة ويسري اعتبارا من اليوم.\n"
JAPANESE = "会議室の予約は75,000円です。請求書をお送りください。\n"
CHINESE = "合同编号：75000，双方同意以下条款，自签字之日起生效。\n"
TAIWANESE = "合約編號：75000，雙方同意以下條款，自簽字之日起生效。\n"
KOREAN = "계약 번호 75000, 양 당사자는 다음 조항에 동의합니다.\n"


def nothing_stops() -> None:
    """Do nothing: a check that never stops the work."""


def read(content: bytes, name: str = "note.txt") -> Reading:
    return DocumentReader().read(content, name, nothing_stops)


def code_of(content: bytes, name: str = "note.txt") -> str:
    with pytest.raises(Fail) as failed:
        read(content, name)
    return failed.value.code


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        *((JAPANESE, f"utf-{bits}") for bits in (16, 32)),  # with a byte order mark
        *((text, f"utf-{bits}-{order}") for text in (GERMAN, JAPANESE) for bits in (16, 32) for order in ("le", "be")),
        *((JAPANESE, encoding) for encoding in ("shift_jis", "cp932", "euc_jp", "iso2022_jp")),
        *((CHINESE, encoding) for encoding in ("gb18030", "gbk", "gb2312")),
        (TAIWANESE, "big5"),
        *((KOREAN, encoding) for encoding in ("euc_kr", "cp949")),
        *((text, encoding) for text in (POLISH, CZECH) for encoding in ("cp1250", "iso8859_2")),
        *((RUSSIAN, encoding) for encoding in ("cp1251", "koi8_r", "cp866")),
        *((text, "cp1252") for text in (ENGLISH, GERMAN, FRENCH)),
        (GERMAN.replace("€", "EUR"), "latin-1"),
        (GREEK, "cp1253"),
        (TURKISH, "cp1254"),
        (HEBREW, "cp1255"),
        (ARABIC, "cp1256"),
    ],
)
def test_a_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    if encoding == "koi8_r":
        text = text.replace("№", "N")
    found = decode(text.encode(encoding))
    assert found.text == text
    assert found.confidence > 0.6


def test_lines_and_pages_of_a_text_are_kept() -> None:
    reading = read("one\r\ntwo\rthree\x0cfour".encode("utf-16"))
    assert (reading.kind, [page.text for page in reading.pages]) == ("text", ["one\ntwo\nthree", "four"])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(GERMAN.replace("€", "EUR"), "cp850"), (FRENCH, "mac_roman"), ("Hop dông này có hiêu luc.\n", "cp1258")],
)
def test_a_text_in_a_rare_encoding_is_never_read_as_another_text(text: str, encoding: str) -> None:
    try:
        found = decode(text.encode(encoding)).text
    except UnreadableError as error:
        found = error.code
    assert found in {text, "document_encoding_unknown"}


@pytest.mark.parametrize(
    "content",
    [
        bytes(range(0x80, 0x100)),
        bytes((number * 89) % 128 + 128 for number in range(300)),
        b"ok \xfe\xc0\x81\xff\x90\x9d\xe3 \x8d\xf8\xa1\xff\xc1 \xb0\x81\x8f",
    ],
)
def test_bytes_that_are_no_text_in_any_encoding_are_refused(content: bytes) -> None:
    assert code_of(content) == "document_encoding_unknown"


@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\0", b"\x1a"])
@pytest.mark.parametrize("place", ["begin", "middle", "end"])
def test_one_bad_byte_does_not_spoil_the_rest(bad: bytes, place: str) -> None:
    whole = GERMAN * 3
    begin, end = {"begin": ("", whole), "middle": (whole[:40], whole[40:]), "end": (whole, "")}[place]
    [page] = read(begin.encode() + bad + end.encode()).pages
    assert page.text.replace("\ufffd", "") == whole
    if bad >= b"\x80":
        assert page.text.count("\ufffd") == 1
        assert page.confidence < 0.8


def test_only_the_page_with_the_bad_byte_has_a_lower_confidence() -> None:
    first, second = read(f"{GERMAN}\f".encode() + b"\xff" + GERMAN.encode()).pages
    assert first.confidence == 1
    assert second.confidence < 0.8


def test_one_bad_byte_in_a_text_that_is_otherwise_ascii_is_marked() -> None:
    [page] = read(b"All is plain here. " * 20 + b"\x81" + b" And here too." * 20).pages
    assert page.text.count("\ufffd") == 1
    assert page.confidence < 0.8


def test_text_that_does_not_fit_its_byte_order_mark_is_corrupt() -> None:
    assert code_of(b"\xff\xfea") == "document_corrupt"


@pytest.mark.parametrize(
    "text",
    [
        "# How to read a PDF\nThe file begins with %PDF-1.7 and ends with %%EOF.\n",
        "%PDF-1.7 is the first line of a PDF.\n",
        "%PDF-1.4\nThen come objects such as `1 0 obj`. They end with endobj.\n",
        "GIF89a is the header of a GIF picture.\n",
        "BMW sold more cars.\n",
        "MZ stands for Mark Zbikowski.\n",
        "Rar! is how a RAR archive begins.\n",
        "%!PS begins PostScript.\n",
        "PK are the initials of Phil Katz.\n",
        "{\\rtf1 begins rich text.\n",
        "<?xml version='1.0'?> begins XML.\n",
        "RIFF....WEBP begins a picture: RIFFabcdWEB.\n",
        "From: is a header of mails.\nMIME-Version: too.\n",
    ],
)
@pytest.mark.parametrize("ending", ["md", "txt", "log"])
def test_what_a_text_says_does_not_make_it_another_kind(text: str, ending: str) -> None:
    reading = read(text.encode(), f"notes.{ending}")
    assert (reading.kind, reading.text) == ("text", text)


def test_a_text_about_pdfs_without_an_ending_is_a_text() -> None:
    assert read(b"The file begins with %PDF-1.7 and has objects: 1 0 obj.\n", "notes").kind == "text"


def test_a_pdf_whose_bytes_are_all_ascii_is_still_a_pdf() -> None:
    content = b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"
    assert code_of(content, "a") == "document_corrupt", "it is a PDF, of no pages"
    assert code_of(content) == "document_type_mismatch"
    assert read(pdf(["typed"]), "a").kind == "pdf"


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this repository")
@pytest.mark.parametrize(
    ("name", "says"),
    [("shift_jis.csv", "会議室予約\t75000"), ("about-pdf.md", "%PDF-1.7"), ("utf8-one-bad-byte.txt", "Köln")],
)
def test_the_shared_cases_are_read(name: str, says: str) -> None:
    assert says in read(Path(CASES / name).read_bytes(), name).text


@pytest.mark.parametrize("declared", ["base64", "rot13", "zlib", "no-such-encoding", "utf-16", "shift_jis"])
def test_a_wrong_declaration_of_the_encoding_does_not_count(declared: str) -> None:
    assert decode(RUSSIAN.encode("cp1251"), declared).text == RUSSIAN
    assert decode(GERMAN.encode(), declared).text == GERMAN
