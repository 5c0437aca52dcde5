"""A page's text layer is compared with what is drawn. What it lacks, or gets wrong, is read by OCR."""

from collections.abc import Callable

import pytest
from PIL import Image

from analysis_jobs import Fail
from analysis_jobs.documents import Page
from analysis_jobs.documents.reader import DocumentReader
from document_reader.geometry import Box
from document_reader.pdf import merging, trust
from document_reader.pdf.lines import Character
from document_reader.pdf.merging import Layer
from document_reader.pdf.text_layer import _without_utf8
from tests.handlers.office import written_on
from tests.handlers.pdf_pages import (
    LETTER,
    drawn_with_character_table,
    encoded_in_utf8,
    scan,
    sideways,
    two_fonts,
    typed,
    with_character_table,
    without_character_table,
)  # fmt: skip
from tests.handlers.pdfs import REPOSITORY, raw_pdf

CASES = REPOSITORY.parent / "shared" / "cases"
STAMPS = ("Harbour Town Office, file 27-0144, received 12 May 2027 at 14:05:11", "Page 1 of 4, certified copy HM-0001")
SENTENCE = "The board of the museum has agreed to the plan of the archive in its meeting of May."


def read_pages(content: bytes, *, ocr: bool = True) -> tuple[Page, ...]:
    reader = DocumentReader() if ocr else DocumentReader(ocr=None)
    return reader.read(content, "a.pdf", lambda: None).pages


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _sheet(*written: str) -> Image.Image:
    """Return an image of a whole page with these lines."""
    sheet = Image.new("L", (1240, 1754), "white")
    sheet.paste(written_on(*written), (0, 200))
    return sheet


def _replaced(_: int) -> int:
    return 0xFFFD


def _private(code: int) -> int:
    return 0xE000 + code


def _nothing(_: int) -> int:
    return 0


def _shifted(code: int) -> int:
    return 32 if code == 32 else 33 + (code - 33 + 3) % 94


@pytest.mark.parametrize("unicode", [_replaced, _private, _nothing, _shifted])
def test_a_font_with_a_useless_character_table_is_read_by_ocr(unicode: Callable[[int], int]) -> None:
    content = with_character_table(LETTER, unicode)
    [found] = read_pages(content)
    assert (lines(found.text), found.source) == (list(LETTER), "ocr")
    assert 0.8 < (found.confidence or 0) <= 1
    [doubted] = read_pages(content, ocr=False)
    assert (doubted.source, (doubted.confidence or 0) <= 0.4) == ("text", True), "without OCR, the confidence says it"


def test_a_font_without_a_character_table_is_read_by_ocr() -> None:
    [found] = read_pages(without_character_table(LETTER))
    assert (lines(found.text), found.source) == (list(LETTER), "ocr")


def test_a_font_with_a_right_character_table_is_believed() -> None:
    [found] = read_pages(with_character_table(LETTER, lambda code: code))
    assert found == Page(1, "\n".join(LETTER), "text", 1.0)


def test_text_of_libharu_in_utf8_is_decoded() -> None:
    """PDFium takes each two bytes for one Korean letter."""
    shown = ("Масса и масштаб", "Лист N 5, Βάρος")  # noqa: RUF001 - Russian and Greek letters
    [found] = read_pages(encoded_in_utf8(shown), ocr=False)
    assert found == Page(1, "\n".join(shown), "text", 1.0)


def test_korean_letters_that_look_like_utf8_stay() -> None:
    korean = [Character(letter, Box(0, 0, 1, 1)) for letter in "킜킰톁톁킰킜킰톁한"]
    assert _without_utf8(korean) == korean
    assert "".join(each.text for each in korean) == "킜킰톁톁킰킜킰톁한"


def test_only_the_lines_with_unknown_characters_are_read_by_ocr() -> None:
    """Capital letters are unknown, so OCR reads the lines with capital letters."""
    content = with_character_table(
        (*LETTER, "and costs of travel are not eligible"), lambda code: 0xFFFD if chr(code).isupper() else code
    )
    [found] = read_pages(content)
    assert lines(found.text) == [*LETTER, "and costs of travel are not eligible"]
    assert found.source == "ocr"


def test_one_font_of_a_page_may_have_a_wrong_character_table() -> None:
    """Only the lines in that font are read by OCR."""
    right = [f"Paragraph {number}: the board of the museum meets in May" for number in range(1, 6)]
    [found] = read_pages(two_fonts(right, LETTER, _shifted))
    assert lines(found.text) == [*right, *LETTER]
    assert found.source == "ocr"


def test_text_that_is_drawn_twice_is_read_once() -> None:
    shadow = b"".join(
        b"BT /F1 12 Tf 1 0 0 1 %d %d Tm (Bill of fare) Tj ET\n" % place for place in ((60, 700), (61, 699))
    )
    [found] = read_pages(drawn_with_character_table(shadow, lambda code: code))
    assert found.text == "Bill of fare"


