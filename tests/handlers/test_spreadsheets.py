"""Spreadsheets are read back and compared: values, types, layout, and no text that becomes a formula."""

import csv
import io
import re
import zipfile
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from pydantic import BaseModel, Field, computed_field

from analysis_jobs import Fail, Job
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.tables.spreadsheets import CSV_TYPE, EXCEL_TYPE, MAX_ROWS, cell, csv_file, excel_file, sheet_name
from tests.handlers.attempts import run
from tests.handlers.builders import Book, Shop, Value

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "#N/A", "=cmd|' /C calc'!A0"]


class Kind(StrEnum):
    READER = "card reader"


class Device(BaseModel):
    device_id: str = Field(title="ID")
    floor_level: int = 0
    price: Decimal | None = None
    weight_kg: float | None = None
    installed: date | None = None
    is_spare: bool = False
    kind: Kind = Kind.READER
    notes: list[str] = []
    secret: str = Field(default="x", exclude=True)

    @computed_field(title="Twice")  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        """A computed value that is not stored."""
        return self.floor_level * 2


DEVICES = [
    Device(device_id="D-101", floor_level=2, price=Decimal("1250.50"), weight_kg=1.25, installed=date(2026, 3, 9)),
    Device(device_id="CAM-03", is_spare=True, notes=["dome", "PoE"]),
]
HEADER = ["ID", "Floor level", "Price", "Weight kg", "Installed", "Is spare", "Kind", "Notes", "Twice"]


class Text(BaseModel):
    text: Any


def opened(content: bytes) -> Worksheet:
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert len(book.worksheets) == 1
    return book.worksheets[0]


def values(content: bytes) -> list[list[Any]]:
    return [list(row) for row in opened(content).iter_rows(values_only=True)]


def in_a_cell(value: object) -> Any:
    return opened(excel_file([Text(text=value)])).cell(2, 1)


def test_each_row_keeps_its_types_below_a_header_of_titles() -> None:
    assert values(excel_file(DEVICES)) == [
        HEADER,
        ["D-101", 2, 1250.5, 1.25, datetime(2026, 3, 9), False, "card reader", None, 4],  # noqa: DTZ001
        ["CAM-03", 0, None, None, None, True, "card reader", "dome; PoE", 0],
    ]


def test_the_layout_supports_reading_filtering_and_printing() -> None:
    page = opened(excel_file(DEVICES, sheet="Devices"))
    assert (page.title, page.freeze_panes, page.auto_filter.ref) == ("Devices", "A2", "A1:I3")
    assert (page.page_setup.orientation, page.page_setup.fitToWidth, page.page_setup.fitToHeight) == ("landscape", 1, 0)
    assert page.sheet_properties.pageSetUpPr
    assert page.sheet_properties.pageSetUpPr.fitToPage
    assert page.print_title_rows == "$1:$1"
    assert all(head.font.bold and head.fill.start_color.rgb == "001F3A5F" for head in page[1])
    assert (page["C2"].number_format, page["E2"].number_format) == ("#,##0.00", "yyyy-mm-dd")


def test_a_title_is_above_the_header() -> None:
    page = opened(excel_file(DEVICES, title="Equipment schedule"))
    assert (page["A1"].value, page["A3"].value, page.freeze_panes) == ("Equipment schedule", "ID", "A4")
    assert (page.auto_filter.ref, page.print_title_rows) == ("A3:I5", "$3:$3")


def test_a_column_fits_its_content_within_limits() -> None:
    def width(text: str) -> float:
        return opened(excel_file([Text(text=text)])).column_dimensions["A"].width

    assert width("") == 8
    assert width("x" * 20) == 23
    assert width("short\n" + "x" * 30) == 33
    assert width("\u7d4c" * 15) == 33
    assert width("x" * 10_000) == 60
    assert in_a_cell("x" * 10_000).alignment.wrap_text


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_becomes_a_formula_in_a_workbook(text: str) -> None:
    found = in_a_cell(text)
    assert (found.value, found.data_type) == (text, "s")
    assert found.quotePrefix or text.startswith("#")


