"""Effort, service tier and thinking budget of `job.ask`: who takes them, the errors, the lane's tier, and the price."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis_jobs import Job
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import from_environment
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Question
from analysis_jobs.llm.options import AskOptions, check_options, with_options
from analysis_jobs.llm.prices import Price, Prices
from tests.handlers.builders import Book, ScriptedModel, Shop, Value, says, some_settings

OPUS_5_5 = "us.anthropic.claude-opus-5-5"
SONNET_4_6 = "us.anthropic.claude-sonnet-4-6"
SONNET_4_5 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
FLASH_2_5 = "gemini-2.5-flash"
FLASH_3 = "gemini-3-flash-preview"
QUESTION = Question(OPUS_5_5, "Say something.", 1_000)


def _checked(model_id: str, **options: Any) -> None:
    check_options(replace(QUESTION, model_id=model_id, **options))


@pytest.mark.parametrize(
    ("model_id", "options"),
    [
        (OPUS_5_5, {"effort": "xhigh", "tier": "reserved"}),
        (SONNET_4_6, {"effort": "max", "thinking_tokens": 2_000}),
        (SONNET_4_5, {"thinking_tokens": 1_024}),
        (NOVA, {"tier": "flex"}),
        (FLASH_2_5, {"thinking_tokens": 512, "tier": "flex"}),
        (FLASH_3, {"effort": "minimal", "tier": "priority"}),
        ("new.model-v1:0", {"effort": "max", "tier": "flex", "thinking_tokens": 1}),
    ],
)
def test_a_family_takes_its_options_and_an_unknown_model_every_valid_one(model_id: str, options: Any) -> None:
    _checked(model_id, **options)


@pytest.mark.parametrize(
    ("model_id", "options", "message"),
    [
        (OPUS_5_5, {"effort": "huge"}, "effort is 'huge'; give minimal, low, medium, high, xhigh or max"),
        (OPUS_5_5, {"effort": "minimal"}, f"the model {OPUS_5_5} takes the effort low, medium, high, xhigh or max"),
        (SONNET_4_6, {"effort": "xhigh"}, "takes the effort low, medium, high or max"),
        (HAIKU_3, {"effort": "low"}, f"effort is 'low', but the model {HAIKU_3} takes no effort"),
        (SONNET_4_5, {"effort": "low"}, "takes no effort; set thinking_tokens instead"),
        (OPUS_5_5, {"tier": "fast"}, "tier is 'fast'; give priority, default, flex or reserved"),
        (OPUS_5_5, {"tier": "flex"}, "takes the tier default or reserved"),
        (HAIKU_3, {"tier": "priority"}, "takes the tier default"),
        (OPUS_5_5, {"thinking_tokens": 2_000}, "takes no thinking budget; set effort to low, medium, high, xhigh or"),
        (HAIKU_3, {"thinking_tokens": 2_000}, "takes no thinking budget"),
        (SONNET_4_5, {"thinking_tokens": 100}, "takes a thinking budget of 1024 to 63000 tokens"),
        (FLASH_2_5, {"thinking_tokens": 30_000}, "takes a thinking budget of 1 to 24576 tokens"),
        (FLASH_3, {"thinking_tokens": 512}, "takes no thinking budget; set effort to minimal, low, medium or high"),
        ("new.model-v1:0", {"thinking_tokens": 0}, "thinking_tokens is 0; give a number of tokens of 1 or more"),
        ("new.model-v1:0", {"thinking_tokens": True}, "thinking_tokens is True"),
    ],
)
def test_an_option_that_the_model_does_not_take_is_refused_with_what_it_takes(
    model_id: str, options: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _checked(model_id, **options)
    assert str(refused.value).startswith("job.ask: ")
    assert message in str(refused.value)


def test_the_tier_of_the_lane_counts_where_the_question_has_none_and_the_model_has_it() -> None:
    for model_id, own, lane, expected in [
        (NOVA, None, "flex", "flex"),
        (NOVA, "priority", "flex", "priority"),
        (NOVA, "default", "flex", "default"),
        (NOVA, None, None, None),
        (HAIKU_3, None, "flex", None),
        ("new.model-v1:0", None, "flex", "flex"),
    ]:
        question = with_options(replace(QUESTION, model_id=model_id), AskOptions(tier=own), lane)  # type: ignore[arg-type]
        assert question.tier == expected


def ask(job: Job[Book]) -> Value:
    return Value(text=job.ask("worth?", model_id=NOVA))


def test_a_job_asks_with_the_tier_of_its_lane() -> None:
    settings = some_settings(service_tiers={"low": "flex"}, queue_urls={"low": "https://sqs/1/low", "medium": "m"})
    for priority, tier in (("low", "flex"), ("medium", None)):
        shop = Shop([ask], ScriptedModel(says("gold")), settings=settings)
        job = shop.deliver(shop.keep(priority=priority))
        assert job.failure is None
        assert [question.tier for question in shop.model.questions] == [tier]


def test_a_job_passes_its_options_on_and_its_repair_turn_repeats_them() -> None:
    def thinks(job: Job[Book]) -> Value:
        return job.ask("worth?", answer=Value, model_id=SONNET_4_6, effort="high", thinking_tokens=2_000)

    right = replace(says("{}"), data={"text": "gold"})
    shop = Shop([thinks], ScriptedModel(replace(says("{}"), data={"pounds": "many"}), right))
    assert shop.deliver(shop.keep()).failure is None
    asked = [(each.effort, each.tier, each.thinking_tokens) for each in shop.model.questions]
    assert asked == [("high", None, 2_000)] * 2
    assert {each.most_output_tokens for each in shop.model.questions} == {4_096 + 2_000}


def test_a_wrong_option_fails_the_job_as_a_configuration_error_before_the_model_is_asked() -> None:
    def wrong(job: Job[Book]) -> Value:
        return Value(text=job.ask("worth?", model_id=HAIKU_3, effort="high"))

    shop = Shop([wrong])
    failure = shop.deliver(shop.keep()).failure
    assert failure is not None
    assert (failure.code, failure.retryable, shop.model.questions) == ("configuration", False, [])
    assert "takes no effort" in failure.message


def test_the_tiers_of_the_lanes_come_from_the_environment() -> None:
    environment = {"ANALYSES": "a", "TABLE_NAME": "t", "BUCKET_NAME": "b", "QUEUE_URLS": '{"low": "https://sqs/1/low"}'}
    assert from_environment(environment).service_tiers == {}
    assert from_environment(environment | {"SERVICE_TIERS": '{"low": "flex"}'}).service_tiers == {"low": "flex"}
    for wrong in ('{"low": "cheap"}', "flex"):
        with pytest.raises(ConfigurationError, match="SERVICE_TIERS"):
            from_environment(environment | {"SERVICE_TIERS": wrong})


# Prices

MILLION = Usage(1, 1_000_000, 1_000_000)


def test_a_tier_changes_the_price_by_its_factor() -> None:
    prices = Prices()
    standard = prices.cost_usd("gemini-2.5-flash", MILLION)
    assert standard == prices.cost_usd("gemini-2.5-flash", MILLION, "default") == Decimal("2.8")
    assert prices.cost_usd("gemini-2.5-flash", MILLION, "flex") == Decimal("1.4")


def test_a_tier_without_a_known_factor_has_no_price() -> None:
    assert Prices().cost_usd(NOVA, MILLION, "priority") is None
    assert Prices().cost_usd(OPUS_5_5, MILLION, "reserved") is None


def test_a_stack_can_give_the_factor_of_a_tier() -> None:
    own = Prices.parse({"amazon.nova-pro": {"input": 0.8, "output": 3.2, "tiers": {"flex": 0.5}}})
    assert own.cost_usd(NOVA, MILLION, "flex") == Decimal(2)
    assert own.cost_usd(NOVA, MILLION, "priority") is None
    with pytest.raises(ConfigurationError, match="MODEL_PRICES"):
        Prices.parse({"amazon.nova-pro": {"input": 0.8, "output": 3.2, "tiers": {"flex": -1}}})


def test_the_cost_of_a_job_counts_the_tier() -> None:
    prices = Prices({"amazon.nova-pro": Price(input=Decimal(1), output=Decimal(0), tiers={"flex": Decimal("0.5")})})

    def cheap(job: Job[Book]) -> Value:
        return Value(text=job.ask("worth?", model_id=NOVA, tier="flex"))

    shop = Shop([cheap], ScriptedModel(says("gold", input_tokens=1_000_000)), prices=prices)
    assert shop.deliver(shop.keep()).cost_usd == Decimal("0.5")
