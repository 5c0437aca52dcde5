"""The decision for each error, as a table, and the delay before a retry."""

import re
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    DataNotFoundError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    UnknownServiceError,
)
from pydantic import BaseModel, ValidationError

from analysis_jobs.base.error_facts import describe_error
from analysis_jobs.base.errors import ConfigurationError, Defer, Fail, JobError, Retry
from analysis_jobs.jobs.ports import NotFound
from analysis_jobs.jobs.record import JobFailure
from analysis_jobs.llm.errors import model_error
from analysis_jobs.worker.retry_policy import Action, Decision, backoff, decide
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
    (Fail("document_empty", "no bytes"), Action.FAIL, "document_empty", None),
    (Retry("model_timeout", "silence"), Action.RETRY, "model_timeout", None),
    (Retry("model_timeout", "silence", after=MINUTE), Action.RETRY, "model_timeout", MINUTE),
    (Defer("model_throttled", "slow down"), Action.DEFER, "model_throttled", None),
    (Defer("model_throttled", "slow down", after=timedelta()), Action.DEFER, "model_throttled", timedelta()),
    (JobError("odd", "of no kind"), Action.FAIL, "odd", None),
    (ConfigurationError("no model"), Action.FAIL, "configuration", None),
    (UnknownServiceError(service_name="rekognition", known_service_names="s3"), Action.FAIL, "configuration", None),
    (aws_error("AccessDenied"), Action.FAIL, "access_denied", None),
    (aws_error("AccessDeniedException"), Action.FAIL, "access_denied", None),
    # Services use different error codes for throttling, missing permissions and wrong configuration.
    (aws_error("SlowDown"), Action.DEFER, "aws_busy", None),
    (aws_error("ThrottlingException"), Action.DEFER, "aws_busy", None),
    (aws_error("KMS.AccessDeniedException"), Action.FAIL, "access_denied", None),
    (aws_error("AccessDeniedError"), Action.FAIL, "access_denied", None),
    (aws_error("NoSuchBucket"), Action.FAIL, "configuration", None),
    (aws_error("ResourceNotFoundException"), Action.FAIL, "configuration", None),
    (aws_error("AWS.SimpleQueueService.NonExistentQueue"), Action.FAIL, "configuration", None),
    (aws_error("ValidationException"), Action.RETRY, "unexpected_error", None),
    (ReadTimeoutError(endpoint_url="https://s3"), Action.RETRY, "aws_connection", None),
    (ConnectTimeoutError(endpoint_url="https://s3"), Action.RETRY, "aws_connection", None),
    (EndpointConnectionError(endpoint_url="https://s3"), Action.RETRY, "aws_connection", None),
    (ConnectionClosedError(endpoint_url="https://s3"), Action.RETRY, "aws_connection", None),
    (SSLError(endpoint_url="https://s3", error=ValueError("expired")), Action.RETRY, "aws_connection", None),
    (ResponseStreamingError(error="reset"), Action.RETRY, "aws_connection", None),
    (IncompleteReadError(actual_bytes=1, expected_bytes=2), Action.RETRY, "aws_connection", None),
    # In a stage, another attempt may get another answer. The worker decides about an invalid result.
    (invalid(), Action.RETRY, "unexpected_error", None),
    (NotFound("jobs/1"), Action.RETRY, "unexpected_error", None),
    (ZeroDivisionError("division by zero"), Action.RETRY, "unexpected_error", None),
    (MemoryError(), Action.RETRY, "unexpected_error", None),
]


@pytest.mark.parametrize(("error", "action", "code", "after"), TABLE, ids=lambda value: str(value)[:30])
def test_an_error_has_its_decision(error: Exception, action: Action, code: str, after: timedelta | None) -> None:
    decision = decide(error)
    assert (decision.action, decision.code, decision.after) == (action, code, after)


def test_the_message_for_a_service_that_the_package_lacks_names_the_fix() -> None:
    service: Any = "nowhere"
    with pytest.raises(DataNotFoundError) as raised:
        boto3.client(service, region_name="eu-west-1")
    message = decide(raised.value).message
    assert message.startswith("Unknown service: 'nowhere'.")
    assert "`aws_services` in [tool.analysis-jobs] of pyproject.toml" in message


def test_the_message_does_not_name_the_failed_connection() -> None:
    assert "s3" not in decide(EndpointConnectionError(endpoint_url="https://s3.internal")).message


