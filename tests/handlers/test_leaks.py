"""No text of an input, a document, an answer or an exception leaves through a log line, a metric or an event.

Each test plants a secret, lets the job run to its end, and searches everything that the functions emit. The job's own
error in `GET /jobs/{job_id}` is for the tenant of the job. It may contain the message of a `Fail` that the analysis
raised itself, but not the message of an unexpected error.
"""

import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

import psycopg
import pytest
from botocore.exceptions import ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, field_serializer
from pydantic_core import PydanticCustomError

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base import observability
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError, InvocationFailedError, JobError
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import upload_key
from analysis_jobs.events.publisher import Publisher, event_from
from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.jobs.views import summary
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.quotes import without_quotes
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.message import Message
from tests.handlers.api.site import opened
from tests.handlers.attempts import run
from tests.handlers.builders import MINUTE, QUEUE_ARN, START, Book, ScriptedModel, Shop, Value, a_job, says
from tests.handlers.events import call, logged, sqs_record
from tests.handlers.office import repacked, word, workbook
from tests.handlers.streams import Recorded, RecordedDeadLetters, stream_record

SECRET = "Zq7-the-patient-has-Kx9"
QUOTED = f"'{SECRET}' is not allowed"


@pytest.fixture(scope="module", autouse=True)
def _logger_before_capture() -> None:
    """Make the logger now: it keeps the standard output of its first line, and `capfd` replaces that for one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_SERVICE_NAME", "tests")
        observability.log("test.begins", "the logger exists")


def refuse(text: str) -> str:
    raise ValueError(f"{text} is not allowed")


def refuse_with_a_type_of_its_own(text: str) -> str:
    raise PydanticCustomError("int_parsing", "{text} is not allowed", {"text": text})


class Circle(BaseModel):
    shape: Literal["circle"]


class Square(BaseModel):
    shape: Literal["square"]


class Finding(BaseModel):
    """A model with every way to quote a value: messages of validators, keys, tags and unknown members."""

    model_config = ConfigDict(extra="forbid")

    amount: int = 0
    checked: Annotated[str, AfterValidator(refuse)] = ""
    custom: Annotated[str, AfterValidator(refuse_with_a_type_of_its_own)] = ""
    figure: Annotated[Circle | Square, Field(discriminator="shape")] = Circle(shape="circle")
    by_name: dict[str, int] = {}
    either: int | list[int] = 0


FINDINGS = [
    {"amount": SECRET},
    {"checked": SECRET},
    {"custom": SECRET},
    {"figure": {"shape": SECRET}},
    {"figure": SECRET},
    {"by_name": {SECRET: "x"}},
    {"either": {SECRET: SECRET}},
    {SECRET: 1},
]


class Unwritable(BaseModel):
    text: str = SECRET

    @field_serializer("text")
    def _write(self, text: str) -> str:
        raise ValueError(f"cannot write {text}")


def invalid(given: Any) -> Exception:
    try:
        Finding.model_validate(given)
    except ValueError as error:
        return error
    raise AssertionError("it should be invalid")


def with_cause(error: Exception) -> Exception:
    error.__cause__ = ValueError(SECRET)
    error.__cause__.__context__ = KeyError(SECRET)
    return error


def with_note(error: Exception) -> Exception:
    error.add_note(SECRET)
    return error


def aws_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": QUOTED}}, "PutItem")


UNEXPECTED: list[Exception] = [
    ValueError(SECRET),
    KeyError(SECRET),
    UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    json.JSONDecodeError(SECRET, SECRET, 0),
    with_cause(RuntimeError("plain")),
    with_note(RuntimeError("plain")),
    ExceptionGroup(SECRET, [ValueError(SECRET), with_cause(OSError(5, SECRET, SECRET))]),
    MemoryError(SECRET),
    psycopg.errors.InvalidTextRepresentation(f'invalid input syntax for type integer: "{SECRET}"\nDETAIL: {SECRET}'),
    *map(aws_error, ("ValidationException", "AccessDenied", "NoSuchBucket", "SlowDown")),
    *map(invalid, FINDINGS),
]
OF_THE_ANALYSIS: list[Exception] = [
    Fail("document_odd", SECRET),
    Fail(SECRET, SECRET),
    Fail(QUOTED, "plain"),
    Retry("model_error", SECRET),
    Defer("model_busy", SECRET),
    JobError("odd", SECRET),
    ConfigurationError(SECRET),
    with_cause(Fail("document_odd", "plain")),
]


def raising(error: BaseException) -> Callable[[Job[Book]], Value]:
    def stage(_job: Job[Book]) -> Value:
        raise error.with_traceback(None)

    return stage


def named(error: BaseException) -> str:
    return type(error).__name__


@contextmanager
def nothing_emitted(shop: Shop, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Check that the block emits no part of the secret: to the log, to the queue, or as an event."""
    capfd.readouterr()
    with logged() as lines:
        yield
    observability.flush()
    assert lines, "the functions write a log"
    events = [body for job in shop.store.jobs.values() for body in event_bodies(job)]
    emitted = [*capfd.readouterr(), str(lines), str(shop.queue.sent), *events]
    for text in emitted:
        assert SECRET not in text
        assert SECRET.split("-", maxsplit=1)[0] not in text


