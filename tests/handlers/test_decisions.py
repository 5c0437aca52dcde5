"""What is done about an error, as a table; and how long a job waits before it is tried again."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from pydantic import BaseModel, ValidationError

from analysis_jobs.decisions import Action, Decision, backoff, decide
from analysis_jobs.errors import ConfigurationError, Defer, Fail, JobError, Retry
from analysis_jobs.record import JobFailure
from analysis_jobs.stores.ports import NotFound
from tests.handlers.builders import MINUTE, SECOND


def aws_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "says AWS"}}, "GetObject")


def invalid() -> ValidationError:
    class Answer(BaseModel):
        number: int

    try:
        Answer.model_validate({"number": "x"})
    except ValidationError as error:
        return error
    raise AssertionError("it should be invalid")


TABLE: list[tuple[Exception, Action, str, timedelta | None]] = [
    (Fail("document_empty", "no bytes"), Action.NEVER, "document_empty", None),
    (Retry("model_timeout", "silence"), Action.RETRY, "model_timeout", None),
    (Retry("model_timeout", "silence", after=MINUTE), Action.RETRY, "model_timeout", MINUTE),
    (Defer("model_throttled", "slow down"), Action.DEFER, "model_throttled", None),
    (Defer("model_throttled", "slow down", after=timedelta()), Action.DEFER, "model_throttled", timedelta()),
    (JobError("odd", "of no kind"), Action.NEVER, "odd", None),
    (ConfigurationError("no model"), Action.NEVER, "configuration", None),
    (aws_error("AccessDenied"), Action.NEVER, "access_denied", None),
    (aws_error("AccessDeniedException"), Action.NEVER, "access_denied", None),
    (aws_error("SlowDown"), Action.RETRY, "unexpected_error", None),
    (ReadTimeoutError(endpoint_url="https://s3"), Action.RETRY, "unexpected_error", None),
    # In a stage: what a model said, another attempt may say otherwise. (Of the result itself, the worker decides.)
    (invalid(), Action.RETRY, "unexpected_error", None),
    (NotFound("jobs/1"), Action.RETRY, "unexpected_error", None),
    (ZeroDivisionError("division by zero"), Action.RETRY, "unexpected_error", None),
    (MemoryError(), Action.RETRY, "unexpected_error", None),
]


@pytest.mark.parametrize(("error", "action", "code", "after"), TABLE, ids=lambda value: str(value)[:30])
def test_an_error_has_its_decision(error: Exception, action: Action, code: str, after: timedelta | None) -> None:
    decision = decide(error)
    assert (decision.action, decision.code, decision.after) == (action, code, after)


def test_every_decision_is_in_the_table() -> None:
    assert {action for _, action, _, _ in TABLE} == set(Action)


def test_what_nobody_foresaw_is_named_with_its_type() -> None:
    assert decide(KeyError("title")).message == "KeyError: 'title'"


@pytest.mark.parametrize(("action", "retryable"), [(Action.NEVER, False), (Action.RETRY, True), (Action.DEFER, True)])
def test_a_decision_is_kept_as_a_failure(action: Action, *, retryable: bool) -> None:
    assert Decision(action, "c", "m").failure == JobFailure("c", "m", retryable=retryable)


def test_a_failure_holds_no_more_than_a_row_can() -> None:
    failure = JobFailure("c" * 1_000, "\U0001f4c8" * 1_000_000, retryable=False)
    assert (len(failure.code), len(failure.message)) == (100, 2_000)
    assert failure.message.endswith("\U0001f4c8…")
    assert JobFailure("c", "m" * 2_000, retryable=False).message == "m" * 2_000


@pytest.mark.parametrize(("given", "kept"), [("\ud83d!", "?!"), (ValueError("x"), "x"), (None, "None"), (7, "7")])
def test_a_failure_holds_only_what_a_row_can(given: Any, kept: str) -> None:
    assert JobFailure("c", given, retryable=False).message == kept


@pytest.mark.parametrize(
    ("claims", "ceiling"),
    [(0, 2 * SECOND), (1, 4 * SECOND), (2, 8 * SECOND), (7, 256 * SECOND), (8, 5 * MINUTE), (10_000, 5 * MINUTE)],
)
def test_the_wait_doubles_with_every_claim_up_to_five_minutes(claims: int, ceiling: timedelta) -> None:
    assert (backoff(claims, draw=0), backoff(claims, draw=0.5), backoff(claims, draw=1)) == (
        timedelta(),
        ceiling / 2,
        ceiling,
    )


def test_the_wait_is_drawn_at_random() -> None:
    draws = {backoff(8) for _ in range(50)}
    assert len(draws) > 40
    assert max(draws) <= 5 * MINUTE
