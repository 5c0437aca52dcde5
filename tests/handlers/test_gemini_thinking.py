"""Effort, thinking budget and service tier in Gemini's requests: what is sent, and what the stand-in takes."""

import json
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.families import families
from analysis_jobs.llm.gemini.thinking import service_tier, thinking_config
from analysis_jobs.llm.model import Question
from analysis_jobs.llm.options import AskOptions, with_options
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import gemini

FLASH_3 = "gemini-3.8-flash"
FLASH_2_5 = "gemini-2.5-flash"
QUESTION = Question(FLASH_3, "Harbour Lights Festival", 1_000)


def test_an_effort_is_a_thinking_level_and_a_budget_stays_a_budget() -> None:
    level = thinking_config(replace(QUESTION, effort="low"))
    assert (level.thinking_level.value, level.thinking_budget) == ("LOW", None)
    budget = thinking_config(replace(QUESTION, model_id=FLASH_2_5, thinking_tokens=512))
    assert (budget.thinking_level, budget.thinking_budget) == (None, 512)
    assert thinking_config(QUESTION) is None


@pytest.mark.parametrize(
    ("tier", "sent"), [("default", "standard"), ("flex", "flex"), ("priority", "priority"), (None, None)]
)
def test_google_calls_the_default_tier_standard(tier: Any, sent: str | None) -> None:
    found = service_tier(replace(QUESTION, tier=tier))
    assert (found and found.value) == sent


def test_the_stand_in_takes_every_option_that_the_table_lists(stand_in: StandIn) -> None:
    asked = 0
    port = gemini(stand_in.url)
    for family in families():
        model_id = family.models[0].replace("*", "")
        if not model_id.startswith("gemini-") or model_id == "gemini-":
            continue
        options = [AskOptions(effort=effort) for effort in family.efforts or ()]
        options += [AskOptions(thinking_tokens=tokens) for tokens in family.thinking_tokens or ()]
        options += [AskOptions(tier=tier) for tier in family.tiers or ()]
        for each in options:
            port.ask(with_options(replace(QUESTION, model_id=model_id), each), lambda _: None, CancellationToken())
            asked += 1
    assert [call["outcome"] for call in stand_in.calls()] == ["ok"] * asked
    assert asked > 20


def test_the_thinking_budget_is_reserved_beside_the_answer(stand_in: StandIn) -> None:
    question = replace(QUESTION, model_id=FLASH_2_5, thinking_tokens=512, tier="flex")
    gemini(stand_in.url).ask(question, lambda _: None, CancellationToken())
    [call] = stand_in.calls()
    assert (call["max_tokens"], call["tier"]) == (1_512, "flex")


@pytest.mark.parametrize(
    ("model_id", "fields", "words"),
    [
        (FLASH_2_5, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "LOW is not supported"),
        (FLASH_2_5, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 30_000}}}, "between 1 and 24576"),
        ("gemini-2.5-pro", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, "between 128 and 32768"),
        (
            FLASH_3,
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}},
            "only one of thinking budget and thinking level",
        ),
        (FLASH_3, {"serviceTier": "reserved"}, "service_tier"),
    ],
)
def test_the_stand_in_refuses_what_google_refuses(
    stand_in: StandIn, model_id: str, fields: dict[str, Any], words: str
) -> None:
    body = {"contents": [{"parts": [{"text": "Hello."}]}], **fields}
    request = Request(
        f"{stand_in.url}/v1beta/models/{model_id}:generateContent",
        json.dumps(body).encode(),
        {"x-goog-api-key": "a key", "Content-Type": "application/json"},
    )
    with pytest.raises(HTTPError) as refused:
        urlopen(request)
    with refused.value as answer:
        error = json.load(answer)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert words in error["message"]