def event_bodies(job: JobRecord) -> Iterator[str]:
    """Yield the events of a job's last transition: EventBridge and SNS get the same body."""
    before = replace(job, history=job.history[:-1]) if job.history else None
    event = event_from(RowChange(job, before), "rfp-prod")
    assert event
    yield event.body


def ended(shop: Shop, **fields: Any) -> JobRecord:
    """Run a job until it ends, with a sweep at its deadline."""
    job = run(shop, deadline=shop.clock.now() + 30 * MINUTE, **fields)
    if not job.status.ended:
        shop.clock.advance(60 * MINUTE)
        shop.sweeper.sweep()
    return shop.job(job.key)


@pytest.mark.parametrize("error", UNEXPECTED, ids=named)
def test_an_unexpected_error_leaves_only_with_its_class_and_its_place(
    error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = Shop([raising(error)])
    with nothing_emitted(shop, capfd):
        job = ended(shop)
    assert job.failure
    assert SECRET not in str(summary(job)), "not even its tenant is told"
    assert named(error) in job.failure.message or "AWS refuses PutItem" in job.failure.message


@pytest.mark.parametrize("error", OF_THE_ANALYSIS, ids=named)
def test_the_message_of_an_analysis_is_only_for_the_tenant_of_the_job(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = Shop([raising(error)])
    with nothing_emitted(shop, capfd):
        job = ended(shop)
    assert job.failure
    assert job.failure.message.endswith((SECRET, "plain"))


@pytest.mark.parametrize("given", FINDINGS, ids=str)
@pytest.mark.parametrize("where", ["answer", "result", "input"])
def test_a_value_that_a_model_refuses_is_not_quoted(
    given: dict[str, Any], where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = replace(says(json.dumps(given)), data=given)

    def stage(job: Job[Any]) -> Any:
        return given if where == "result" else job.ask(SECRET, answer=Finding)

    models: dict[str, Any] = {"request" if where == "input" else "result": Finding}
    shop = Shop([stage], ScriptedModel(*[answer] * 6), **models)
    with nothing_emitted(shop, capfd):
        job = ended(shop, **({"input": Payload(json.dumps(given))} if where == "input" else {"input": A_BOOK}))
    assert job.failure
    assert job.failure.code == {"answer": "model_answer_invalid"}.get(where, f"{where}_invalid")
    assert SECRET not in str(summary(job))


A_BOOK = Payload('{"isbn": "42"}')


@pytest.mark.parametrize("output", [Unwritable(), {"a": float("nan"), "b": SECRET}, {SECRET: object()}], ids=named)
@pytest.mark.parametrize("where", ["checkpoint", "file"])
def test_an_output_that_is_not_json_is_not_quoted(output: Any, where: str, capfd: pytest.CaptureFixture[str]) -> None:
    def first(job: Job[Book]) -> Any:
        if where == "file":
            job.save_json("x.json", output)
        return output

    shop = Shop([first, raising(ValueError(SECRET))])
    with nothing_emitted(shop, capfd):
        job = ended(shop)
    assert job.failure
    assert (job.failure.code, SECRET in job.failure.message) == (f"{where}_invalid", False)


def test_a_message_that_is_no_pointer_is_not_quoted(capfd: pytest.CaptureFixture[str]) -> None:
    def handle(record: Any, _place: object) -> None:
        Message.parse(record["body"], QUEUE_ARN, "receipt")

    bodies = [SECRET, f'{{"tenant": "{SECRET}"}}', f'{{"tenant": 1, "job_id": "{SECRET}"}}']
    with nothing_emitted(Shop([raising(ValueError())]), capfd):
        failed = handle_batch([sqs_record(body, number) for number, body in enumerate(bodies)], handle)
    assert len(failed["batchItemFailures"]) == len(bodies)


def test_a_stream_record_that_is_no_job_is_not_quoted(capfd: pytest.CaptureFixture[str]) -> None:
    def read(_record: Any) -> RowChange:
        raise with_cause(ValueError(SECRET))

    dead = RecordedDeadLetters()
    publisher = Publisher(read, bus=Recorded(), notices=None, dead_letters=dead, service="x", clock=Shop([]).clock)
    with nothing_emitted(Shop([]), capfd):
        publisher.publish([stream_record(0, None, a_job())])
    assert dead.notes
    assert SECRET not in str(dead.notes)


@pytest.mark.parametrize("failure", [with_cause(RuntimeError(SECRET)), SystemExit(SECRET)], ids=named)
def test_a_handler_that_fails_tells_lambda_only_the_class_and_the_place(
    failure: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    @observability.contained
    def handler(_event: Any, _context: Any) -> None:
        raise failure

    with nothing_emitted(Shop([]), capfd), pytest.raises(InvocationFailedError) as raised:
        handler({}, None)
    error = raised.value
    assert (error.__cause__, error.__context__) == (None, None), "Python would print the original error too"
    assert str(error).startswith(f"{named(failure)} at handlers/test_leaks.py:")


def test_what_python_prints_on_lambda_has_no_message(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, hook in (
        (logging, "raiseExceptions"),
        (warnings, "showwarning"),
        (threading, "excepthook"),
        (sys, "unraisablehook"),
    ):
        monkeypatch.setattr(module, hook, getattr(module, hook))  # restores it after the test
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "worker")
    observability._redirect_output.cache_clear()  # noqa: SLF001 - it acts once in a process

    class Wrong(BaseModel):
        number: int

    with nothing_emitted(Shop([]), capfd), warnings.catch_warnings():
        warnings.simplefilter("always")
        observability.contained(lambda _event, _context: None)({}, None)
        TypeAdapter(Wrong).dump_python(Wrong.model_construct(number=SECRET))  # type: ignore[arg-type]
        thread = threading.Thread(target=lambda: refuse(SECRET))
        thread.start()
        thread.join()
    observability._redirect_output.cache_clear()  # noqa: SLF001


@pytest.mark.parametrize(
    "said",
    [f"messages.0: {QUOTED}", f"Malformed input: {SECRET}", "text 'the patient has a rare disease' is not allowed"],
)
def test_a_model_service_that_quotes_the_prompt_is_not_quoted(said: str, capfd: pytest.CaptureFixture[str]) -> None:
    def stage(job: Job[Book]) -> Value:
        return Value(text=job.ask(f"Read this: {SECRET}. He says: the patient has a rare disease."))

    shop = Shop([stage], ScriptedModel(model_error("ValidationException", said)))
    with nothing_emitted(shop, capfd):
        job = ended(shop)
    assert job.failure
    assert job.failure.code == "model_refused_request"
    assert job.failure.message.startswith("ValidationException: ")
    assert "…" in job.failure.message
    assert not {SECRET, "patient"} & set(re.findall(r"[\w-]+", job.failure.message))


def test_the_words_of_a_model_service_stay() -> None:
    said = "ValidationException: Input is too long for requested model."
    assert without_quotes(said, ["Summarise this long text for me: the model railway."]) == said


# Documents

BROKEN_XML = f"<w:document xmlns:w='w'><w:p>{SECRET}</w:q></w:document>".encode()
BROKEN: dict[str, bytes] = {
    "a.docx": repacked(word(SECRET), {"word/document.xml": BROKEN_XML}),
    "b.docx": repacked(word(SECRET), {"word/document.xml": SECRET.encode()}),
    "a.xlsx": repacked(workbook({"a": [[SECRET]]}), {"xl/worksheets/sheet1.xml": f"<{SECRET}/>".encode()}),
    "a.pdf": f"%PDF-1.7 {SECRET}".encode(),
    "a.txt": b"\xff\xfe" + SECRET.encode() + b"\x00",
    "a.png": b"\x89PNG\r\n\x1a\n" + SECRET.encode(),
    "a.zip": b"PK\x03\x04" + SECRET.encode(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_document_that_cannot_be_read_is_not_quoted(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    document = f"{new_id(START)}/{name}"

    def stage(job: Job[Book]) -> Value:
        return Value(text=job.read(document).kind)

    shop = Shop([stage])
    shop.artifacts.write(upload_key("acme", document), BROKEN[name], "")
    with nothing_emitted(shop, capfd):
        job = ended(shop)
    assert SECRET not in str(summary(job))


# The API


@pytest.mark.parametrize(
    "body",
    [
        {"analysis": SECRET, "input": {}},
        {"analysis": "book-valuation", "input": {"isbn": 1, "copies": SECRET}},
        {"analysis": "book-valuation", "input": {"isbn": "1", SECRET: SECRET}},
        {"analysis": "book-valuation", "input": {"isbn": "1"}, "priority": SECRET, "trigger": SECRET},
        {"analysis": "book-valuation", "input": {"isbn": "1"}, SECRET: 1},
        {"analysis": "book-valuation", "input": {"isbn": SECRET, "notes": {SECRET: SECRET}}},
        SECRET,
    ],
    ids=str,
)
def test_the_api_logs_no_part_of_a_request(body: Any, clock: ManualClock, capfd: pytest.CaptureFixture[str]) -> None:
    store = MemoryJobStore()
    with opened(store, clock) as site, logged() as lines:
        answers = [
            call("POST", "/jobs", body),
            call("POST", "/jobs", raw=f"{{{SECRET}"),
            call("POST", "/uploads", body),
        ]
    assert {answer.status for answer in answers} <= {202, 400, 422}
    for text in (*capfd.readouterr(), str(lines), str(site.queue.sent)):
        assert SECRET not in text
    assert [SECRET in body for job in store.jobs.values() for body in event_bodies(job)] in ([], [False])
