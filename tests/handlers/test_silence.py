"""Silence while a model thinks or compiles a schema: how long it may last, and what works meanwhile.

The limits and the silences are scaled down by the same factor.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs import Job, Retry
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.families import Family, family_of
from analysis_jobs.llm.gemini.model import GeminiModel
from analysis_jobs.llm.model import Model, Question, Reply, Tool
from analysis_jobs.llm.silence import Silence
from analysis_jobs.submission.control import JobControl
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import MINUTE, SECOND, START, Book, Shop, Value, eventually
from tests.handlers.models import a_gemini_key, bedrock_client

SCALE = 0.005
SILENT_S = 180 * SCALE  # longer than the limit of a model that does not think, shorter than that of one that does
THINKER = "eu.anthropic.claude-opus-5-5"
PLAIN = "anthropic.claude-3-haiku-20240307-v1:0"
COMPILER = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
GEMINI = "gemini-3.8-flash"
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
QUESTION = Question(THINKER, "Harbour Lights Festival", 1_000)
TOOL = Tool("Call", "A call.", SCHEMA)
MINUTES = timedelta(minutes=10)


@pytest.fixture
def model(stand_in: StandIn) -> BedrockModel:
    return _bedrock(stand_in.url)


def _bedrock(url: str, scale: float = SCALE) -> BedrockModel:
    return BedrockModel(bedrock_client(url), Silence(scale))


def ask(model: Model, question: Question = QUESTION) -> Reply:
    return model.ask(question, lambda _piece: None, CancellationToken())


@pytest.mark.parametrize("silence", [{"first_token_s": SILENT_S}, {"stall_s": SILENT_S}], ids=["before", "within"])
def test_a_model_that_thinks_silently_for_three_minutes_answers(
    model: BedrockModel, stand_in: StandIn, silence: dict[str, float]
) -> None:
    stand_in.set(**silence)
    assert ask(model).fault is None
    gemini = GeminiModel(a_gemini_key(), stand_in.url, Silence(SCALE))
    assert ask(gemini, replace(QUESTION, model_id=GEMINI)).fault is None


@pytest.mark.parametrize("silence", [{"first_token_s": SILENT_S}, {"stall_s": SILENT_S}], ids=["before", "within"])
def test_the_same_silence_of_a_model_that_does_not_think_is_a_fault(
    model: BedrockModel, stand_in: StandIn, silence: dict[str, float]
) -> None:
    stand_in.set(**silence)
    with pytest.raises(Retry) as refused:
        ask(model, replace(QUESTION, model_id=PLAIN))
    assert refused.value.code == "model_timeout"


def test_each_request_has_its_own_limit_on_a_reused_connection(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(first_token_s=SILENT_S)
    assert ask(model).fault is None
    with pytest.raises(Retry, match="model_timeout"):
        ask(model, replace(QUESTION, model_id=PLAIN))
    assert ask(model).fault is None


def test_the_first_use_of_a_schema_may_take_minutes_to_compile(model: BedrockModel, stand_in: StandIn) -> None:
    stand_in.set(compile_s=SILENT_S)
    question = replace(QUESTION, model_id=COMPILER, tool=TOOL)
    assert ask(model, question).data is not None
    stand_in.set(first_token_s=SILENT_S)  # the schema is compiled: this is another silence
    with pytest.raises(Retry, match="model_timeout"):
        ask(model, question)
    assert [call["compiled"] for call in stand_in.calls()] == [True, False]


@pytest.mark.parametrize(
    ("question", "compiles", "limit"),
    [
        (QUESTION, False, MINUTES),
        (replace(QUESTION, model_id=PLAIN), False, timedelta(minutes=2)),
        (replace(QUESTION, model_id=PLAIN), True, MINUTES),
        (replace(QUESTION, model_id=COMPILER, thinking_tokens=2_000), False, MINUTES),
        (replace(QUESTION, model_id="eu.anthropic.claude-sonnet-4-6", effort="max"), False, MINUTES),
        (replace(QUESTION, model_id="new.model-v1:0"), False, timedelta(minutes=5)),
        (replace(QUESTION, model_id="amazon.nova-pro-v1:0", tier="flex"), False, timedelta(minutes=15)),
        (replace(QUESTION, model_id="amazon.nova-pro-v1:0", tier="priority"), False, timedelta(minutes=2)),
    ],
)
def test_the_limit_is_minutes_for_thinking_and_for_compiling(
    question: Question, limit: timedelta, *, compiles: bool
) -> None:
    assert Silence().limit(question, family_of(question.model_id), compiles=compiles) == limit


def test_a_compiled_schema_is_remembered_by_model_and_schema() -> None:
    silence, plain = Silence(), Family()
    question = replace(QUESTION, model_id=PLAIN, tool=TOOL)
    silence.has_compiled(question)
    others = [
        replace(question, model_id=COMPILER),
        replace(question, tool=replace(TOOL, schema={**SCHEMA, "title": "Other"})),
    ]
    assert silence.limit(question, plain, compiles=True) == plain.longest_silence
    assert [silence.limit(each, plain, compiles=True) for each in others] == [MINUTES, MINUTES]


# What works while the model is silent. The clock is manual, and the silence lasts until the call is cut.


def think(job: Job[Book]) -> Value:
    return Value(text=job.ask("worth?", model_id=THINKER))


def _silent_shop(stand_in: StandIn) -> Shop:
    stand_in.set(first_token_s=600)
    return Shop([think], _bedrock(stand_in.url, scale=1.0))  # type: ignore[arg-type]


def _meanwhile(stand_in: StandIn, shop: Shop, act: Callable[[Shop], None]) -> threading.Thread:
    """Run `act` in another thread once the model has the question, and return the thread."""

    def run() -> None:
        eventually(lambda: bool(stand_in.calls(outcome="running")))
        act(shop)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_heartbeat_renews_the_lease_and_a_cancel_ends_the_silence(stand_in: StandIn) -> None:
    leases: list[Any] = []

    def beat_and_cancel(shop: Shop) -> None:
        for _ in range(4):
            shop.clock.step(15 * SECOND)
            leases.append(shop.job(key).lease_until)
        control = JobControl(shop.store, shop.queue, shop.artifacts, shop.worker.analyses, shop.settings, shop.clock)
        control.cancel(key)
        shop.clock.step(15 * SECOND)

    shop = _silent_shop(stand_in)
    key = shop.keep()
    thread = _meanwhile(stand_in, shop, beat_and_cancel)
    job = shop.deliver(key)
    thread.join()
    assert leases == [START + MINUTE + beats * 15 * SECOND for beats in (1, 2, 3, 4)]
    assert (job.status, job.failure) == (Status.CANCELLED, None)
    eventually(lambda: stand_in.calls()[0]["outcome"] == "caller hung up")


def test_the_end_of_the_invocation_ends_the_silence(stand_in: StandIn) -> None:
    shop = _silent_shop(stand_in)
    key = shop.keep()

    def pass_half_a_minute(shop: Shop) -> None:
        for _ in range(2):
            shop.clock.step(15 * SECOND)

    thread = _meanwhile(stand_in, shop, pass_half_a_minute)
    job = shop.deliver(key, time=30 * SECOND)
    thread.join()
    assert job.status is Status.QUEUED
    eventually(lambda: stand_in.calls()[0]["outcome"] == "caller hung up")
