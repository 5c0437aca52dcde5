"""The export of spans: OTLP over HTTP, at the end of an invocation, and never at the cost of a job."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from analysis_jobs.base import otel_export, tracing
from analysis_jobs.base.errors import Fail
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.otel_export import Outbox, traced_by
from analysis_jobs.base.secrets import AwsSecrets
from analysis_jobs.base.tracing import Kind
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import START, eventually
from tests.handlers.deployment import MODEL_ID, Deployment, deployed
from tests.handlers.events import call, logged
from tests.handlers.pdfs import COASTAL
from tests.handlers.traces import PATIENCE, TRACE, TRACEPARENT

HEADERS = {"traceparent": TRACEPARENT}
DOCUMENT = f"{new_id(START)}/missing.pdf"


class Collector(ThreadingHTTPServer):
    """A collector that parses what it is sent. With a `status`, it refuses. While `silent` is set, it says nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.silent = False
        self.may_answer = Event()
        self.requests: list[tuple[str, Mapping[str, str], ExportTraceServiceRequest]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [
            {each.key: each.value.string_value for each in spans.resource.attributes}
            for _, _, request in self.requests
            for spans in request.resource_spans
        ]

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for _, _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.path, headers, ExportTraceServiceRequest.FromString(body)))
        if self.server.silent:
            self.server.may_answer.wait(PATIENCE.total_seconds())
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no access log."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()
        thread.join()


