"""Rules for extracted fields: a finding names field, value and rule, and no value is discarded."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, create_model

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.extraction.agreement import BOTH, DISAGREEMENT, MODEL_ALONE, TEMPLATE_ALONE, agreed
from analysis_jobs.extraction.dates import DateOrder, as_date, possible_dates
from analysis_jobs.extraction.validation import Finding, IsDate, IsNumber, IsText, Required, Rule, findings, review

TODAY = date(2026, 11, 22)


class Certificate(BaseModel):
    number: Annotated[str | None, Required(), IsText(pattern=r"CE-[0-9]{6}")] = None
    status: str | None = None
    revoked_on: Annotated[str | None, Required(when="status", equals=("revoked",))] = None
    issued_on: Annotated[str | None, IsDate(not_in_future=True)] = None
    expires_on: Annotated[str | None, IsDate(after="issued_on", within_years=10)] = None
    credits: Annotated[float | None, IsNumber(minimum=0.5, maximum=60, decimal_places=1)] = None


def broken(rule: Rule, value: Any, **siblings: Any) -> list[str]:
    """Return the names of the rules that `value` violates as a field of a model beside other fields."""
    others = dict.fromkeys(siblings, (Any, None))
    kind = create_model("Fields", **{**others, "field": (Annotated[Any, rule], None)})  # type: ignore[call-overload]
    found = findings(kind(field=value, **siblings), today=TODAY)
    assert all(each.field == "field" and each.value is value for each in found)
    return [each.rule for each in found]


@pytest.mark.parametrize(
    ("rule", "value", "siblings", "names"),
    [
        (Required(), "x", {}, []),
        (Required(), 0, {}, []),
        (Required(), None, {}, ["required"]),
        (Required(), "  ", {}, ["required"]),
        (Required(when="status", equals=("revoked",)), None, {"status": "revoked"}, ["required"]),
        (Required(when="status", equals=("revoked",)), None, {"status": "active"}, []),
        (Required(when="status", equals=("revoked",)), "2026-01-01", {"status": "revoked"}, []),
        (Required(when="currency"), None, {"currency": "EUR"}, ["required"]),
        (Required(when="currency"), None, {"currency": None}, []),
        (IsDate(), "2026-03-14", {}, []),
        (IsDate(), "14 March 2026", {}, []),
        (IsDate(), date(2026, 3, 14), {}, []),
        (IsDate(), "2026-02-30", {}, ["date"]),
        (IsDate(), "soon", {}, ["date"]),
        (IsDate(), None, {}, []),
        (IsDate(), "03/04/2026", {}, ["ambiguous_date"]),
        (IsDate(), "3-4-2026", {}, ["ambiguous_date"]),
        (IsDate(), "03.04.2026", {}, ["ambiguous_date"]),
        (IsDate(), "3.4.26", {}, ["ambiguous_date"]),
        (IsDate(), "13.04.26", {}, ["ambiguous_date"]),
        (IsDate(), "13/04/2026", {}, []),
        (IsDate(), "04/13/2026", {}, []),
        (IsDate(), "04/04/2026", {}, []),
        (IsDate(), "2026-04-03", {}, []),
        (IsDate(), "3 April 2026", {}, []),
        (IsDate(), date(2026, 4, 3), {}, []),
        (IsDate(), "13/13/2026", {}, ["date"]),
        (IsDate(order="day_first"), "03/04/2026", {}, []),
        (IsDate(order="year_first"), "03/04/2026", {}, ["ambiguous_date"]),
        (IsDate(not_in_future=True), "03/12/2026", {}, ["ambiguous_date"]),
        (IsDate(not_in_future=True, order="month_first"), "03/12/2026", {}, []),
        (IsDate(not_in_future=True, order="day_first"), "03/12/2026", {}, ["not_in_future"]),
        (IsDate(after="issued"), "2026-03-15", {"issued": "03/04/2026"}, []),
        (IsDate(after="issued", order="day_first"), "2026-03-15", {"issued": "03/04/2026"}, ["after"]),
        (IsDate(not_in_future=True), "2026-11-22", {}, []),
        (IsDate(not_in_future=True), "2026-11-23", {}, ["not_in_future"]),
        (IsDate(after="issued"), "2026-03-15", {"issued": "2026-03-14"}, []),
        (IsDate(after="issued"), "2026-03-14", {"issued": "2026-03-14"}, ["after"]),
        (IsDate(after="issued"), "2026-03-13", {"issued": "14.03.2026"}, ["after"]),
        (IsDate(after="issued"), "2026-03-13", {"issued": None}, []),
        (IsDate(after="issued"), "2026-03-13", {"issued": "illegible"}, []),
        (IsDate(within_years=10), "2036-11-01", {}, []),
        (IsDate(within_years=10), "2037-01-01", {}, ["within_years"]),
        (IsDate(within_years=10), "1026-01-01", {}, ["within_years"]),
        (IsDate(not_in_future=True, within_years=1), "2062-01-01", {}, ["not_in_future", "within_years"]),
        (IsNumber(), 3, {}, []),
        (IsNumber(), "3.50", {}, []),
        (IsNumber(), Decimal("3.5"), {}, []),
        (IsNumber(), "three", {}, ["number"]),
        (IsNumber(), float("nan"), {}, ["number"]),
        (IsNumber(), "Infinity", {}, ["number"]),
        (IsNumber(), True, {}, ["number"]),
        (IsNumber(minimum=0.5), 0.5, {}, []),
        (IsNumber(minimum=0.5), 0.4, {}, ["minimum"]),
        (IsNumber(maximum=60), 60, {}, []),
        (IsNumber(maximum=60), 160, {}, ["maximum"]),
        (IsNumber(decimal_places=1), 0.1 + 0.2, {}, ["decimal_places"]),
        (IsNumber(decimal_places=1), 7.5, {}, []),
        (IsNumber(decimal_places=0), "7.00", {}, []),
        (IsNumber(decimal_places=0), 1e22, {}, []),
        (IsText(), 5, {}, ["text"]),
        (IsText(pattern="[A-Z]{2}-[0-9]+"), "RN-204", {}, []),
        (IsText(pattern="[A-Z]{2}-[0-9]+"), "RN-204 (copy)", {}, ["pattern"]),
        (IsText(shortest=3, longest=5), "abc", {}, []),
        (IsText(shortest=3, longest=5), "ab", {}, ["shortest"]),
        (IsText(shortest=3, longest=5), "abcdef", {}, ["longest"]),
        (IsText(one_of=("Active", "Lapsed")), "active", {}, []),
        (IsText(one_of=("Active", "Lapsed")), "expired", {}, ["one_of"]),
    ],
)
def test_each_value_violates_the_expected_rules(
    rule: Rule, value: Any, siblings: dict[str, Any], names: list[str]
) -> None:
    assert broken(rule, value, **siblings) == names


def test_findings_have_field_value_rule_and_message_in_field_order() -> None:
    wrong = Certificate(number="CE-1", status="revoked", issued_on="2026-05-01", expires_on="2025-05-01", credits=160)
    assert findings(wrong, today=TODAY) == [
        Finding(field="number", value="CE-1", rule="pattern", message="number CE-1 does not match CE-[0-9]{6}"),
        Finding(
            field="revoked_on",
            value=None,
            rule="required",
            message="revoked_on is missing, although status is 'revoked'",
        ),
        Finding(
            field="expires_on",
            value="2025-05-01",
            rule="after",
            message="expires_on 2025-05-01 is not after issued_on, 2026-05-01",
        ),
        Finding(field="credits", value=160.0, rule="maximum", message="credits 160.0 is above 60"),
    ]


class Row(BaseModel):
    code: Annotated[str, IsText(pattern="[A-Z]+")]
    quantity: Annotated[int, IsNumber(minimum=1)] = 1


class Schedule(BaseModel):
    rows: list[Row]
    cover: Row | None = None
    tags: list[Annotated[str, IsText(longest=3)]] = []
    by_floor: dict[str, Row] = {}
    remark: Annotated[str, IsText(longest=3)] | None = None


def test_fields_of_nested_models_lists_and_mappings_are_checked_and_named_by_path() -> None:
    schedule = Schedule(
        rows=[Row(code="A"), Row(code="B", quantity=0)],
        cover=Row(code="c"),
        tags=["new", "older"],
        by_floor={"2": Row(code="D", quantity=-1)},
        remark="a remark",
    )
    found = [(each.field, each.rule) for each in findings(schedule, today=TODAY)]
    assert found == [
        ("rows.1.quantity", "minimum"),
        ("cover.code", "pattern"),
        ("tags.1", "longest"),
        ("by_floor.2.quantity", "minimum"),
        ("remark", "longest"),
    ]


def test_rules_do_not_change_the_schema_or_the_accepted_values() -> None:
    class Plain(BaseModel):
        number: str | None = None

    class Ruled(BaseModel):
        number: Annotated[str | None, Required(), IsText(pattern="x")] = None

    assert Ruled.model_json_schema()["properties"] == Plain.model_json_schema()["properties"]
    assert Ruled(number="never x").number == "never x"


@pytest.mark.parametrize("make", [lambda: IsNumber(minimum=2, maximum=1), lambda: IsText(pattern="(")])
def test_a_rule_that_no_value_can_satisfy_is_refused_at_its_declaration(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_a_text_rule_with_shortest_above_longest_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="shortest is greater than longest"):
        IsText(shortest=2, longest=1)


@pytest.mark.parametrize("rule", [IsDate(after="isued_on"), Required(when="isued_on")])
def test_a_rule_that_names_an_unknown_field_is_refused(rule: Rule) -> None:
    kind = create_model("Fields", expires_on=(Annotated[str | None, rule], None))
    with pytest.raises(ConfigurationError, match=r"Fields\.expires_on names the field 'isued_on'"):
        findings(kind(), today=TODAY)


@pytest.mark.parametrize(
    ("certificate", "confidence", "wanted"),
    [
        (Certificate(number="CE-123456"), {"number": 0.98}, False),
        (Certificate(number="CE-123456"), {"number": 0.79}, True),
        (Certificate(number="CE-1"), {"number": 0.98}, True),
        (Certificate(number="CE-123456"), {}, False),
    ],
    ids=["right and sure", "unsure", "wrong", "without confidence"],
)
def test_an_invalid_or_uncertain_value_needs_review(
    certificate: Certificate, confidence: dict[str, float], *, wanted: bool
) -> None:
    checked = review(certificate, today=TODAY, confidence=confidence)
    assert (checked.needs_review, checked.confidence) == (wanted, confidence)


def test_findings_from_other_sources_come_first() -> None:
    other = Finding(field="number", value={}, rule="sources_disagree", message="")
    checked = review(Certificate(), today=TODAY, also=[other])
    assert [each.rule for each in checked.findings] == ["sources_disagree", "required"]


def test_agreement_raises_the_confidence_and_a_disagreement_reports_both_values() -> None:
    settled = agreed(
        {"holder": "Ada Example", "number": "CE-123456", "issued_on": "2026-03-14", "provider": None},
        {"holder": "ADA EXAMPLE.", "number": "CE-128456", "provider": "Northwind", "status": None},
    )
    assert settled.values == {
        "holder": "Ada Example",
        "number": "CE-123456",
        "issued_on": "2026-03-14",
        "provider": "Northwind",
        "status": None,
    }
    assert settled.confidence == {
        "holder": BOTH,
        "number": DISAGREEMENT,
        "issued_on": TEMPLATE_ALONE,
        "provider": MODEL_ALONE,
    }
    [finding] = settled.findings
    assert (finding.field, finding.rule) == ("number", "sources_disagree")
    assert finding.value == {"template": "CE-123456", "model": "CE-128456"}


def test_a_low_ocr_confidence_lowers_the_confidence_of_every_value() -> None:
    both = {"number": "1", "holder": "Ada"}
    settled = agreed(both, both, reading=0.5)
    assert settled.confidence == {"number": 0.49, "holder": 0.49}


@pytest.mark.parametrize(
    ("written", "order", "read"),
    [
        ("3/4/2026", "day_first", date(2026, 4, 3)),
        ("3/4/2026", "month_first", date(2026, 3, 4)),
        ("3/14/2026", "day_first", date(2026, 3, 14)),  # there is no 14th month
        ("3.4.26", "day_first", date(2026, 4, 3)),
        ("3.4.68", "month_first", date(2068, 3, 4)),
        ("3.4.69", "month_first", date(1969, 3, 4)),
        ("26-04-03", "year_first", date(2026, 4, 3)),
        ("2026-04-03", "month_first", date(2026, 4, 3)),
        ("30/2/2026", "day_first", None),
    ],
)
def test_a_declared_order_decides_which_number_is_the_month(written: str, order: DateOrder, read: date | None) -> None:
    assert as_date(written, order) == read


def test_the_finding_of_an_ambiguous_date_names_the_dates() -> None:
    [finding] = findings(Certificate(number="CE-123456", issued_on="03/04/2026"), today=TODAY)
    assert finding.message == "issued_on 03/04/2026 can be 2026-03-04 or 2026-04-03"
    assert possible_dates("02/03/04") == (date(2002, 3, 4), date(2004, 2, 3), date(2004, 3, 2))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-14", date(2026, 3, 14)),
        ("2026-03-14T10:00:00Z", date(2026, 3, 14)),
        ("2026/3/4", date(2026, 3, 4)),
        ("14 March 2026", date(2026, 3, 14)),
        ("14th of March, 2026.", date(2026, 3, 14)),
        ("March 14, 2026", date(2026, 3, 14)),
        ("14-Mar-2026", date(2026, 3, 14)),
        ("Sept. 1st 2026", date(2026, 9, 1)),
        ("14.03.2026", date(2026, 3, 14)),
        ("3/4/2026", None),
        ("4/4/2026", date(2026, 4, 4)),
        ("31/12/99", date(1999, 12, 31)),
        ("14.3.26", None),
        ("3/14/2026", date(2026, 3, 14)),
        (datetime(2026, 3, 14, 23, tzinfo=UTC), date(2026, 3, 14)),
        ("2026-14-03", None),
        ("31.02.2026", None),
        ("0000-01-01", None),
        ("March 2026", None),
        ("14 March 2026, or later", None),
        (20260314, None),
        (None, None),
    ],
)
def test_common_date_formats_are_parsed(written: Any, read: date | None) -> None:
    assert as_date(written) == read
