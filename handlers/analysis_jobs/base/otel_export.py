"""Sends spans to a collector: OTLP over HTTP, with the standard variables of OpenTelemetry.

Lambda freezes the process after each invocation. So no thread sends in the background: the spans are kept, and the
function sends them at the end of its invocation. A collector that does not answer costs at most the time-out. After a
failure nothing is sent for a while, so that not every invocation pays for it.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock, Thread

from analysis_jobs.base.extras import extra
from analysis_jobs.base.observability import log
from analysis_jobs.base.otel import NAME, TRACE_SEED, OpenTelemetry
from analysis_jobs.base.settings import variable

with extra("otel"):
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.util.re import parse_env_headers

_MAX_SPANS = 4_096
_SPANS_PER_REQUEST = 512
_PAUSE_AFTER_FAILURE = timedelta(seconds=30)
# https://opentelemetry.io/docs/specs/semconv/resource/faas/
_RESOURCE = {
    "AWS_LAMBDA_FUNCTION_NAME": "faas.name",
    "AWS_LAMBDA_FUNCTION_VERSION": "faas.version",
    "AWS_LAMBDA_LOG_STREAM_NAME": "faas.instance",
    "AWS_REGION": "cloud.region",
    "CODE_VERSION": "service.version",
}


def start(timeout: timedelta, headers: str = "") -> OpenTelemetry:
    """Return what traces a function, and exports to the collector of the standard variables.

    `headers` are further headers, in the form of OTEL_EXPORTER_OTLP_HEADERS. An export takes `timeout` at most.
    """
    # The exporter logs what it was told by the collector. `Outbox` writes a line instead.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(
        headers=parse_env_headers(headers, liberal=True) or None, timeout=timeout.total_seconds()
    )
    tracing, provider = traced_by(Outbox(exporter, timeout))
    # So an analysis can make spans of its own, and libraries that it uses too.
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return tracing


def traced_by(outbox: "Outbox") -> tuple[OpenTelemetry, TracerProvider]:
    """Return what traces with the spans in an outbox, and its provider.

    The sampler is that of OTEL_TRACES_SAMPLER. By default it follows the caller, and samples what has no caller.
    """
    found = {name: variable(source) for source, name in _RESOURCE.items()}
    resource = Resource.create({name: value for name, value in found.items() if value} | _platform())
    provider = TracerProvider(resource=resource, id_generator=_SeededIds(), shutdown_on_exit=False)
    provider.add_span_processor(outbox)
    return OpenTelemetry(provider.get_tracer(NAME), outbox.send), provider


def _platform() -> dict[str, str]:
    is_lambda = bool(variable("AWS_LAMBDA_FUNCTION_NAME"))
    return {"cloud.provider": "aws", "cloud.platform": "aws_lambda"} if is_lambda else {}


class _SeededIds(RandomIdGenerator):
    """Makes the ID of a trace from the seed of its first span, so that all attempts at a job have one trace."""

    def generate_trace_id(self) -> int:
        seed = TRACE_SEED.get()
        if not seed:
            return super().generate_trace_id()
        return int.from_bytes(hashlib.sha256(seed.encode(errors="surrogatepass")).digest()[:16])


class Outbox(SpanProcessor):
    """Keeps the ended spans until `send`. Any thread may end a span.

    `monotonic` returns seconds. Tests replace it.
    """

    def __init__(
        self, exporter: SpanExporter, timeout: timedelta, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._exporter = exporter
        self._timeout = timeout
        self._monotonic = monotonic
        self._lock = Lock()
        self._spans: list[ReadableSpan] = []
        self._dropped = 0
        self._sending: Thread | None = None
        self._paused_until = float("-inf")

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a sampled span. Beyond `_MAX_SPANS`, count it only."""
        if not (span.context and span.context.trace_flags.sampled):
            return
        with self._lock:
            if len(self._spans) < _MAX_SPANS:
                self._spans.append(span)
            else:
                self._dropped += 1

    def send(self, at_most: timedelta) -> None:
        """Send all spans that have ended. Never raises.

        Returns after the time-out or `at_most`, also if the collector has not answered. The spans are lost then.
        """
        with self._lock:
            spans, dropped = self._spans, self._dropped
            self._spans, self._dropped = [], 0
        if not spans:
            return
        sent = 0 if self._is_paused() else self._send(spans, min(at_most, self._timeout))
        if lost := len(spans) - sent + dropped:
            log("tracing.not_exported", "spans were lost: the collector did not take them in time", spans=lost)

    def _is_paused(self) -> bool:
        still_sending = self._sending is not None and self._sending.is_alive()
        return still_sending or self._monotonic() < self._paused_until

    def _send(self, spans: Sequence[ReadableSpan], at_most: timedelta) -> int:
        """Return the number of spans that were sent in time."""
        accepted: list[int] = []

        def export() -> None:
            for start in range(0, len(spans), _SPANS_PER_REQUEST):
                batch = spans[start : start + _SPANS_PER_REQUEST]
                try:
                    done = self._exporter.export(batch) is SpanExportResult.SUCCESS
                except Exception:  # noqa: BLE001 - whatever is wrong with the collector, the job is done
                    done = False
                if not done:
                    return
                accepted.append(len(batch))

        # A thread, because the time-out of the exporter covers neither DNS nor an answer that arrives byte by byte.
        self._sending = Thread(target=export, name="traces", daemon=True)
        self._sending.start()
        self._sending.join(at_most.total_seconds())
        sent = sum(accepted)
        if sent < len(spans):
            self._paused_until = self._monotonic() + _PAUSE_AFTER_FAILURE.total_seconds()
        return sent
