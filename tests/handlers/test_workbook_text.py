"""The text of workbooks is what their cells show, whatever other parts are missing, odd or damaged."""

import zipfile
from xml.etree.ElementTree import ParseError

import pytest

from document_reader.excel import sheets
from document_reader.task import UnreadableError
from tests.handlers.office_xml import OPEN, STRICT, package, sheet_text, sheet_texts, workbook_file

FORMATS = (
    '<numFmts><numFmt numFmtId="164" formatCode="0.0 %"/><numFmt numFmtId="165" formatCode="00000000"/>'
    '<numFmt numFmtId="166" formatCode="[h]:mm"/><numFmt numFmtId="167" formatCode="&quot;€&quot; #,##0.00"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="167"/>'
    '<xf numFmtId="14"/><xf numFmtId="49"/></cellXfs>'
)


def rows(*cells: str) -> str:
    return f'<row r="1">{"".join(cells)}</row>'


def cell(value: str, place: str = "", **attributes: str) -> str:
    marks = "".join(f' {name}="{text}"' for name, text in attributes.items())
    at = f' r="{place}"' if place else ""
    return f"<c{at}{marks}>{value if value.startswith('<') else f'<v>{value}</v>'}</c>"


def test_numbers_are_shown_in_the_formats_of_their_cells() -> None:
    cells = [cell("0.155", s="1"), cell("4711", s="2"), cell("1.0833333333333333", s="3"), cell("-1234.5", s="4")]
    cells += [cell("46086", s="5"), cell("12", s="6"), cell("7", s="99"), cell("abc")]
    shown = "15.5 %\t00004711\t26:00\t-€ 1,234.50\t2026-03-05\t12\t7\tabc"
    assert sheet_text(workbook_file(rows(*cells), styles=FORMATS)) == shown


def test_every_type_of_cell_is_read() -> None:
    texts = (
        "<si><t>shared</t></si><si><r><t>rich </t></r><r><rPr/><t>text</t></r><rPh><t>reading aid</t></rPh></si>"
        "<si><t>two_x000D_\nlines</t></si>"
    )
    cells = [cell(str(index), t="s") for index in (0, 1, 2, 9)]
    cells += [
        cell("1", t="b"),
        cell("#N/A", t="e"),
        cell("formula text", t="str"),
        cell("2026-03-05T00:00:00", t="d", s="5"),
    ]
    cells += [cell("<is><t>inline</t></is>", t="inlineStr"), cell("2026-03-05", t="d")]
    shown = "shared\trich text\ttwo lines\t\tTRUE\t#N/A\tformula text\t2026-03-05\tinline\t2026-03-05"
    assert sheet_text(workbook_file(rows(*cells), texts=texts, styles=FORMATS)) == shown


def test_a_formula_is_its_saved_value_or_itself() -> None:
    first = [
        cell("<f>B1+1</f><v>5</v>"),
        cell("<f>A1</f>"),
        cell("<f>A1</f><v></v>"),
        cell('<f>""</f><v></v>', t="str"),
    ]
    first += [cell('<f t="array" ref="E1:E2">SUM(B1:B2)</f>'), cell('<f t="dataTable" ref="F1"/>')]
    shared = '<f t="shared" ref="A2:A3" si="0">A1*$B$1+Sheet2!A1+LOG10("A1")</f>'
    content = rows(*first) + (
        f'<row r="2">{cell(shared, "A2")}</row><row r="4">{cell("<f t='shared' si='0'/>", "B4")}</row>'
    )
    assert sheet_text(workbook_file(content)).split("\n") == [
        "5\t=A1\t=A1\t\t=SUM(B1:B2)",
        '=A1*$B$1+Sheet2!A1+LOG10("A1")',
        '\t=B3*$B$1+Sheet2!B3+LOG10("A1")',
    ]


def test_rows_and_cells_are_put_in_order() -> None:
    content = (
        f'<row r="3">{cell("6", "C3")}{cell("5", "A3")}</row><row r="1">{cell("1", "A1")}</row>'
        f"<row>{cell('2')}{cell('3', 'wrong')}</row>"
    )
    assert sheet_text(workbook_file(content)) == "1\n2\t3\n5\t\t6"


def test_a_cell_in_the_last_column_does_not_fill_the_text_with_tabs() -> None:
    content = "".join(f'<row r="{at}">{cell("x", f"XFD{at}")}</row>' for at in range(1, 2_001))
    lines = sheet_text(workbook_file(content)).split("\n")
    assert lines == ["\t" * sheets.MAX_GAP + "x"] * 2_000


