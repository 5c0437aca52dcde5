"""Presentations, rich text, OpenDocument, web pages, e-mails, JSON, XML, CSV and HEIC: what is read of each."""

import io
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from PIL import Image

from analysis_jobs import Fail
from analysis_jobs.base.extras import MissingExtraError
from analysis_jobs.documents import Reading
from analysis_jobs.documents.reader import DocumentReader, ReaderLimits
from tests.handlers.formats import mail, open_text, presentation
from tests.handlers.office import picture, scanned_pdf, word, written_on
from tests.handlers.pdfs import pdf

# Made with pillow-heif from a drawn line of text.
PHOTOGRAPH = Path(__file__).parent / "data" / "licence.heic"
TABLE = [["Course", "Credits"], ["Care", "7.5"]]


def nothing_stops() -> None:
    """Do nothing: a check that never stops the work."""


def read(content: bytes | str, name: str, reader: DocumentReader | None = None) -> Reading:
    given = content.encode() if isinstance(content, str) else content
    return (reader or DocumentReader()).read(given, name, nothing_stops)


def text_of(content: bytes | str, name: str) -> str:
    [page] = read(content, name).pages
    return page.text


def code_of(content: bytes | str, name: str, reader: DocumentReader | None = None) -> str:
    with pytest.raises(Fail) as failed:
        read(content, name, reader)
    return failed.value.code


# Presentations


def test_a_presentation_is_read_slide_by_slide_with_tables_groups_and_notes() -> None:
    content = presentation("Welcome", "Thank you", table=TABLE, grouped="in two groups", notes="Smile.\nThen begin.")
    reading = read(content, "talk.pptx")
    assert reading.kind == "pptx"
    assert [page.text for page in reading.pages] == [
        "Welcome\nCourse\tCredits\nCare\t7.5\nin two groups\nSmile.\nThen begin.",
        "Thank you",
    ]


def test_a_presentation_with_more_slides_than_the_limit_is_too_long() -> None:
    reader = DocumentReader(ReaderLimits(pages=1))
    assert code_of(presentation("one", "two"), "talk.pptx", reader) == "document_too_long"


# Rich text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"{\rtf1\ansi\ansicpg1252 Caf\'e9 \u8364?5\par next\line line}", "Café €5\nnext\nline"),
        (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (r"{\rtf1\ansi\u-10179?\u-8704? end}", "\U0001f600 end"),
        (r"{\rtf1 \trowd Course\cell Credits\cell\row\trowd a|b\cell 7.5\cell\row}", "Course\tCredits\na|b\t7.5"),
        (r"{\rtf1{\header Academy\par}{\info{\title no}}Body{\footnote note\par}\par}", "Academy\n\nBody\nnote"),
        (r"{\rtf1 kept{\deleted gone}\par{\*\shpinst{\sp{\sn no}{\sv no}}{\shptxt in a box\par}}}", "kept\n\nin a box"),
        (r"{\rtf1{\fonttbl{\f0 Arial;}}{\pict\pngblip 89504e47}{\*\generator no;}only this}", "only this"),
    ],
    ids=["windows-1252", "windows-1251", "surrogates", "table", "header and note", "deleted and box", "pictures"],
)
def test_rich_text_is_read_as_word_shows_it(source: str, text: str) -> None:
    lines = [line for line in text_of(source, "a.rtf").split("\n") if line]
    assert lines == [line for line in text.split("\n") if line]


def test_rich_text_needs_its_header_or_it_is_not_rich_text() -> None:
    assert code_of("no header", "a.rtf") == "document_type_mismatch"
    assert read(r"{\rtf1 text}", "old.doc").kind == "rtf", "word processors accept RTF under this ending"


# OpenDocument


def test_an_open_document_text_is_read_with_everything_that_it_shows() -> None:
    note = "<text:note><text:note-body><text:p>a note</text:p></text:note-body></text:note>"
    body = f"""
    <text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>
    <text:h>Title</text:h>
    <text:p>one<text:s text:c="2"/>two<text:line-break/>three{note}<text:span> four</text:span></text:p>
    <table:table><table:table-row><table:table-cell><text:p>Course</text:p></table:table-cell>
      <table:table-cell><text:p>Cre</text:p><text:p>dits</text:p></table:table-cell></table:table-row></table:table>
    <text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>"""
    edges = "<style:header><text:p>Academy</text:p></style:header><style:footer><text:p>Page</text:p></style:footer>"
    content = open_text(body, styles=edges)
    reading = read(content, "a.odt")
    assert reading.kind == "odt"
    assert reading.text == "Academy\nTitle\none  two\nthree four\na note\nCourse\tCre dits\nitem\nPage"