def test_no_title_or_header_becomes_a_formula() -> None:
    class Sly(BaseModel):
        a: str = Field(title="=1+1")

    page = opened(excel_file([Sly(a="x")], title="=2+2"))
    assert [(page[at].value, page[at].data_type) for at in ("A1", "A3")] == [("=2+2", "s"), ("=1+1", "s")]
    assert csv_file([Sly(a="x")]).decode("utf-8-sig") == "'=1+1\r\nx\r\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (12, 12),
        (10**15, 10**15),
        (4_000_000_000_000_001, "4000000000000001"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("0.10"), Decimal("0.10")),
        (Decimal("1234567890.123456"), "1234567890.123456"),
        (Decimal("NaN"), "NaN"),
        (date(1899, 12, 31), "1899-12-31"),
        (date(2026, 11, 22), date(2026, 11, 22)),
        (datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 1, 10)),  # noqa: DTZ001
        (datetime(1700, 1, 1, tzinfo=UTC), "1700-01-01 00:00:00"),
        (time(12, 30, tzinfo=UTC), time(12, 30)),
        (timedelta(hours=30), timedelta(hours=30)),
        (timedelta(seconds=-1), "-1 day, 23:59:59"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("bell \x07 null \x00 half \ud83d end", "bell  null  half  end"),
        ("x" * 40_000, "x" * 32_766 + "\u2026"),
        (["a", "b"], "a; b"),
        ([1, 2], "[1, 2]"),
        ({"a": date(2026, 1, 1)}, '{"a": "2026-01-01"}'),
        (DEVICES[1].notes, "dome; PoE"),
    ],
)
def test_a_value_without_a_cell_type_becomes_text(value: object, expected: object) -> None:
    assert cell(value) == expected
    assert type(cell(value)) is type(expected)
    assert excel_file([Text(text=value)])


def test_characters_that_are_invalid_in_xml_do_not_break_the_file() -> None:
    every = "".join(map(chr, range(0x250))) + "\ufffe\uffff\U0001f4c8"
    assert in_a_cell(every).value.endswith("\U0001f4c8")


def test_each_cell_looks_like_the_first_one_of_its_kind() -> None:
    """The writer styles the first cell of a kind, and the other cells share that style."""
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    moments = [moment, moment.date(), moment.time(), timedelta(hours=30)]
    kinds = ["text", "=1+1", "-", 7, 0.5, True, None, Decimal("1.25"), Decimal(3), *moments]
    alone = [in_a_cell(value) for value in kinds]
    page = opened(excel_file([Text(text=value) for value in [*kinds, *kinds, *reversed(kinds)]]))
    found = [row[0] for row in page.iter_rows(min_row=2)]
    for one, together in zip([*alone, *alone, *reversed(alone)], found, strict=True):
        for part in ("value", "data_type", "number_format", "alignment", "border", "font", "fill", "quotePrefix"):
            assert repr(getattr(together, part)) == repr(getattr(one, part))


def test_the_same_rows_give_the_same_bytes() -> None:
    first = excel_file(DEVICES, title="x")
    assert first == excel_file(list(DEVICES), title="x")
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2000-01-01T00:00:00Z</dcterms:modified>" in archive.read("docProps/core.xml")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Schedule", "Schedule"),
        ("a[b]:c*d?e/f\\g", "a-b--c-d-e-f-g"),
        ("'quoted'", "quoted"),
        ("", "Sheet1"),
        ("History", "Sheet1"),
        ("x" * 40, "x" * 31),
        ("a\nb\x00", "a b"),
    ],
)
def test_the_name_of_a_sheet_is_valid_in_excel(wanted: str, name: str) -> None:
    assert sheet_name(wanted) == name
    assert opened(excel_file([], Device, sheet=wanted)).title == name


def test_without_rows_the_sheet_has_a_header_if_the_model_is_given_and_is_empty_otherwise() -> None:
    assert values(excel_file([], Device)) == [HEADER]
    assert values(excel_file([])) == []
    assert csv_file([], Device).decode("utf-8-sig") == ",".join(HEADER) + "\r\n"
    assert csv_file([]).decode("utf-8-sig") == ""


