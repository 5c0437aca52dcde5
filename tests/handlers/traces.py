"""Spans of the library, collected in this process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast
from unittest.mock import patch

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base import tracing
from analysis_jobs.base.otel_export import Outbox, traced_by
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.llm.traced import TracedModel
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.api.site import Site
from tests.handlers.builders import QUEUE_ARN, Book, Line, ScriptedModel, Shop, Value, some_settings
from tests.handlers.events import Answer, call

PATIENCE = timedelta(minutes=1)
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
SECRET = "Zq7-the-patient-has-Kx9"
BEDROCK_URL = "https://bedrock-runtime.eu-west-1.amazonaws.com"
GEMINI_URL = "https://generativelanguage.googleapis.com"


class Collected:
    """The spans of a block, in the order in which they began."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.outbox = Outbox(self._exporter, PATIENCE)
        self.tracing, self.provider = traced_by(self.outbox)

    @property
    def all(self) -> list[ReadableSpan]:
        self.outbox.send(PATIENCE)
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, beginning: str) -> list[ReadableSpan]:
        """Return the spans with such a name."""
        return [span for span in self.all if span.name.startswith(beginning)]

    def one(self, beginning: str) -> ReadableSpan:
        """Return the only span with such a name."""
        [span] = self.named(beginning)
        return span

    def is_one_trace(self) -> bool:
        """Whether there are spans, all of one trace."""
        return len({span.context.trace_id for span in self.all if span.context}) == 1


@contextmanager
def collected() -> Iterator[Collected]:
    """Trace the functions in this process, as with the setting."""
    spans = Collected()
    tracing.use(spans.tracing)
    try:
        yield spans
    finally:
        tracing.use(None)


@contextmanager
def program_with_opentelemetry() -> Iterator[tuple[Collected, trace.Tracer]]:
    """Be a program with a tracer provider of its own. Yield its spans and its tracer."""
    spans = Collected()

    def get_tracer(name: str, *_: Any, **__: Any) -> trace.Tracer:
        return provider.get_tracer(name)

    provider: TracerProvider = spans.provider
    with patch.object(trace, "get_tracer", get_tracer):
        yield spans, provider.get_tracer("the program")


def traced_shop(stages: Sequence[Any], *script: Line, **fields: Any) -> Shop:
    """Return a shop with a span for each call of its scripted model."""
    model = cast("ScriptedModel", TracedModel(ScriptedModel(*script), BEDROCK_URL, GEMINI_URL))
    return Shop(stages, model, **fields)


def value(job: Job[Book]) -> Value:
    return Value(text=job.ask(f"What is {job.request.isbn} worth?"))


APPRAISAL = Analysis("appraisal", request=Book, result=Value, stages=[value], model_id="eu.some.model")
BODY = {"analysis": "appraisal", "input": {"isbn": "42"}}


def submit(**headers: str) -> Answer:
    answer = call("POST", "/jobs", BODY, headers=headers)
    assert answer.status == 202
    return answer


def work(site: Site, *script: Line) -> JobRecord:
    """Deliver all messages to a worker whose model answers by the script. Return the last job."""
    settings = some_settings()
    model = TracedModel(ScriptedModel(*script), BEDROCK_URL, GEMINI_URL)
    services = Services(site.artifacts, MemoryPromptStore(), model, settings)
    worker = Worker(site.store, site.queue, Analyses([APPRAISAL]), services, site.clock)
    key: JobKey | None = None
    while site.queue.sent:
        _, key, delay = site.queue.sent.pop(0)
        site.clock.advance(delay)
        worker.handle(Message(key, QUEUE_ARN, "receipt"))
    assert key
    job = site.store.get(key)
    assert job
    return job


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Return the IDs of the span's trace and of the span, in hexadecimal."""
    assert span.context
    return format_trace_id(span.context.trace_id), format_span_id(span.context.span_id)


def parent_id(span: ReadableSpan) -> str | None:
    return format_span_id(span.parent.span_id) if span.parent else None


def linked(span: ReadableSpan) -> list[tuple[str, str]]:
    """Return the IDs of the traces and spans that the span is linked to."""
    return [(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})
