"""One trace leads from the caller's request to the model call, through the queue and all attempts."""

import json
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from analysis_jobs import Fail, Job, Retry
from analysis_jobs.base import tracing
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobKey, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.site import Site, opened
from tests.handlers.attempts import run
from tests.handlers.builders import (
    START,
    Book,
    Value,
    says,
)
from tests.handlers.events import call, logged
from tests.handlers.traces import (
    APPRAISAL,
    BODY,
    CALLER,
    SECRET,
    TRACE,
    TRACEPARENT,
    Collected,
    attributes,
    collected,
    ids,
    parent_id,
    submit,
    traced_shop,
    value,
    work,
)

NOW = timedelta()


# The path


def test_a_trace_leads_from_the_callers_span_to_the_model_call(site: Site, spans: Collected) -> None:
    submit(traceparent=TRACEPARENT, tracestate="vendor=value")
    reply = Reply("12 pounds", None, "end_turn", Usage(1, 100, 20, 3000, 400))
    assert work(site, reply).status is Status.COMPLETED
    names = ["POST /jobs", "send jobs", "process jobs", "stage value", "chat eu.some.model"]
    assert [span.name for span in spans.all] == names
    kinds = [SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert [span.kind for span in spans.all] == kinds
    assert {ids(span)[0] for span in spans.all} == {TRACE}
    assert [parent_id(span) for span in spans.all] == [CALLER, *(ids(span)[1] for span in spans.all[:-1])]
    assert {str(span.context.trace_state.to_header()) for span in spans.all if span.context} == {"vendor=value"}
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}


def test_the_spans_name_the_job_and_what_they_do(site: Site, spans: Collected) -> None:
    job_id = submit().json["job_id"]
    work(site, says("12 pounds"))
    job = {"analysis_jobs.analysis": "appraisal", "analysis_jobs.job_id": job_id, "analysis_jobs.tenant": "acme"}
    messaging = {"messaging.destination.name": "jobs", "messaging.system": "aws_sqs"}
    assert attributes(spans.one("POST")) == {
        "faas.invocation_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "faas.trigger": "http",
        "http.request.method": "POST",
        "http.response.status_code": 202,
        "http.route": "/jobs",
        "server.address": "abc123.execute-api.eu-west-1.amazonaws.com",
        "url.scheme": "https",
    }
    assert attributes(spans.one("send")) == {
        **job,
        **messaging,
        "analysis_jobs.outcome": "created",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    assert attributes(spans.one("process")) == {
        **job,
        **messaging,
        "analysis_jobs.attempt": 1,
        "analysis_jobs.outcome": "completed",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
    }
    assert attributes(spans.one("stage")) == {**job, "analysis_jobs.stage": "value"}


def test_the_span_of_a_model_call_follows_the_conventions(site: Site, spans: Collected) -> None:
    job_id = submit().json["job_id"]
    work(site, Reply("12 pounds", None, "end_turn", Usage(1, 100, 20, 3000, 400), model="some.model-v2"))
    found = attributes(spans.one("chat"))
    assert found.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert found == {
        "analysis_jobs.analysis": "appraisal",
        "analysis_jobs.job_id": job_id,
        "analysis_jobs.stage": "value",
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.request.model": "eu.some.model",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.response.model": "some.model-v2",
        "gen_ai.usage.cache_creation.input_tokens": 400,
        "gen_ai.usage.cache_read.input_tokens": 3000,
        "gen_ai.usage.input_tokens": 3500,
        "gen_ai.usage.output_tokens": 20,
        "server.address": "bedrock-runtime.eu-west-1.amazonaws.com",
        "server.port": 443,
    }


def test_a_call_of_gemini_has_its_own_names(spans: Collected) -> None:
    shop = traced_shop([lambda job: Value(text=job.ask("?", model_id="gemini-2.5-flash"))], says("yes"))
    shop.stages[0].__name__ = "value"
    run(shop)
    found = attributes(spans.one("generate_content gemini-2.5-flash"))
    assert (found["gen_ai.provider.name"], found["gen_ai.operation.name"]) == ("gcp.gemini", "generate_content")
    assert found["server.address"] == "generativelanguage.googleapis.com"


# The caller's context


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        TRACEPARENT.upper(),
        f"{TRACEPARENT}-more",
        f"{TRACEPARENT},{TRACEPARENT}",
        f"00-{TRACE}-{CALLER}",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{CALLER}-01",
        "0" * 10_000,
    ],
)
def test_a_malformed_traceparent_is_ignored(header: str, site: Site, spans: Collected) -> None:
    submit(traceparent=header, tracestate="vendor=value")
    work(site, says("12 pounds"))
    assert len(spans.all) == 5
    assert spans.is_one_trace()
    assert ids(spans.all[0])[0] != TRACE
    assert spans.all[0].parent is None


@pytest.mark.usefixtures("site")
def test_a_later_version_of_the_header_is_read_as_the_first(spans: Collected) -> None:
    submit(traceparent=f"01-{TRACE}-{CALLER}-01-more")
    assert ids(spans.one("POST"))[0] == TRACE


@pytest.mark.parametrize("state", ["vendor=" + "x" * 600, "=", "a b"])
def test_a_tracestate_that_is_too_long_or_malformed_is_dropped(state: str, site: Site, spans: Collected) -> None:
    job_id = submit(traceparent=TRACEPARENT, tracestate=state).json["job_id"]
    job = site.store.get(JobKey("acme", job_id))
    assert job
    assert job.trace == f"00-{TRACE}-{ids(spans.one('send'))[1]}-01"