@pytest.mark.parametrize(
    "styles",
    [
        "<fonts><font><color rgb='auto'/></font></fonts><fills><fill/></fills><cellXfs><xf/></cellXfs>",
        "<cellXfs><xf numFmtId='word'/></cellXfs>",
        "",
    ],
)
def test_odd_styles_do_not_matter(styles: str) -> None:
    assert sheet_text(workbook_file(rows(cell("12.5")), styles=styles)) == "12.5"


def test_damaged_parts_that_the_text_can_do_without_are_left_out() -> None:
    damaged: dict[str, str | bytes] = {
        "xl/styles.xml": "<styleSheet",
        "docProps/core.xml": "<x",
        "xl/theme/theme1.xml": b"\0\1",
    }
    assert sheet_text(workbook_file(rows(cell("12.5", s="1")), parts=damaged)) == "12.5"


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
def test_a_damaged_part_with_text_is_an_error(part: str) -> None:
    with pytest.raises(ParseError):
        sheet_text(workbook_file(rows(cell("1")), parts={part: "<worksheet"}))


def test_merged_and_hidden_rows_are_read_and_a_hidden_sheet_says_so() -> None:
    space = f'xmlns="{OPEN}/spreadsheetml/2006/main" xmlns:r="{OPEN}/officeDocument/2006/relationships"'
    listed = (
        '<sheet name="Data" sheetId="1" r:id="worksheet1"/><sheet name="Lists" state="veryHidden" r:id="worksheet2"/>'
        '<sheet name="Gone" r:id="rId99"/>'
    )
    row = f'<row r="1" hidden="1">{cell("1", "A1")}</row>'
    merges = "<mergeCells>" + "<mergeCell ref='A1:XFD1048576'/>" * 1_000 + "</mergeCells>"
    parts = {
        "xl/workbook.xml": f"<workbook {space}><sheets>{listed}</sheets></workbook>",
        "xl/a.xml": f"<worksheet {space}><sheetData>{row}</sheetData>{merges}</worksheet>",
        "xl/b.xml": f"<worksheet {space}><sheetData>{row}</sheetData></worksheet>",
    }
    content = package(parts, "xl/workbook.xml", "x", {"worksheet1": "a.xml", "worksheet2": "b.xml"})
    assert sheet_texts(content) == ["Data\n1", "Lists (hidden sheet)\n1", "Gone"]


def test_text_boxes_and_comments_follow_the_rows() -> None:
    links = f'<Relationships xmlns="{OPEN}/package/2006/relationships">' + "".join(
        f'<Relationship Id="{kind}" Type="{OPEN}/officeDocument/2006/relationships/{kind}" Target="../{kind}.xml"/>'
        for kind in ("drawing", "comments")
    )
    space = f'xmlns="{OPEN}/spreadsheetml/2006/main"'
    box = "<a:p><a:r><a:t>See </a:t></a:r><a:r><a:t>below</a:t></a:r></a:p>"
    parts = {
        "xl/worksheets/_rels/sheet1.xml.rels": f"{links}</Relationships>",
        "xl/drawing.xml": f'<x xmlns:a="{OPEN}/drawingml/2006/main">{box}</x>',
        "xl/comments.xml": f'<comments {space}><commentList><comment ref="A1"><text><r><t>Why</t></r><r><t> so?</t>'
        "</r></text></comment></commentList></comments>",
    }
    assert sheet_text(workbook_file(rows(cell("1")), parts=parts)) == "1\nSee below\n[Comment on A1: Why so?]"


def test_an_iso_strict_workbook_is_read() -> None:
    space = f'xmlns="{STRICT}/spreadsheetml/main" xmlns:r="{STRICT}/officeDocument/relationships"'
    parts = {
        "xl/workbook.xml": f'<workbook {space}><sheets><sheet name="S" r:id="worksheet"/></sheets></workbook>',
        "xl/s.xml": f"<worksheet {space}><sheetData>{rows(cell('46086', s='5'))}</sheetData></worksheet>",
        "xl/styles.xml": f"<styleSheet {space}>{FORMATS}</styleSheet>",
    }
    content = package(parts, "xl/workbook.xml", "x", {"worksheet": "s.xml", "styles": "styles.xml"})
    assert sheet_texts(content) == ["S\n2026-03-05"]


@pytest.mark.parametrize("number", [sheets.MAX_ROWS + 1, 10**12])
def test_a_row_below_the_last_one_is_refused(number: int) -> None:
    with pytest.raises(UnreadableError, match="has more than 1048576 rows"):
        sheet_text(workbook_file(f'<row r="{number}">{cell("1")}</row>'))


def test_a_file_without_a_workbook_is_corrupt() -> None:
    empty = package({}, "xl/missing.xml", "x")
    with pytest.raises(UnreadableError, match="has no main part"):
        sheet_text(empty)
    with pytest.raises(zipfile.BadZipFile):
        sheet_text(b"PK\x03\x04")
