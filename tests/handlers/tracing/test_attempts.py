"""Every attempt at a job is in the trace of its submission: retries, deferrals, continuations and redrives."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import CancelAsked, OutOfTime
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.traced import TracedModel
from analysis_jobs.stores.memory import MemoryQueue
from analysis_jobs.worker.claimed_job import ClaimedJob
from analysis_jobs.worker.slots import KeepMessage
from tests.handlers.api.site import Site
from tests.handlers.attempts import run
from tests.handlers.builders import (
    Book,
    Line,
    ScriptedModel,
    Value,
    says,
)
from tests.handlers.events import call
from tests.handlers.traces import (
    BEDROCK_URL,
    CALLER,
    GEMINI_URL,
    SECRET,
    TRACE,
    TRACEPARENT,
    Collected,
    attributes,
    ids,
    linked,
    parent_id,
    submit,
    traced_shop,
    value,
    work,
)

NOW = timedelta()


def outcomes(spans: Collected) -> list[tuple[str, int, str | None]]:
    found = map(attributes, spans.named("process"))
    return [(each["analysis_jobs.outcome"], each["analysis_jobs.attempt"], each.get("error.type")) for each in found]


def test_deferrals_and_retries_stay_in_the_trace(site: Site, spans: Collected) -> None:
    submit(traceparent=TRACEPARENT)
    job = work(
        site,
        Defer("model_throttled", SECRET, after=NOW),
        Retry("model_timeout", SECRET, after=NOW),
        says("12 pounds"),
    )
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)
    assert outcomes(spans) == [("deferred", 1, None), ("failed", 1, "model_timeout"), ("completed", 2, None)]
    sender = ids(spans.one("send"))
    assert {ids(span)[0] for span in spans.all} == {TRACE}
    assert [parent_id(span) for span in spans.named("process")] == [sender[1]] * 3
    assert [linked(span) for span in spans.named("process")] == [[sender]] * 3
    calls = spans.named("chat")
    assert [attributes(span).get("error.type") for span in calls] == ["model_throttled", "model_timeout", None]
    assert [span.status.status_code for span in calls] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert [attributes(span).get("gen_ai.usage.output_tokens") for span in calls] == [None, None, 5]


def test_a_continuation_stays_in_the_trace(spans: Collected) -> None:
    stops = [OutOfTime("the invocation's time is over")]

    def first(_: Job[Book]) -> int:
        return 1

    def second(job: Job[Book]) -> Value:
        if stops:
            raise stops.pop()
        return Value(text=job.ask("?"))

    job = run(traced_shop([first, second], says("yes")), trace=TRACEPARENT)
    assert (job.status, job.attempt) == (Status.COMPLETED, 1)
    assert outcomes(spans) == [("continued", 1, None), ("completed", 1, None)]
    assert {ids(span)[0] for span in spans.all} == {TRACE}
    assert [parent_id(span) for span in spans.named("process")] == [CALLER] * 2


def test_a_job_that_waits_in_its_fifo_queue_has_not_failed(spans: Collected) -> None:
    shop = traced_shop([value], Defer("model_throttled", "", after=NOW), queue=MemoryQueue(fifo=True))
    key = shop.keep(trace=TRACEPARENT)
    with pytest.raises(KeepMessage):
        shop.deliver(key)
    span = spans.one("process")
    assert (span.status.status_code, outcomes(spans)) == (StatusCode.UNSET, [("deferred", 1, None)])


def test_an_attempt_that_cannot_write_its_end_has_failed(spans: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = traced_shop([value], says("yes"))
    key = shop.keep(trace=TRACEPARENT)

    def broken(*_: Any, **__: Any) -> Any:
        raise ConnectionError(SECRET)

    monkeypatch.setattr(ClaimedJob, "_write", broken)
    with pytest.raises(ConnectionError):
        shop.deliver(key)
    assert outcomes(spans) == [("completed", 1, "ConnectionError")]


def test_a_cancelled_job_has_not_failed(spans: Collected) -> None:
    def stage(_: Job[Book]) -> Value:
        raise CancelAsked("a caller asked for it")

    shop = traced_shop([stage])
    shop.deliver(shop.keep(trace=TRACEPARENT))
    assert outcomes(spans) == [("cancelled", 1, None)]
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}


def test_a_redrive_continues_the_jobs_trace_and_links_its_own_to_it(site: Site, spans: Collected) -> None:
    job_id = submit(traceparent=TRACEPARENT).json["job_id"]
    assert work(site, Fail("model_refused", "no")).status is Status.FAILED
    other = "a" * 32
    headers = {"traceparent": f"00-{other}-{CALLER}-01"}
    assert call("POST", f"/jobs/{job_id}/retry", headers=headers).status == 202
    assert work(site, says("12 pounds")).status is Status.COMPLETED
    first, again = spans.named("send")
    assert (ids(again)[0], linked(again)) == (other, [ids(first)])
    assert [ids(span)[0] for span in spans.named("process")] == [TRACE, TRACE]
    assert spans.one("POST /jobs/{job_id}/retry").status.is_ok


def test_all_attempts_of_a_job_without_a_context_are_in_one_trace(spans: Collected) -> None:
    """A version without traces wrote the row, or a backend that does not use OpenTelemetry."""
    shop = traced_shop([value], Retry("model_timeout", "", after=NOW), says("yes"))
    run(shop)
    assert len(spans.named("process")) == 2
    assert spans.is_one_trace()
    before = len(spans.all)
    run(traced_shop([value], says("yes")))
    assert len(spans.all) > before
    assert not spans.is_one_trace(), "another job has another trace"


@pytest.mark.parametrize("kept", ["", "nonsense", f"{TRACEPARENT} =", "\ud800"])
def test_a_damaged_context_in_the_row_does_not_stop_the_job(kept: str, spans: Collected) -> None:
    assert run(traced_shop([value], says("yes")), trace=kept).status is Status.COMPLETED
    assert len(spans.named("process")) == 1


def test_a_call_that_was_broken_off_says_so(spans: Collected) -> None:
    cancellation = CancellationToken()

    def broken_off(_: Question) -> Reply:
        cancellation.cancel()
        raise Retry("model_connection", "")

    model = TracedModel(ScriptedModel(broken_off), BEDROCK_URL, GEMINI_URL)
    with pytest.raises(Retry):
        model.ask(Question("some.model", "?", 10), lambda _: None, cancellation)
    found = attributes(spans.one("chat"))
    assert (found["analysis_jobs.outcome"], found["error.type"]) == ("stopped", "model_connection")


def test_calls_in_threads_of_the_analysis_belong_to_the_stage(spans: Collected) -> None:
    def each(job: Job[Book]) -> Value:
        def page(item: int) -> str:
            return job.ask(f"{item}?")

        job.each([1, 2], page, at_once=2)
        with ThreadPoolExecutor() as threads:
            return Value(text=threads.submit(job.ask, "own thread?").result())

    assert run(traced_shop([each], *[says("yes")] * 3)).status is Status.COMPLETED
    assert [parent_id(span) for span in spans.named("chat")] == [ids(spans.one("stage"))[1]] * 3


TOO_LONG = Reply("", None, "max_tokens", Usage(1, 5, 5), Fail("model_answer_too_long", SECRET))
ODD = Reply("", None, f"{SECRET} {SECRET}", Usage(1, 5, 5), Fail(SECRET, SECRET))


@pytest.mark.parametrize(
    ("reply", "error_type", "reasons"),
    [
        (TOO_LONG, "model_answer_too_long", ("max_tokens",)),
        (ODD, "invalid_code", ("_OTHER",)),
        (ValueError(SECRET), "ValueError", None),
    ],
    ids=["too long", "odd", "unexpected"],
)
def test_a_failed_call_says_so_without_words(
    reply: Line, error_type: str, reasons: tuple[str, ...] | None, spans: Collected
) -> None:
    shop = traced_shop([value], *[reply] * 3)
    run(shop)
    call_span = spans.named("chat")[0]
    assert (call_span.status.status_code, attributes(call_span)["error.type"]) == (StatusCode.ERROR, error_type)
    assert attributes(call_span).get("gen_ai.response.finish_reasons") == reasons
    assert attributes(spans.named("process")[0])["analysis_jobs.outcome"] == "failed"
    assert SECRET not in "".join(span.to_json() for span in spans.all)