@pytest.mark.parametrize(("pieces", "confidence"), [(4, 1.0), (8, 0.0), (400, 0.0)])
def test_a_page_whose_text_gives_no_characters_has_a_low_confidence(pieces: int, confidence: float) -> None:
    """PDFium gives no characters for text without a width, here by a horizontal scaling of 0 %."""
    lost = b"".join(b"BT /F1 12 Tf 0 Tz 1 0 0 1 60 %d Tm (lost) Tj ET\n" % (600 - number) for number in range(pieces))
    shown = b"BT /F1 12 Tf 1 0 0 1 60 700 Tm (%s) Tj ET\n" % SENTENCE.encode()
    [found] = read_pages(drawn_with_character_table(shown + lost, lambda code: code), ocr=False)
    assert (found.text, found.confidence) == (SENTENCE, confidence)


def test_text_at_an_angle_keeps_its_words() -> None:
    slanted = b"BT /F1 12 Tf 0.9 0.436 -0.436 0.9 60 300 Tm (The boundary of the site is marked in red) Tj ET\n"
    single = b"".join(
        b"BT /F1 12 Tf 0.001 1 -1 0.001 %d %d Tm (%c) Tj ET\n" % (300 + number % 2, 300 + 8 * number, letter)
        for number, letter in enumerate(b"Map")
    )
    [found] = read_pages(drawn_with_character_table(slanted + single, lambda code: code))
    assert lines(found.text) == ["The boundary of the site is marked in red", "Map"]


def test_the_numbers_on_the_axis_of_a_chart_are_not_one_word() -> None:
    axis = b"".join(b"BT /F1 12 Tf 1 0 0 1 60 %d Tm (%d) Tj ET\n" % (100 + 50 * number, number) for number in range(5))
    [found] = read_pages(drawn_with_character_table(axis, lambda code: code))
    assert lines(found.text) == ["0", "1", "2", "3", "4"]


def test_a_list_of_codes_looks_wrong_but_is_confirmed_by_ocr() -> None:
    codes = [f"BXZ {number}17 KRTW PLMN {number}04 GHJK DRTF" for number in range(2, 8)]
    assert trust.is_implausible("\n".join(codes))
    [found] = read_pages(typed(codes))
    assert (lines(found.text), found.source) == (codes, "text")
    assert (found.confidence or 0) > 0.9


@pytest.mark.parametrize("strips", [1, 25])
def test_a_scan_below_stamps_is_read_by_ocr_beside_the_stamps(strips: int) -> None:
    content = scan(_sheet(*LETTER), strips=strips, stamps=STAMPS)
    [found] = read_pages(content)
    assert found.source == "ocr"
    assert lines(found.text) == [STAMPS[0], *LETTER, STAMPS[1]]
    [layer] = read_pages(content, ocr=False)
    assert (lines(layer.text), layer.confidence) == (list(STAMPS), 0.0)


def test_a_scan_on_a_part_of_a_page_of_text_is_read_too() -> None:
    content = scan(written_on(*LETTER), stamps=("", SENTENCE))
    [found] = read_pages(content)
    assert lines(found.text) == [*LETTER, SENTENCE]


def test_a_photograph_beside_text_adds_nothing() -> None:
    photograph = Image.radial_gradient("L").resize((1240, 700))
    [found] = read_pages(scan(photograph, stamps=(SENTENCE,)))
    assert found == Page(1, SENTENCE, "text", 1.0)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_page_keeps_its_lines(rotation: int) -> None:
    [found] = read_pages(sideways(LETTER, rotation))
    assert lines(found.text) == list(LETTER)


def test_a_page_that_cannot_be_loaded_does_not_spoil_the_others() -> None:
    content = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 9 0 R]/Count 2>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]>>",
    )
    first, broken = read_pages(content)
    assert (first.text, broken) == ("", Page(2, "", "text", 0.0))


def test_an_engine_outside_of_the_package_reads_only_the_missing_part() -> None:
    class Engine:
        def recognise(self, picture: bytes) -> tuple[str, float]:
            self.picture = picture
            return "\n".join(LETTER), 0.9

    engine = Engine()
    content = scan(_sheet(*LETTER), stamps=STAMPS)
    [found] = DocumentReader(ocr=engine).read(content, "a.pdf", lambda: None).pages
    assert found == Page(1, "\n".join((*STAMPS, *LETTER)), "ocr", 0.9)


