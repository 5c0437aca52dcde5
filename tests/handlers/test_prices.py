"""The cost of model calls: prices by any model id, exact decimals, and the cost in row, answers and metrics."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from analysis_jobs import Job, Retry
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import from_environment
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.views import summary
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.prices import ListPrice, Price, Prices, list_prices, price_on
from analysis_jobs.stores.items import from_item, to_item
from tests.handlers.builders import Book, ScriptedModel, Shop, Value, a_job, says, some_settings

MILLION = Usage(1, 1_000_000, 100_000)


@pytest.mark.parametrize(
    ("model_id", "cost"),
    [
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "4.5"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "4.95"),
        ("us.anthropic.claude-sonnet-4-5-20250514-v1:0", "4.95"),
        ("anthropic.claude-sonnet-4-5-20250514-v1:0", "4.95"),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", "8.25"),
        ("anthropic.claude-opus-4-20250514-v1:0", "22.5"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "0.375"),
        ("apac.anthropic.claude-3-5-sonnet-20241022-v2:0", "4.5"),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0", "1.12"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-micro-v1:0", "0.049"),
        ("amazon.nova-pro-v1:0:300k", "1.12"),
        ("gemini-2.5-flash", "0.55"),
        ("models/gemini-2.5-flash", "0.55"),
        ("gemini-2.5-flash-preview-09-2025", "0.55"),
        ("gemini-2.5-flash-lite", "0.14"),
        ("gemini-2.5-flash-001", "0.55"),
        ("gemini-3-flash-preview", "0.8"),
    ],
)
def test_a_model_has_the_price_of_its_family_in_every_geography_and_release(model_id: str, cost: str) -> None:
    assert Prices().cost_usd(model_id, MILLION) == Decimal(cost)


@pytest.mark.parametrize(
    "model_id",
    [
        "anthropic.claude-sonnet-4-9-20270101-v1:0",
        "amazon.nova-2-lite-v1:0",
        "gemini-2.5-flash-image",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123",
        "some.model",
    ],
)
def test_a_model_of_an_unknown_family_has_no_price(model_id: str) -> None:
    assert Prices().cost_usd(model_id, MILLION) is None


def test_a_missing_price_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    prices = Prices()
    for _ in range(3):
        prices.cost_usd("some.model", MILLION)
    assert caplog.messages == ["no price is known of some.model: set model_prices"]


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1, 200_000, 0), "0.25"),
        (Usage(1, 200_001, 0), "0.500003"),
        (Usage(1, 150_000, 1_000, cache_read_tokens=100_000), "0.415"),  # 0.375 + 0.015 + 0.025
    ],
)
def test_a_long_prompt_including_its_cached_part_has_its_own_price(usage: Usage, cost: str) -> None:
    assert Prices().cost_usd("gemini-2.5-pro", usage) == Decimal(cost)


def test_cache_reads_and_writes_have_their_own_prices() -> None:
    usage = Usage(1, 0, 0, cache_read_tokens=1_000_000, cache_write_tokens=1_000_000)
    assert Prices().cost_usd("global.anthropic.claude-sonnet-4-5-20250929-v1:0", usage) == Decimal("4.05")
    assert Prices({"m": Price(input=Decimal(2), output=Decimal(3))}).cost_usd("m", usage) == 4, (
        "without a cache price, the input price applies"
    )


def test_an_amount_is_rounded_half_up_to_a_millionth() -> None:
    prices = Prices({"m": Price(input=Decimal("0.5"), output=Decimal(0))})
    assert [str(prices.cost_usd("m", Usage(1, tokens, 0))) for tokens in (0, 1, 2, 3)] == [
        "0.000000",
        "0.000001",
        "0.000001",
        "0.000002",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-sonnet-4-5",
    ],
)
def test_the_price_of_a_stack_applies_to_every_id_of_the_model(name: str) -> None:
    prices = Prices({name: Price(input=Decimal(1), output=Decimal(1))})
    assert prices.cost_usd("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", MILLION) == Decimal("1.1")


def test_a_stack_sets_its_prices_in_the_environment() -> None:
    given = {"ANALYSES": "a", "TABLE_NAME": "t", "BUCKET_NAME": "b", "QUEUE_URLS": '{"medium": "u"}'}
    settings = from_environment(given | {"MODEL_PRICES": '{"some.model": {"input": 0.1, "output": 2}}'})
    assert Prices.parse(settings.model_prices).cost_usd("some.model", MILLION) == Decimal("0.3")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("0.3", "MODEL_PRICES"),
        ("{", "MODEL_PRICES: give JSON"),
        ('{"m": {"input": 1}}', "MODEL_PRICES.m.output"),
        ('{"m": {"input": -1, "output": 1}}', "MODEL_PRICES.m.input"),
        ('{"m": {"input": 1, "output": 1, "in": 1}}', "MODEL_PRICES.m.in"),
    ],
)
def test_invalid_prices_are_refused(given: str, why: str) -> None:
    environment = {"ANALYSES": "a", "TABLE_NAME": "t", "BUCKET_NAME": "b", "QUEUE_URLS": '{"medium": "u"}'}
    with pytest.raises(ConfigurationError, match=why):
        Prices.parse(from_environment(environment | {"MODEL_PRICES": given}).model_prices)


def test_a_price_is_immutable() -> None:
    with pytest.raises(ValidationError):
        Price(input=Decimal(1), output=Decimal(1)).input = Decimal(2)  # type: ignore[misc]


# The price list by date


@pytest.mark.parametrize(
    ("moment", "cost"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "1.125"),  # a clock that is behind gets the first entry
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "1.125"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2.25"),
        (datetime(2030, 1, 1, tzinfo=UTC), "2.25"),
    ],
)
def test_a_call_costs_the_list_price_of_its_day(moment: datetime, cost: str) -> None:
    assert Prices(clock=ManualClock(moment)).cost_usd("gemini-3.8-flash", MILLION) == Decimal(cost)


def test_a_day_uses_the_latest_entry_that_is_valid() -> None:
    trial, full = _listed(1, date(2026, 10, 1), date(2026, 12, 31)), _listed(2, date(2027, 2, 1))
    days = [date(2026, 9, 1), date(2026, 12, 31), date(2027, 1, 1), date(2027, 2, 1)]
    assert [price_on(day, [trial, full]) for day in days] == [trial.price, trial.price, None, full.price]
    assert price_on(days[0], []) is None


def test_the_entries_of_a_family_have_no_gaps_or_overlaps() -> None:
    for entries in list_prices().values():
        for entry, following in pairwise(entries):
            last_day = entry.valid_until or following.valid_from - timedelta(days=1)
            assert entry.valid_from <= last_day == following.valid_from - timedelta(days=1), entry.family


def test_no_promotional_price_has_expired() -> None:
    """Fails by the calendar on purpose: after a promotional price ends, its calls have no price."""
    today = datetime.now(UTC).date()
    assert _run_out(today, list_prices().values()) == []


def test_the_finding_for_an_expired_promotional_price_names_the_fix() -> None:
    trial = _listed(1, date(2026, 10, 1), date(2026, 12, 31))
    assert _run_out(date(2026, 12, 31), [[trial]]) == []
    assert _run_out(date(2027, 1, 1), [[trial, _listed(2, date(2027, 1, 1))]]) == []
    [found] = _run_out(date(2027, 1, 1), [[trial]])
    assert found == (
        "the promotional price of some.family ended on 2026-12-31: look up the new price at https://prices.example, "
        "and add an entry with valid_from = 2027-01-01 to prices.toml"
    )


def _listed(usd: int, valid_from: date, valid_until: date | None = None) -> ListPrice:
    price = Price(input=Decimal(usd), output=Decimal(usd))
    return ListPrice("some.family", price, "https://prices.example", valid_from, valid_until)


def _run_out(today: date, families: Iterable[Sequence[ListPrice]]) -> list[str]:
    """Return a finding with the fix for each family without a price for today."""
    return [
        f"the promotional price of {last.family} ended on {last.valid_until}: look up the new price at {last.source}, "
        f"and add an entry with valid_from = {last.valid_until + timedelta(days=1)} to prices.toml"
        for *_, last in families
        if last.valid_until and last.valid_until < today
    ]


# On the row

OWN = {"some.model": Price(input=Decimal(1), output=Decimal(2)), "other": Price(input=Decimal(10), output=Decimal(20))}


def _shop(*script: Any, **fields: Any) -> Shop:
    def work(job: Job[Book]) -> Value:
        job.ask("one?")
        return Value(text=job.ask("two?", model_id="other"))

    return Shop([work], ScriptedModel(*script), settings=some_settings(**fields), prices=Prices(OWN))


def _metered(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "OutputTokens" in line]


def test_a_job_has_the_usage_of_each_model_and_the_total_cost(capsys: pytest.CaptureFixture[str]) -> None:
    shop = _shop(says("a", input_tokens=1_000, output_tokens=100), says("b", input_tokens=10, output_tokens=1))
    job = shop.deliver(shop.keep())
    assert job.models == {"some.model": Usage(1, 1_000, 100), "other": Usage(1, 10, 1)}
    assert (job.usage, job.cost_usd) == (Usage(2, 1_010, 101), Decimal("0.001320"))
    [metered] = _metered(capsys)
    assert (metered["InputTokens"], metered["OutputTokens"], metered["CostUsd"]) == ([1010.0], [101.0], [0.00132])
    assert metered["analysis"] == "valuation"


def test_the_cost_of_a_failed_attempt_is_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    shop = _shop(says("a", input_tokens=1_000), Retry("model_error", "x"), says("a"), says("b"))
    key = shop.keep()
    failed = shop.deliver(key)
    assert failed.cost_usd == Decimal("0.001010")
    assert [line["InputTokens"] for line in _metered(capsys)] == [[1000.0]]
    shop.clock.advance(shop.settings.lease * 10)
    job = shop.deliver(key)
    assert job.result is not None
    assert (job.models["some.model"], job.models["other"]) == (Usage(2, 1_010, 10), Usage(1, 10, 5))
    assert job.cost_usd == Decimal("0.001010") + Decimal("0.000020") + Decimal("0.000200")
    assert [line["InputTokens"] for line in _metered(capsys)] == [[20.0]]


def test_an_unknown_price_makes_the_cost_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    shop = _shop(says("a"), says("b"), model_id="unknown")
    job = shop.deliver(shop.keep())
    assert job.cost_usd is None
    assert summary(job)["cost_usd"] is None
    [metered] = _metered(capsys)
    assert "CostUsd" not in metered


def test_a_job_without_model_calls_costs_nothing_and_has_no_cost_metric(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_job: Job[Book]) -> Value:
        return Value(text="free")

    shop = Shop([work])
    job = shop.deliver(shop.keep())
    assert (job.models, summary(job)["cost_usd"]) == ({}, 0.0)
    assert _metered(capsys) == []


def test_a_failed_answer_adds_to_the_cost() -> None:
    def cut(question: Question) -> Reply:
        return replace(says(question.prompt), fault=Retry("model_answer_invalid", "half"))

    shop = _shop(cut)
    assert shop.deliver(shop.keep()).cost_usd == Decimal("0.000020")


def test_a_row_without_costs_is_still_read_and_its_cost_is_unknown() -> None:
    item = to_item(a_job(usage=Usage(1, 100, 10)))
    for name in ("models", "cost_usd"):
        item.pop(name, None)
    job = from_item(item)
    assert (job.usage, job.models, job.cost_usd) == (Usage(1, 100, 10), {}, None)
    assert summary(job)["cost_usd"] is None
    shop = _shop(says("a"), says("b"))
    key = shop.keep(usage=Usage(1, 100, 10))
    assert shop.deliver(key).cost_usd is None


def test_a_row_keeps_exact_amounts() -> None:
    job = a_job(
        usage=Usage(3, 7, 5, 2, 1),
        models={"eu.m:0": Usage(1, 1, 1), "arn:aws:bedrock:x/y": Usage(2, 6, 4, 2, 1)},
        cost_usd=Decimal("0.100001"),
    )
    found = from_item(to_item(job))
    assert (found.usage, found.models, found.cost_usd) == (job.usage, job.models, job.cost_usd)
    assert summary(found)["cost_usd"] == 0.100001


def test_a_row_keeps_the_number_of_estimated_calls() -> None:
    usage = Usage(2, 6, 4, estimated_calls=1)
    found = from_item(to_item(a_job(usage=usage, models={"eu.m:0": usage})))
    assert (found.usage, found.models) == (usage, {"eu.m:0": usage})


def test_usage_without_a_cache_is_written_in_a_form_that_older_code_reads() -> None:
    item = to_item(a_job(usage=Usage(1, 2, 3), models={"m": Usage(1, 2, 3)}))
    assert set(item["usage"]["M"]) == {"calls", "input_tokens", "output_tokens"}
    assert item["models"] == {"M": {"m": {"S": "1 2 3 0 0"}}}