def test_rows_of_different_models_are_a_programming_error() -> None:
    with pytest.raises(ConfigurationError, match="rows of Device contain Text"):
        excel_file([*DEVICES, Text(text=1)])


def test_more_rows_than_fit_are_refused() -> None:
    with pytest.raises(Fail) as refused:
        csv_file([DEVICES[0]] * (MAX_ROWS + 1))
    assert refused.value.code == "file_too_large"


# CSV


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("formula", [*FORMULAS, "\uff1d1+1", "\uff0b1", "\uff0dA1", "\uff20SUM(A1)"])
@pytest.mark.parametrize(
    "before", ["x;", "x,", "x|", "x\t", "x; ", "x\n", 'x";"', "\u200b", "\ufeff ", "\u00a0", "a;b;;"]
)
def test_no_separator_of_any_program_starts_a_formula(before: str, formula: str, separator: str) -> None:
    """Excel takes the list separator of the user's country. Quotation marks within a field have no meaning then."""
    rows = [Pair(first=f"{before}{formula}", second=f"{before}{formula}"), Pair(first=formula, second="x")]
    content = csv_file(rows).decode("utf-8-sig")
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        for fields in csv.reader(io.StringIO(content, newline=""), delimiter=separator, quoting=quoting):
            for field in fields:
                bare = field.strip(' "\u200b\ufeff\u00a0\t\r\n')
                assert not bare.startswith(("=", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
                assert not bare.startswith(("+", "-")) or re.match(r'.\d+("|$)', bare), "a number is not a formula"


class Pair(BaseModel):
    first: str
    second: str


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("52.5,-0.13", "52.5,-0.13"),
        ("-a; -b", "'-a; '-b"),
        ("2026-03-09", "2026-03-09"),
        ("a - b", "a - b"),
        ("'=1", "'=1"),
        (-5, "-5"),
        (-0.5, "-0.5"),
        (Decimal("-1234567890.123456789"), "-1234567890.123456789"),
        (-(10**20), "-100000000000000000000"),
    ],
)
def test_a_text_changes_only_where_a_formula_would_begin(given: Any, written: str) -> None:
    [_, [found]] = csv.reader(io.StringIO(csv_file([Text(text=given)]).decode("utf-8-sig")))
    assert found == written


def test_csv_has_the_format_that_excel_reads() -> None:
    content = csv_file(DEVICES)
    assert content.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig")))) == [
        HEADER,
        ["D-101", "2", "1250.50", "1.25", "2026-03-09", "FALSE", "card reader", "", "4"],
        ["CAM-03", "0", "", "", "", "TRUE", "card reader", "dome; PoE", "0"],
    ]


@pytest.mark.parametrize("text", [text for text in FORMULAS if not text.startswith("#")] + ["\tx", "\uff1d1+1"])
def test_no_text_becomes_a_formula_in_csv_and_a_number_stays_a_number(text: str) -> None:
    [_, [found]] = csv.reader(io.StringIO(csv_file([Text(text=text)]).decode("utf-8-sig")))
    assert found == f"'{text}"
    [_, [number]] = csv.reader(io.StringIO(csv_file([Text(text=-5)]).decode("utf-8-sig")))
    assert number == "-5"


def test_a_text_with_newlines_commas_and_quotes_stays_in_one_cell() -> None:
    text = 'a,b\n"c";\u00e4'
    [_, [found]] = csv.reader(io.StringIO(csv_file([Text(text=text)]).decode("utf-8-sig"), newline=""))
    assert found == text


def test_a_job_saves_both_with_their_content_types() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_excel("devices.xlsx", DEVICES, sheet="Devices", title="Devices")
        job.save_csv("devices.csv", DEVICES)
        return Value(text="x")

    shop = Shop([write])
    job = run(shop)
    assert {name: file.content_type for name, file in job.files.items()} == {
        "devices.xlsx": EXCEL_TYPE,
        "devices.csv": CSV_TYPE,
    }
    content = shop.artifacts.objects[f"jobs/acme/{job.job_id}/files/1/devices.xlsx"]
    assert opened(content)["A1"].value == "Devices"