def test_a_caller_that_does_not_sample_gets_no_spans(site: Site, spans: Collected) -> None:
    job_id = submit(traceparent=f"00-{TRACE}-{CALLER}-00").json["job_id"]
    job = site.store.get(JobKey("acme", job_id))
    assert job
    assert str(job.trace).startswith(f"00-{TRACE}-")
    assert str(job.trace).endswith("-00"), "the worker must not sample either"
    assert work(site, says("12 pounds")).status is Status.COMPLETED
    assert spans.all == []


def test_a_stack_may_decide_about_sampling_itself(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with collected() as spans, opened(MemoryJobStore(), clock, APPRAISAL) as site:
        submit(traceparent=TRACEPARENT)
        assert work(site, says("12 pounds")).status is Status.COMPLETED
        assert spans.all == []


@pytest.mark.usefixtures("site")
def test_a_route_of_an_analysis_takes_the_callers_context_and_shows_no_subject(spans: Collected) -> None:
    given = {"document": "01k3xzh0w8a5jrc6b1q9m2t4ve/rfp.pdf"}
    answer = call("POST", f"/proposals/{SECRET}/analyze-rfp", given, headers={"traceparent": TRACEPARENT})
    assert answer.status == 202, answer.body
    assert ids(spans.one("POST /proposals/{id}/analyze-rfp"))[0] == TRACE
    assert SECRET not in "".join(span.to_json() for span in spans.all)


@pytest.mark.usefixtures("site")
def test_reads_have_no_span(spans: Collected) -> None:
    job_id = submit().json["job_id"]
    before = len(spans.all)
    assert call("GET", f"/jobs/{job_id}", headers={"traceparent": TRACEPARENT}).status == 200
    assert len(spans.all) == before


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("body", "status"), [({"analysis": "unknown", "input": {}}, 422), (5, 422)])
def test_a_refused_request_is_no_error_of_the_server(body: Any, status: int, spans: Collected) -> None:
    assert call("POST", "/jobs", body).status == status
    span = spans.one("POST /jobs")
    assert (span.status.status_code, attributes(span)["http.response.status_code"]) == (StatusCode.UNSET, status)


def test_an_error_of_the_server_is_one_in_its_span(
    site: Site, spans: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr(site.store, "create", broken)
    assert call("POST", "/jobs", BODY).status == 500
    server, send = spans.all
    assert (server.status.status_code, attributes(server)["error.type"]) == (StatusCode.ERROR, "500")
    assert (send.status.status_code, attributes(send)["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert SECRET not in server.to_json() + send.to_json()


@pytest.mark.usefixtures("site")
def test_a_repeated_submission_names_the_job_that_exists(spans: Collected) -> None:
    first, again = (submit(**{"idempotency-key": "k"}).json["job_id"] for _ in range(2))
    assert first == again
    assert {attributes(span)["analysis_jobs.job_id"] for span in spans.named("send")} == {first}


# Texts


def test_no_span_has_a_text_of_the_job(spans: Collected) -> None:
    def read(job: Job[Book]) -> str:
        job.save_file("report.txt", SECRET.encode(), "text/plain")
        return job.ask(SECRET, max_tokens=10)

    def fail(job: Job[Book]) -> Value:
        with_words = Question("some.model", SECRET, 10, system=SECRET, document=SECRET)
        job._context.services.model.ask(with_words, lambda _: None, job._context.cancellation)  # noqa: SLF001
        raise Retry(SECRET, SECRET, after=NOW) from ValueError(SECRET)

    given: dict[str, Any] = {
        "input": Payload(json.dumps({"isbn": SECRET})),
        "client": SECRET,
        "project": SECRET,
        "subject": SECRET,
    }
    shop = traced_shop([read, fail], *[says(SECRET)] * 8)
    assert run(shop, **given).status is Status.FAILED
    assert len(spans.named("chat")) > 2
    exported = "".join(span.to_json() for span in spans.all)
    assert SECRET not in exported
    assert SECRET.split("-", maxsplit=1)[0] not in exported
    assert [event for span in spans.all for event in span.events] == [], "an event would quote the exception"


def test_log_lines_name_the_trace(site: Site, spans: Collected) -> None:  # noqa: ARG001 - traces are on
    with logged() as lines:
        submit(traceparent=TRACEPARENT)
        work(site, Fail("model_refused", "no"))
    events = {line["event"] for line in lines if line.get("trace_id") == TRACE}
    assert {"job.submitted", "job.error", "job.fail"} <= events


# Off


def test_without_the_setting_nothing_is_traced(site: Site) -> None:
    with logged() as lines:
        job_id = submit(traceparent=TRACEPARENT).json["job_id"]
        assert work(site, says("12 pounds")).status is Status.COMPLETED
    job = site.store.get(JobKey("acme", job_id))
    assert job
    assert (job.trace, tracing.context()) == (None, None)
    assert [line for line in lines if "trace_id" in line] == []


def test_a_context_of_a_row_is_ignored_without_the_setting() -> None:
    assert run(traced_shop([value], says("yes")), trace=TRACEPARENT, created_at=START).status is Status.COMPLETED