@contextmanager
def stack(url: str, model_url: str = "http://127.0.0.1:9", **variables: str) -> Iterator[Deployment]:
    """Deploy the functions with the setting, a collector at `url`, and a model."""
    given = {
        "OPENTELEMETRY": "true",
        "OPENTELEMETRY_TIMEOUT_S": "60",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_SERVICE_NAME": "rfp-prod",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    # The provider of a process can be set once, and other tests run in this process.
    set_provider = patch.object(trace, "set_tracer_provider")
    with set_provider, patch.dict("os.environ", given | variables), deployed(model_url) as found:
        try:
            yield found
        finally:
            tracing.use(None)


def submit() -> str:
    """Submit a job that fails, because its document is missing."""
    answer = call("POST", "/proposals/42/analyze-rfp", {"document": DOCUMENT}, headers=HEADERS)
    assert answer.status == 202, answer.body
    return str(answer.json["job_id"])


def status(job_id: str) -> Any:
    return call("GET", f"/jobs/{job_id}").json["status"]


def test_each_invocation_exports_its_spans_before_it_ends(collector: Collector) -> None:
    attributes = "deployment.environment.name=staging,team=claims"
    with stack(
        collector.url, OTEL_EXPORTER_OTLP_HEADERS="api-key=k%20ey,x-other=1", OTEL_RESOURCE_ATTRIBUTES=attributes
    ) as deployment:
        submit()
        assert [span.name for span in collector.spans] == ["send aj-jobs", "POST /proposals/{id}/analyze-rfp"]
        assert deployment.work() == []
    assert [span.name for span in collector.spans][2:] == ["stage brief", "process aj-jobs"]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert {path for path, _, _ in collector.requests} == {"/v1/traces"}
    assert {headers["api-key"] for _, headers, _ in collector.requests} == {"k ey"}
    for found in collector.resources:
        assert (found["service.name"], found["service.version"], found["team"]) == ("rfp-prod", "v7", "claims")


def test_a_collector_sees_the_way_from_the_request_to_the_model(collector: Collector, stand_in: StandIn) -> None:
    """A real document, through the shipped handlers, to the stand-in for Bedrock."""
    with stack(collector.url, stand_in.url) as deployment:
        wanted = {"filename": COASTAL.name, "content_type": "application/pdf", "size": COASTAL.stat().st_size}
        upload = call("POST", "/uploads", wanted).json
        deployment.upload(upload["upload"]["fields"], COASTAL.read_bytes())
        job_id = call("POST", "/jobs", _submission(upload["document"]), headers=HEADERS).json["job_id"]
        assert deployment.work() == []
        assert status(job_id) == "completed"
    [chat, stage, process] = [span for span in collector.spans if span.trace_id.hex() == TRACE][2:]
    assert (chat.name, stage.name, process.name) == (f"chat {MODEL_ID}", "stage brief", "process aj-jobs")
    assert (chat.parent_span_id, stage.parent_span_id) == (stage.span_id, process.span_id)
    found = {each.key: each.value for each in chat.attributes}
    assert found["gen_ai.provider.name"].string_value == "aws.bedrock"
    assert [each.string_value for each in found["gen_ai.response.finish_reasons"].array_value.values] != []
    assert found["gen_ai.usage.input_tokens"].int_value > 0
    assert found["gen_ai.usage.output_tokens"].int_value > 0
    address = urlsplit(stand_in.url)
    assert (found["server.address"].string_value, found["server.port"].int_value) == (address.hostname, address.port)
    assert "Coastal" not in str(collector.spans), "no word of the document"


def _submission(document: str) -> dict[str, Any]:
    return {"analysis": "rfp-analysis", "input": {"document": document}, "subject": "proposals/42"}


def test_a_function_on_lambda_names_itself(collector: Collector) -> None:
    lambda_ = {
        "AWS_LAMBDA_FUNCTION_NAME": "rfp-prod-api",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_REGION": "eu-west-1",
    }
    with patch("analysis_jobs.base.observability._redirect_output"), stack(collector.url, **lambda_):
        submit()
    [found] = collector.resources
    names = {"faas.name": "rfp-prod-api", "faas.version": "7", "cloud.region": "eu-west-1", "cloud.provider": "aws"}
    assert names.items() <= found.items()


def test_the_headers_of_a_secret_are_sent(collector: Collector) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:collector"

    def read(_: AwsSecrets, asked: str) -> str:
        return {arn: "api-key=from-the-secret"}[asked]

    with patch.object(AwsSecrets, "read", read), stack(collector.url, OTEL_HEADERS_SECRET=arn):
        submit()
    assert [headers["api-key"] for _, headers, _ in collector.requests] == ["from-the-secret"]


def test_without_the_secret_of_the_headers_there_are_no_traces_but_jobs(collector: Collector) -> None:
    def refuse(*_: object) -> str:
        raise Fail("secret_denied", "no")

    with logged() as lines, patch.object(AwsSecrets, "read", refuse), stack(collector.url, OTEL_HEADERS_SECRET="arn:x"):
        assert status(submit()) == "queued"
    assert collector.requests == []
    assert "tracing.off" in {line["event"] for line in lines}


def test_an_analysis_can_make_spans_of_its_own(collector: Collector) -> None:
    with stack(collector.url):
        submit()
        set_provider: Any = trace.set_tracer_provider
        [[provider], _] = set_provider.call_args
        with provider.get_tracer("the analysis").start_as_current_span("lookup"):
            pass
        tracing.flush(PATIENCE)
    assert "lookup" in [span.name for span in collector.spans]


def refused_port() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


@pytest.mark.parametrize(
    "fault", ["a refused port", "a silent server", "status 400", "status 503", "a host that is none"]
)
def test_a_failing_collector_fails_no_job(fault: str, collector: Collector) -> None:
    """The silent server answers only after the test."""
    collector.silent = fault == "a silent server"
    collector.status = int(fault.removeprefix("status ")) if fault.startswith("status") else 200
    urls = {"a refused port": refused_port(), "a host that is none": "http://collector.invalid:4318"}
    with logged() as lines, stack(urls.get(fault, collector.url), OPENTELEMETRY_TIMEOUT_S="0.5") as deployment:
        job_id = submit()
        assert deployment.work() == []
        assert status(job_id) == "failed", "its document is missing"
    assert [line["spans"] for line in lines if line["event"] == "tracing.not_exported"] == [2, 2]
    assert not collector.may_answer.is_set()


# The outbox


class Stubborn(SpanExporter):
    """An exporter that waits until it may answer."""

    def __init__(self) -> None:
        self.may_answer = Event()
        self.exports: list[int] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.exports.append(len(spans))
        self.may_answer.wait(PATIENCE.total_seconds())
        return SpanExportResult.SUCCESS


def a_span(outbox: Outbox, count: int = 1) -> None:
    traces, _ = traced_by(outbox)
    for _ in range(count):
        with traces.span("s", Kind.INTERNAL, {}, parent=None, link=None, seed="", ignoring=()):
            pass


def test_an_export_that_does_not_end_holds_nobody_up_and_is_not_repeated() -> None:
    exporter, now = Stubborn(), [0.0]
    outbox = Outbox(exporter, timedelta(milliseconds=20), lambda: now[0])
    with logged() as lines:
        a_span(outbox)
        outbox.send(PATIENCE)  # returns, although the exporter waits
        now[0] = 1_000
        a_span(outbox, 2)
        outbox.send(PATIENCE)
    assert exporter.exports == [1], "the first export is still running"
    assert [line["spans"] for line in lines] == [1, 2]
    exporter.may_answer.set()
    eventually(lambda: not any(thread.name == "traces" for thread in threading.enumerate()))
    outbox = Outbox(exporter, PATIENCE, lambda: now[0])
    a_span(outbox)
    with logged() as lines:
        outbox.send(PATIENCE)
    assert (exporter.exports, lines) == ([1, 1], [])


class Failing(SpanExporter):
    """An exporter that raises, or reports a failure."""

    def __init__(self, *, raises: bool) -> None:
        self.raises = raises
        self.asked = 0

    def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002 - the port's signature
        self.asked += 1
        if self.raises:
            raise RuntimeError("Zq7")
        return SpanExportResult.FAILURE


@pytest.mark.parametrize("raises", [True, False])
def test_after_a_failure_nothing_is_sent_for_a_while(*, raises: bool) -> None:
    exporter, now = Failing(raises=raises), [0.0]
    outbox = Outbox(exporter, PATIENCE, lambda: now[0])
    for at in (0, 1, 29.9, 30):
        now[0] = at
        a_span(outbox)
        outbox.send(PATIENCE)
    assert exporter.asked == 2
    outbox.send(PATIENCE)
    assert exporter.asked == 2, "without spans, nobody is asked"


class Counting(SpanExporter):
    """An exporter that counts the spans of each request."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.batches.append(len(spans))
        return SpanExportResult.SUCCESS


def test_a_request_is_bounded_and_so_is_the_memory() -> None:
    exporter = Counting()
    with patch.object(otel_export, "_MAX_SPANS", 5), patch.object(otel_export, "_SPANS_PER_REQUEST", 2):
        outbox = Outbox(exporter, PATIENCE)
        a_span(outbox, 7)
        with logged() as lines:
            outbox.send(PATIENCE)
            a_span(outbox)
            outbox.send(PATIENCE)
    assert exporter.batches == [2, 2, 1, 1]
    assert [line["spans"] for line in lines] == [2], "those beyond the limit were dropped"
