"""The port of `tracing.py`, implemented with the API of OpenTelemetry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Self

from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.error_facts import class_name
from analysis_jobs.base.errors import JobError
from analysis_jobs.base.extras import extra
from analysis_jobs.base.tracing import Attributes, Ignored, Kind

with extra("otel"):
    from opentelemetry import context as otel_context
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

NAME = "analysis_jobs"
TRACE_SEED: ContextVar[str] = ContextVar("TRACE_SEED", default="")
"""The text from which `otel_export` computes the ID of a new trace."""

# Context and flags as W3C Trace Context defines them. No baggage: it may hold data of the caller.
_W3C = TraceContextTextMapPropagator()
# https://www.w3.org/TR/trace-context/#tracestate-limits. DynamoDB bills every heartbeat by the size of the row.
_MAX_TRACESTATE = 512
_KINDS = {kind: trace.SpanKind[kind.name] for kind in Kind}


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        """See `Span.set`."""
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def rename(self, name: str) -> None:
        """See `Span.rename`."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """See `Span.fail`."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR))


class OpenTelemetry:
    """Makes spans with a tracer. `flush` sends the ended spans, if this library exports them."""

    def __init__(self, tracer: trace.Tracer, flush: Callable[[timedelta], None] = lambda _: None) -> None:
        self._tracer = tracer
        self._flush = flush

    @classmethod
    def of_the_program(cls) -> Self:
        """Return what traces with the tracer provider of the program. The program exports its spans itself."""
        return cls(trace.get_tracer(NAME))

    @contextmanager
    def span(  # noqa: PLR0913 - the port's signature
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        parent: str | None,
        link: str | None,
        seed: str,
        ignoring: Ignored,
    ) -> Iterator[_Span]:
        """See `tracing.span`."""
        linked = trace.get_current_span(_extracted(link)).get_span_context() if link else trace.INVALID_SPAN_CONTEXT
        token = TRACE_SEED.set(seed)
        try:
            started = self._tracer.start_span(
                name,
                context=_extracted(parent) if parent else None,
                kind=_KINDS[kind],
                attributes={name: value for name, value in attributes.items() if value is not None},
                links=[trace.Link(linked)] if linked.is_valid else None,
            )
        finally:
            TRACE_SEED.reset(token)
        # OpenTelemetry would record the message of an exception.
        with trace.use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            span = _Span(started)
            try:
                yield span
            except BaseException as error:
                if found := _error_type(error, ignoring):
                    span.fail(found)
                raise

    def context(self) -> str | None:
        """See `tracing.context`."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        traceparent, tracestate = carrier.get("traceparent"), carrier.get("tracestate", "")
        if traceparent is None:
            return None
        return f"{traceparent} {tracestate}" if 0 < len(tracestate) <= _MAX_TRACESTATE else traceparent

    @contextmanager
    def within(self, context: str | None) -> Iterator[None]:
        """See `tracing.within`."""
        if context is None or trace.get_current_span().get_span_context().is_valid:
            yield
            return
        token = otel_context.attach(_extracted(context))
        try:
            yield
        finally:
            otel_context.detach(token)

    def flush(self, at_most: timedelta) -> None:
        """See `Tracing.flush`."""
        self._flush(at_most)


def _extracted(context: str) -> otel_context.Context:
    """Return the context of a text. It has no span if the text is malformed."""
    traceparent, _, tracestate = context.partition(" ")
    carrier = {"traceparent": traceparent} | ({"tracestate": tracestate} if tracestate else {})
    return _W3C.extract(carrier)


def _error_type(error: BaseException, ignoring: Ignored) -> str | None:
    """Return the `error.type` of an exception: its code, or its class. None if it is no error.

    An exception that only stops the attempt is not an `Exception`.
    """
    if not isinstance(error, Exception) or isinstance(error, ignoring):
        return None
    return safe_code(error.code) if isinstance(error, JobError) else class_name(error)