@pytest.mark.parametrize(
    ("error", "timed_out"),
    [
        (Retry("model_timeout", "silence"), True),
        (Retry("model_connection", "reset"), False),
        (Defer("model_timeout", "of an analysis' own"), False),
        (ReadTimeoutError(endpoint_url="https://s3"), False),
    ],
)
def test_only_a_silent_model_counts_as_timed_out(error: Exception, *, timed_out: bool) -> None:
    assert decide(error).timed_out is timed_out


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("ThrottlingException", Defer, "model_throttled"),
        ("throttlingException", Defer, "model_throttled"),  # Bedrock's spelling within a stream
        ("ServiceQuotaExceededException", Defer, "model_quota_exceeded"),
        ("ModelTimeoutException", Retry, "model_timeout"),
        ("AccessDeniedException", Fail, "access_denied"),
        ("UnrecognizedClientException", Fail, "access_denied"),
        ("SomethingOfNextYearException", Retry, "model_error"),
        ("RESOURCE_EXHAUSTED", Defer, "model_throttled"),
        ("DEADLINE_EXCEEDED", Retry, "model_timeout"),
        ("NOT_FOUND", Fail, "model_not_found"),
        ("FAILED_PRECONDITION", Fail, "model_refused_request"),
        ("OUT_OF_RANGE", Fail, "model_refused_request"),
        ("UNAUTHENTICATED", Fail, "access_denied"),
        ("DATA_LOSS", Retry, "model_error"),
    ],
)
def test_every_spelling_of_a_model_error_has_the_same_decision(name: str, kind: type[JobError], code: str) -> None:
    error = model_error(name, "says the model")
    assert (type(error), error.code) == (kind, code)
    assert error.message == f"{name[0].upper()}{name[1:]}: says the model"
    assert decide(error).action is {Defer: Action.DEFER, Retry: Action.RETRY, Fail: Action.FAIL}[kind]


def test_every_error_that_bedrock_declares_has_a_decision() -> None:
    model: Any = boto3.client("bedrock-runtime", region_name="eu-west-1").meta.service_model
    call = model.operation_model("ConverseStream")
    within = {
        name for name, shape in call.output_shape.members["stream"].members.items() if shape.metadata.get("exception")
    }
    declared = {shape.name for shape in call.error_shapes} | within
    unspecific = {name for name in declared if model_error(name, "m").code == "model_error"}
    assert unspecific == {"ModelErrorException", "modelStreamErrorException"}, (
        "this is also the code of an unknown error"
    )


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("30", 30 * SECOND),
        ("3600", timedelta(hours=1)),
        ("3601", timedelta(hours=1)),
        ("999999999", timedelta(hours=1)),
        ("9999999999", None),
        ("0", None),  # at once is what made it throttle
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("name", ["ThrottlingException", "modelTimeoutException", "UNAVAILABLE"])
def test_a_retry_after_is_honoured_up_to_an_hour(name: str, said: str | None, waited: timedelta | None) -> None:
    assert decide(model_error(name, "m", said)).after == waited


def test_a_retry_after_does_not_make_a_refused_request_retryable() -> None:
    assert decide(model_error("ValidationException", "m", "5")) == Decision(
        Action.FAIL, "model_refused_request", "ValidationException: m"
    )


def test_every_action_is_in_the_table() -> None:
    assert {action for _, action, _, _ in TABLE} == set(Action)


def test_an_unexpected_error_is_reported_with_its_type_and_its_place() -> None:
    book: dict[str, str] = {}
    try:
        book["title"]
    except KeyError as error:
        message = decide(error).message
    assert re.fullmatch(r"KeyError at handlers/test_decisions\.py:\d+ in test_an_unexpected_\w+", message)


def test_a_refusal_of_aws_names_the_operation_the_code_and_the_missing_permission() -> None:
    said = (
        "User: arn:aws:sts::123456789012:assumed-role/worker/x is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::artifacts/jobs/acme/a-client/1/0-input.json" because no identity-based policy allows it'
    )
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": said}}, "GetObject")
    assert decide(error).message == "AWS refuses GetObject: AccessDenied (s3:GetObject is not allowed)"
    assert describe_error(error).endswith("(AccessDenied, GetObject, s3:GetObject on arn:aws:s3:::artifacts)")


@pytest.mark.parametrize(("action", "retryable"), [(Action.FAIL, False), (Action.RETRY, True), (Action.DEFER, True)])
def test_a_decision_is_stored_as_a_failure(action: Action, *, retryable: bool) -> None:
    assert Decision(action, "c", "m").failure == JobFailure("c", "m", retryable=retryable)


def test_a_failure_message_is_cut_to_fit_the_row() -> None:
    failure = JobFailure("c" * 1_000, "\U0001f4c8" * 1_000_000, retryable=False)
    assert (len(failure.code), len(failure.message)) == (100, 2_000)
    assert failure.message.endswith("\U0001f4c8…")
    assert JobFailure("c", "m" * 2_000, retryable=False).message == "m" * 2_000


@pytest.mark.parametrize(("given", "kept"), [("\ud83d!", "?!"), (ValueError("x"), "x"), (None, "None"), (7, "7")])
def test_a_failure_holds_only_characters_that_a_row_can_store(given: Any, kept: str) -> None:
    assert JobFailure("c", given, retryable=False).message == kept


@pytest.mark.parametrize(
    ("claims", "ceiling"),
    [(0, 2 * SECOND), (1, 4 * SECOND), (2, 8 * SECOND), (7, 256 * SECOND), (8, 5 * MINUTE), (10_000, 5 * MINUTE)],
)
def test_the_retry_delay_doubles_with_every_claim_up_to_five_minutes(claims: int, ceiling: timedelta) -> None:
    assert (backoff(claims, draw=0), backoff(claims, draw=0.5), backoff(claims, draw=1)) == (
        timedelta(),
        ceiling / 2,
        ceiling,
    )


def test_the_retry_delay_has_random_jitter() -> None:
    draws = {backoff(8) for _ in range(50)}
    assert len(draws) > 40
    assert max(draws) <= 5 * MINUTE