def test_an_encrypted_open_document_and_other_kinds_of_it_are_refused() -> None:
    locked = open_text("", parts={"META-INF/manifest.xml": b"<manifest:encryption-data/>"})
    assert code_of(locked, "a.odt") == "document_encrypted"
    sheet = open_text("", media_type="application/vnd.oasis.opendocument.spreadsheet")
    assert code_of(sheet, "a.ods") == "document_unsupported"


# Web pages


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<title>no</title><style>p{}</style><script>no()</script><p>One <b>bold</b> word<p>Two", "One bold word\nTwo"),
        ("a<br>b<div>c</div>d", "a\nb\nc\nd"),
        ("<p hidden>no</p><div style='display: none'>no<div>no</div></div><template>no</template>yes", "yes"),
        ("<noscript>no</noscript><!-- no --><p>x &amp; y&nbsp;z &#x20ac;5</p>", "x & y\u00a0z €5"),
        (
            "<table><tr><th>Course<th>Credits<tr><td><p>Care</p><td>7.5</table>after",
            "Course\tCredits\nCare\t7.5\nafter",
        ),
        ("<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "a\tb\nc"),
        ("<pre>kept\n  as it is</pre>", "kept\nas it is"),
        ("<input type=hidden value=no><input value=name><textarea>typed</textarea>", "name\ntyped"),
        ("<p>unclosed <b>tags<p>and </i>wrong ends</table></td>", "unclosed tags\nand wrong ends"),
    ],
)
def test_only_the_visible_text_of_a_web_page_is_read(source: str, text: str) -> None:
    assert text_of(f"<!doctype html><html><body>{source}", "a.html") == text


def test_a_web_page_is_read_in_the_encoding_that_it_declares() -> None:
    source = '<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><p>Да'
    assert text_of(source.encode("cp1251"), "a.htm") == "Да"
    assert read("<!DOCTYPE html><p>x", "export.xls").kind == "html", "some programs export HTML under this ending"


# E-mails


def test_an_email_is_read_with_its_headers_text_and_attachments() -> None:
    attachments = {
        "terms.pdf": pdf(["page one"], ["page two"]),
        "letter.docx": word("Dear Bob"),
        "a.csv": b"a;b\n1;2\n",
    }
    reading = read(mail("See the attachments.\n", attachments).as_bytes(), "mail.eml")
    assert (reading.kind, [page.number for page in reading.pages]) == ("eml", [1, 2, 3, 4, 5])
    first, *others = (page.text for page in reading.pages)
    assert first.startswith("From: Ada <ada@example.com>\nTo: bob@example.com\nSubject: Grüße\n\nSee the attachments.")
    assert others == [
        "Attachment: terms.pdf\npage one",
        "page two",
        "Attachment: letter.docx\nDear Bob",
        "Attachment: a.csv\na\tb\n1\t2",
    ]


def test_an_attachment_that_cannot_be_read_is_a_page_with_the_reason() -> None:
    attachments = {
        "a.gif": b"GIF89a\0\0",
        "b.pdf": pdf(["x"], password="hunter2"),
        "c.docx": b"PK\x03\x04",
        "d.txt": b"fine",
    }
    pages = read(mail("text", attachments).as_bytes(), "mail.eml").pages
    assert [page.confidence for page in pages] == [1, 0, 0, 0, 1]
    assert pages[1].text.startswith("Attachment: a.gif\n(not read: a.gif is a GIF picture")
    assert "is encrypted" in pages[2].text
    assert "cannot be unpacked" in pages[3].text
    assert pages[4].text == "Attachment: d.txt\nfine"


def test_forwarded_emails_are_read_up_to_a_depth() -> None:
    def forwarded(times: int) -> bytes:
        message = mail("the first")
        for number in range(times):
            message = mail(f"forward {number}", {"": message})
        return message.as_bytes()

    text = read(forwarded(2), "mail.eml").text
    assert [text.count(words) for words in ("forward 1", "forward 0", "the first")] == [1, 1, 1]
    assert code_of(forwarded(6), "mail.eml") == "document_too_complex"


def test_the_limits_count_for_an_email_with_all_its_attachments() -> None:
    twice = {name: pdf(["one"], ["two"]) for name in ("a.pdf", "b.pdf")}
    assert (
        code_of(mail("x", twice).as_bytes(), "mail.eml", DocumentReader(ReaderLimits(pages=4))) == "document_too_long"
    )
    assert len(read(mail("x", twice).as_bytes(), "mail.eml", DocumentReader(ReaderLimits(pages=5))).pages) == 5
    many = {f"{number}.txt": b"x" for number in range(201)}
    assert code_of(mail("x", many).as_bytes(), "mail.eml") == "document_too_complex"


