"""Numbers, dates and texts as the cells of Excel show them."""

import pytest

from document_reader.excel.format_codes import BUILT_IN
from document_reader.excel.number_format import NumberFormats

MARCH = 46086.0  # 2026-03-05, a Thursday


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("General", 12.0, "12"),
        ("General", 0.1 + 0.2, "0.3"),
        ("General", 4006381333931.0, "4006381333931"),
        ("General", 1e21, "1E+21"),
        ("General", -0.00001, "-0.00001"),
        ("General", 1.5e-12, "1.5E-12"),
        ("0", 2.5, "3"),
        ("0", -0.4, "0"),
        ("0.00", 1.005, "1.01"),
        ("0.0 %", 0.155, "15.5 %"),
        ("0%", 0.155, "16%"),
        ("00000000", 4711, "00004711"),
        ("000-00-0000", 123456789, "123-45-6789"),
        ("(###) ###-####", 5551234567, "(555) 123-4567"),
        ("#,##0", 1234567.5, "1,234,568"),
        ("#,##0.00", -1234.5, "-1,234.50"),
        ("#,##0,", 1234567, "1,235"),
        ('0.0,,"M"', 1234567, "1.2M"),
        ("#.##", 0.5, ".5"),
        ("0.###", 2.0, "2."),
        ('#,##0.00 "€"', 1234.5, "1,234.50 €"),
        ("[$€-407] #,##0.00", 1234.5, "€ 1,234.50"),
        ("[$USD] 0", 5, "USD 5"),
        ("[$-409]0", 5, "5"),
        ("#,##0;[Red](#,##0)", -1234, "(1,234)"),
        ('0;-0;"none"', 0, "none"),
        (";;;", 5, ""),
        ('"yes";"no"', -1, "no"),
        ('[>=1000]0.0,"k";0', 1500, "1.5k"),
        ('[>=1000]0.0,"k";0', 15, "15"),
        ("[<0]0.0;0", -1.5, "1.5"),
        ("0.00E+00", 12345, "1.23E+04"),
        ("##0.0E+0", 12345, "12.3E+3"),
        ("0.00E+00", 0.00012, "1.20E-04"),
        ("# ?/?", 1.75, "1 3/4"),
        ("# ?/?", 2.0, "2"),
        ("# ?/16", 0.5, "8/16"),
        ("?/?", 1.5, "3/2"),
        ("@", 12.5, "12.5"),
        ("yyyy-mm-dd", MARCH, "2026-03-05"),
        ("d mmmm yyyy", MARCH, "5 March 2026"),
        ("ddd, mmm d, yy", MARCH, "Thu, Mar 5, 26"),
        ("dddd", MARCH, "Thursday"),
        ("dd/mm/yyyy", MARCH, "05/03/2026"),
        ("dd.mm.yyyy hh:mm", MARCH + 0.5, "05.03.2026 12:00"),
        ("[$-F800]dddd, mmmm dd, yyyy", MARCH, "Thursday, March 05, 2026"),
        ("h:mm AM/PM", 0.75, "6:00 PM"),
        ("h:mm AM/PM", 0.0, "12:00 AM"),
        ("h:mm", 0.9999999, "23:59"),
        ("h:mm:ss", 0.9999999, "0:00:00"),
        ("[h]:mm", 26 / 24, "26:00"),
        ("[h]:mm:ss", 100.5, "2412:00:00"),
        ("[mm]:ss", 1 / 24, "60:00"),
        ("mm:ss.0", 0.00001, "00:00.9"),
        ("m/d/yyyy", 60, "2/29/1900"),
        ("m/d/yyyy", 59, "2/28/1900"),
        ("m/d/yyyy", 61, "3/1/1900"),
        ("yyyy-mm-dd", -5, "-5"),
        (BUILT_IN[14], MARCH, "2026-03-05"),
        (BUILT_IN[44], 0, "$-"),
        (BUILT_IN[44], -5, "$(5.00)"),
    ],
)  # fmt: skip
def test_a_number_is_shown_in_its_format(code: str, value: float, shown: str) -> None:
    assert " ".join(NumberFormats().number(value, code).split()) == shown


def test_a_workbook_may_count_its_days_from_1904() -> None:
    assert NumberFormats(date1904=True).number(MARCH - 1462, "yyyy-mm-dd") == "2026-03-05"


@pytest.mark.parametrize(
    ("code", "shown"),
    [("General", "Lamp"), ("0.00", "Lamp"), ("@", "Lamp"), ('@" kg"', "Lamp kg"), ('0;-0;0;"text: "@', "text: Lamp"),
     (";;;", "")],
)  # fmt: skip
def test_a_text_is_shown_in_its_format(code: str, shown: str) -> None:
    assert NumberFormats().text("Lamp", code) == shown


@pytest.mark.parametrize(
    "code", ["[", '"', "\\", ";", "0E+", "/", "#/#/#", "[>x]0", "[h", "_", "*", "0.0.0", "e", "y" * 9_999]
)
def test_a_broken_format_does_not_fail(code: str) -> None:
    numbers = NumberFormats()
    assert all(isinstance(numbers.number(value, code), str) for value in (0.0, 1.5, -2.25, 1e300, 46086.5))
