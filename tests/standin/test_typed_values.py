"""Dates, money and numbers as documents write them."""

from datetime import date

import pytest

from cloud.stand_in.typed_values import EMAIL, PHONE, URL, dates, first_matches, numbers, sums_of_money, time_of_day

MARCH_15 = date(2027, 3, 15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("due 15 March 2027", [MARCH_15]),
        ("due March 15, 2027", [MARCH_15]),
        ("due on the 15th of March, 2027", [MARCH_15]),
        ("due 15th day of March 2027", [MARCH_15]),
        ("due Mar. 15 2027", [MARCH_15]),
        ("due 2027-03-15", [MARCH_15]),
        ("due 2027-03-15T17:00:00Z", [MARCH_15]),
        ("due 15/03/2027", [MARCH_15]),
        ("due 15.03.2027", [MARCH_15]),
        ("due 3/15/2027", [MARCH_15]),
        ("due 15\nMarch 2027", [MARCH_15]),
        ("due 4/5/2027", [date(2027, 5, 4)]),
        ("in March 2027", [date(2027, 3, 1)]),
        ("from 15 March 2027 to 2 April 2028", [MARCH_15, date(2028, 4, 2)]),
        ("due 31 February 2027", []),
        ("due 15 March", []),
        ("99/99/2027 and version 1.2.3", []),
    ],
)
def test_dates(text: str, expected: list[date]) -> None:
    assert [each.value for each in dates(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17:00", (17, 0)),
        ("5:00 pm", (17, 0)),
        ("5.30 p.m.", (17, 30)),
        ("12 am", (0, 0)),
        ("noon, or 99:99", (0, 0)),
    ],
)
def test_times_of_day(text: str, expected: tuple[int, int]) -> None:
    assert time_of_day(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USD 250,000", [(250_000, "USD")]),
        ("$250,000.50", [(250_000.5, "USD")]),
        ("250.000,50 EUR", [(250_000.5, "EUR")]),
        ("\u20ac1.2 million", [(1_200_000, "EUR")]),
        ("\u00a345k", [(45_000, "GBP")]),
        ("CHF 1 200 000", [(1_200_000, "CHF")]),
        ("3 million dollars", [(3_000_000, "USD")]),
        ("between USD 50,000 and USD 90,000", [(50_000, "USD"), (90_000, "USD")]),
        ("EUR 50,000 - 90,000", [(50_000, "EUR"), (90_000, "EUR")]),
        ("USD 50,000 to 20 teams", [(50_000, "USD")]),
        ("250,000 visitors", []),
    ],
)
def test_sums_of_money(text: str, expected: list[tuple[float, str]]) -> None:
    assert [(each.value, each.unit) for each in sums_of_money(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 points", [(30, "points")]),
        ("35%", [(35, "%")]),
        ("eighteen (18) months", [(18, "months")]),
        ("twelve months", [(12, "months")]),
        ("27.7 km", [(27.7, "km")]),
        ("1,250 pages", [(1_250, "pages")]),
        ("on 15 March 2027", []),
        ("-4 degrees", [(-4, "degrees")]),
    ],
)
def test_numbers(text: str, expected: list[tuple[float, str]]) -> None:
    assert [(each.value, each.unit) for each in numbers(text)] == expected


def test_addresses() -> None:
    text = "Write to a.b@c-d.example, call +45 33 12 47 80 or see https://c-d.example/x."
    assert list(first_matches(EMAIL, text)) == ["a.b@c-d.example"]
    assert list(first_matches(PHONE, text)) == ["+45 33 12 47 80"]
    assert list(first_matches(URL, text)) == ["https://c-d.example/x"]