def test_the_html_of_an_email_is_read_if_it_has_no_plain_text_and_its_logos_are_left_out() -> None:
    message = EmailMessage()
    message["Subject"] = "news"
    message.set_content('<p>Hello</p><img src="cid:logo">', subtype="html")
    message.add_related(picture(written_on("logo"), "PNG"), maintype="image", subtype="png", cid="<logo>")
    [page] = read(message.as_bytes(), "mail.eml").pages
    assert page.text == "Subject: news\n\nHello"
    assert read(mail("plain", html="<p>the same").as_bytes(), "mail.eml").text.endswith("plain")


def test_scans_attached_to_an_email_are_read_by_ocr() -> None:
    content = mail("x", {"scan.pdf": scanned_pdf(written_on("scanned words"))}).as_bytes()
    _, scan = read(content, "mail.eml").pages
    assert (scan.source, scan.text) == ("ocr", "Attachment: scan.pdf\nscanned words")


def test_an_encrypted_email_is_refused() -> None:
    content = b"MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\nMIAGCSqGSIb3DQEHA6CA\n"
    assert code_of(content, "mail.eml") == "document_encrypted"


# JSON, XML and CSV


def test_json_is_read_as_it_is_with_escaped_letters_as_letters() -> None:
    source = (
        r'{"name": "Gr\u00fc\u00dfe \ud83d\ude00", "path": "C:\\users\\u0041", "quote": "\u0022", "line": "\u000a"}'
    )
    assert text_of(source, "a.json") == source.replace(r"\u00fc\u00df", "üß").replace(r"\ud83d\ude00", "\U0001f600")
    assert read("[1]".encode("utf-16"), "a.json") == read("[1]", "a.json")


def test_xml_is_read_as_it_is_in_the_encoding_that_it_declares() -> None:
    source = '<?xml version="1.0" encoding="windows-1251"?><a b="&#38;">&#x41f;ривет &amp; &#60;</a>'
    assert text_of(source.encode("cp1251"), "a.xml") == source.replace("&#x41f;", "П")
    assert read("<?xml version='1.0'?><a/>", "upload").kind == "xml"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("name,price\nCamera,75\n", "name\tprice\nCamera\t75"),
        ("name;price\nCamera;75,5\nLens;12,0\n", "name\tprice\nCamera\t75,5\nLens\t12,0"),
        ("name|price\nCamera|7,5\n", "name\tprice\nCamera\t7,5"),
        ("name\tprice\nCamera, red\t7\n", "name\tprice\nCamera, red\t7"),
        ('name,note\r\nCamera,"two\r\nlines, and a ""quote"""\r\n', 'name\tnote\nCamera\ttwo lines, and a "quote"'),
        ("sep=;\na,b;c\n", "a,b\tc"),
        ("a;1,5;2,5\nb;1,0;3,5\n", "a\t1,5\t2,5\nb\t1,0\t3,5"),
        ("only one column\nand a second row\n", "only one column\nand a second row"),
        ('a,"not closed\nb,2\n', "a\tnot closed b,2"),
        ("a,,c\n,,\n", "a\t\tc"),
    ],
)
def test_a_csv_file_is_read_as_a_table(source: str, text: str) -> None:
    reading = read(source, "a.csv")
    assert (reading.kind, reading.text) == ("csv", text)


def test_a_tsv_file_is_divided_by_tabs_only() -> None:
    assert text_of("a,b\tc\n", "a.tsv") == "a,b\tc"


# HEIC


def test_a_photograph_in_heic_is_read_by_ocr() -> None:
    reading = read(PHOTOGRAPH.read_bytes(), "photo.heic")
    assert (reading.kind, reading.pages[0].source) == ("image", "ocr")
    assert reading.text == "Licence of a therapist"


def test_a_photograph_in_heic_is_drawn_for_models_that_do_not_take_heic() -> None:
    [drawn] = DocumentReader().draw(PHOTOGRAPH.read_bytes(), "a.heic", nothing_stops, pages=None, dpi=150)
    assert (drawn.media_type, Image.open(io.BytesIO(drawn.content)).size) == ("image/png", (700, 120))


def test_a_photograph_in_heic_of_too_many_pixels_is_refused_and_a_damaged_one_is_corrupt() -> None:
    content = PHOTOGRAPH.read_bytes()
    assert code_of(content, "a.heic", DocumentReader(ReaderLimits(pixels=1_000))) == "document_too_many_pixels"
    assert code_of(content[:200], "a.heic") == "document_corrupt"


def test_the_error_names_the_extra_that_the_package_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = [entry for entry in sys.path if "site-packages" not in entry]
    rtf = rb"{\rtf1 x}"
    monkeypatch.setattr(sys, "path", bare)
    for extra, content, name in (
        ("rtf", rtf, "a.rtf"),
        ("heic", PHOTOGRAPH.read_bytes(), "a.heic"),
        ("rtf", mail("x", {"a.rtf": rtf}).as_bytes(), "a.eml"),
    ):
        with pytest.raises(MissingExtraError, match=f'add "{extra}" to `extras`'):
            read(content, name)
