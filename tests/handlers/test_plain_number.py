"""The fast way to write a number gives what the general way gives, and takes only the formats that it can write."""

import itertools
from unittest.mock import patch

import pytest

from document_reader.excel.format_codes import BUILT_IN, Section
from document_reader.excel.number_format import NumberFormats
from document_reader.excel.plain_number import PlainNumber

PLAIN = [
    "0",
    "0.00",
    "#,##0",
    "#,##0.00",
    "#0",
    "##0.000",
    "0%",
    "0.0%%",
    '"€ "#,##0.00',
    '0.00" kg"',
    "$0.0_)",
    "-0.0",
]
NOT_PLAIN = [
    "#",
    "#,###",
    "00",
    "0.0#",
    "0.0?",
    "#.##",
    "0,",
    "0.0,",
    "0 0",
    "0-0",
    "%0",
    "0.0E+0",
    "# ?/?",
    "@",
    ".00",
    "?0",
]
VALUES = [
    *(sign * base * 10**power for sign in (1, -1) for base in (1, 1.005, 2.5, 9.995, 0.045) for power in range(-6, 14)),
    *(0.0, -0.0, 0.5, 1.5, 2.5, 0.049999, 999.9995, 1e14, 1e15, 1e21, 1e27, 1e40, 123456789.123456789),
]  # fmt: skip


@pytest.mark.parametrize("code", [*PLAIN, *(f"{one};[Red]-{two}" for one, two in itertools.pairwise(PLAIN))])
def test_both_ways_write_the_same(code: str) -> None:
    fast = {value: NumberFormats().number(value, code) for value in VALUES}
    with patch.object(Section, "plain", None):
        assert fast == {value: NumberFormats().number(value, code) for value in VALUES}


def plain(code: str) -> PlainNumber | None:
    [section] = NumberFormats()._sections(code)  # noqa: SLF001 - whether the fast way is taken shows nowhere else
    return section.plain


@pytest.mark.parametrize("code", PLAIN)
def test_these_formats_are_plain(code: str) -> None:
    assert plain(code)


@pytest.mark.parametrize("code", NOT_PLAIN)
def test_these_formats_need_the_general_way(code: str) -> None:
    assert plain(code) is None


@pytest.mark.parametrize("code", sorted(set(BUILT_IN.values())))
def test_the_built_in_formats_are_written_the_same(code: str) -> None:
    fast = {value: NumberFormats().number(value, code) for value in VALUES}
    with patch.object(Section, "plain", None):
        assert fast == {value: NumberFormats().number(value, code) for value in VALUES}