@pytest.mark.parametrize(
    ("layer", "text", "confidence", "expected"),
    [
        (Layer(kept="stamp"), "letter", 0.9, ("stamp\nletter", "ocr", 0.9)),
        (Layer(kept="stamp", confidence=0.8), "", 0.0, ("stamp", "text", 0.8)),
        (Layer(doubted="wkh surylqfh"), "the province", 0.9, ("the province", "ocr", 0.9)),
        (Layer(doubted="BXZ 17 KRT"), "BXZ 17 KR7", 0.9, ("BXZ 17 KRT", "text", 0.95)),
        (Layer(doubted="wkh surylqfh"), "|]", 0.2, ("wkh surylqfh", "text", 0.4)),
        (Layer(doubted="\ufffd\ufffd"), "th?", 0.2, ("th?", "ocr", 0.2)),
        (Layer(), "", 0.0, ("", "ocr", 0.0)),
        (Layer(doubted="\ufffd", pieces=9), "the", 0.9, ("the", "ocr", 0.4)),
        (Layer(pieces=9), "the province", 0.9, ("the province", "ocr", 0.9)),
    ],
)
def test_the_layer_and_the_reading_of_ocr_settle_the_text(
    layer: Layer, text: str, confidence: float, expected: tuple[str, str, float]
) -> None:
    settled = merging.settled(layer, text, confidence)
    assert (settled.text, settled.source, settled.confidence) == expected


def test_lines_are_woven_by_their_height_unless_the_page_has_columns() -> None:
    assert merging.woven([(10, "a"), (30, "c")], [(20, "b"), (40, "d")]) == "a\nb\nc\nd"
    assert merging.woven([(30, "left"), (10, "right")], [(20, "picture")]) == "left\nright\npicture"


@pytest.mark.parametrize(
    ("text", "implausible"),
    [
        (SENTENCE, False),
        ("Der Vorstand des Museums hat dem Plan des Archivs in seiner Sitzung zugestimmt.", False),
        ("Zarząd muzeum zatwierdził plan archiwum na posiedzeniu w maju tego roku.", False),
        ("Muuseumi nõukogu kiitis arhiivi kava oma koosolekul heaks möödunud aasta mais.", False),
        ("理事会は五月の会議で記録保管所の計画を承認した。" * 5, False),
        ("Совет музея утвердил план архива на своём заседании в мае этого года.", False),
        ("12 May 2027, 75,000", False),
        ("Wkh erdug ri wkh pxvhxp kdv djuhhg wr wkh sodq ri wkh dufklyh lq lwv phhwlqj ri Pdb.", True),
        (" ".join(["karo", "mena", "tilo"] * 30), True),
        ("メタデータのdigitalアーカイブを保存する " * 9, False),
        ("μm 5Ω kΩ naïve Москва café Straße ÅÄÖ", False),
        ("ҨǥƹȥဎഁୡࣧҨဌʾဎಱ ਮΝ੧੅ͱʸ ȥဎഁୡ͢ฏʤҨ " * 4, True),
    ],
)
def test_letters_that_make_no_words_are_noticed(text: str, implausible: bool) -> None:
    assert trust.is_implausible(text) is implausible


def test_columns_of_vertical_writing_stay_together() -> None:
    columns = ("日本語の縦書き", "二行目です")
    letters = "".join(columns)
    drawn = b"".join(
        b"BT /F1 20 Tf 1 0 0 1 %d %d Tm <%02X> Tj ET\n" % (500 - 40 * x, 700 - 22 * y, 33 + letters.index(letter))
        for x, column in enumerate(columns)
        for y, letter in enumerate(column)
    )
    content = drawn_with_character_table(drawn, lambda code: ord((letters + " " * 95)[code - 33]))
    [found] = read_pages(content, ocr=False)
    assert lines(found.text) == list(columns)
    assert found.confidence == 0.9
    leftmost_first = b"".join(sorted(drawn.splitlines(keepends=True), key=lambda line: bytes(line).split()[7]))
    content = drawn_with_character_table(leftmost_first, lambda code: ord((letters + " " * 95)[code - 33]))
    [found] = read_pages(content, ocr=False)
    assert lines(found.text) == list(columns)


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this repository")
@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        ("20-pdf-form-values/acroform.pdf", ["Harbour Museum", "75,000", "Approved by the board on 3 March"]),
        ("22-pdf-no-unicode/fffd.pdf", ["the grant is at most fifty thousand euro a year"]),
        ("22-pdf-no-unicode/no-tounicode.pdf", ["GRANT AGREEMENT", "The final report is due on 15 February 2028."]),
        ("23-scan-with-stamp/stamped-scan.pdf", ["GRANT AGREEMENT", "at most 75,000 euro", "file 27-0144, paper 3"]),
        ("24-pdf-rotated-page/rotated.pdf", ["2. List item 5\n3. List item 6\nTotal 75,000 euro\ndue in 30 days"]),
    ],
)
def test_the_shared_cases_are_read(name: str, phrases: list[str]) -> None:
    [found] = read_pages((CASES / name).read_bytes())
    assert [phrase for phrase in phrases if phrase not in found.text] == []


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this repository")
def test_the_shared_xfa_form_is_refused() -> None:
    with pytest.raises(Fail, match="document_xfa"):
        read_pages((CASES / "21-pdf-xfa" / "xfa.pdf").read_bytes())
