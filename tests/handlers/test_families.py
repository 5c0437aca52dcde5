"""The table of model families: which model belongs to which, and what unknown models get."""

import pytest

from analysis_jobs.llm.families import Family, families, family_of
from analysis_jobs.llm.prices import list_prices


def test_each_entry_of_the_table_is_valid_and_has_a_pattern() -> None:
    """An unknown field or a wrong value is an error when the table is read."""
    assert all(family.models for family in families())


@pytest.mark.parametrize(
    "model_id",
    [
        "anthropic.claude-opus-5-5",
        "global.anthropic.claude-opus-5-5",
        "eu.anthropic.claude-opus-5-5-20260922-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-5",
    ],
)
def test_a_profile_and_an_arn_belong_to_the_family_of_their_model(model_id: str) -> None:
    """Geography, release and ARN do not change what a model takes."""
    assert family_of(model_id) is family_of("anthropic.claude-opus-5-5")


@pytest.mark.parametrize(
    ("model_id", "native", "forced"),
    [
        ("us.anthropic.claude-opus-5-5", True, False),
        ("us.anthropic.claude-sonnet-5-5", True, False),
        ("us.anthropic.claude-fable-5-1", True, False),
        ("us.anthropic.claude-haiku-5-5", False, True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, True),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", False, True),
        ("anthropic.claude-3-haiku-20240307-v1:0", False, True),
        ("amazon.nova-pro-v1:0", False, True),
        ("us.deepseek.r1-v1:0", False, False),
        ("openai.gpt-oss-120b-1:0", True, False),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", False, False),
    ],
)
def test_a_family_says_which_structured_answers_it_takes(model_id: str, *, native: bool, forced: bool) -> None:
    """Newer models come before the older ones with the same beginning."""
    family = family_of(model_id)
    assert (family.native_schema, family.forced_tool) == (native, forced)


def test_each_model_with_a_price_belongs_to_a_family() -> None:
    """A model that is worth a list price is worth an entry, so that its first question is not refused."""
    assert [name for name in list_prices() if not family_of(name).is_known] == []


def test_an_unknown_model_may_be_silent_for_minutes_and_is_asked_for_the_native_schema() -> None:
    """The table cannot know it. The first refusal teaches the next way."""
    family = family_of("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6")
    assert (family.is_known, family.native_schema, family.forced_tool) == (False, True, True)
    assert family.longest_silence > Family().longest_silence


def test_a_family_with_cache_points_has_a_minimum_and_a_time_to_live() -> None:
    """One without the other marks nothing, or marks what the model refuses."""
    assert all((family.cache_min_tokens is None) == (family.cache_ttls == ()) for family in families())


def test_a_family_that_takes_an_effort_or_a_budget_says_where_it_goes() -> None:
    """The request cannot be built without it."""
    for family in families():
        assert bool(family.efforts) == bool(family.effort_field)
        assert bool(family.thinking_tokens) == bool(family.thinking_field)
