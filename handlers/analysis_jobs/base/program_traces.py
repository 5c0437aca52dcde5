"""Traces of a program that imports this library, such as a backend. The program exports its spans itself.

A program that does not use OpenTelemetry has no traces, and need not have it installed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from analysis_jobs.base import tracing


@contextmanager
def of_the_program() -> Iterator[None]:
    """Make the spans of the block with the tracer provider of the program, if it has imported OpenTelemetry.

    A function of this library that traces with `tracing.use` keeps its own provider.
    """
    if tracing.is_started() or "opentelemetry.trace" not in sys.modules:
        yield
        return
    from analysis_jobs.base.otel import OpenTelemetry  # noqa: PLC0415 - only if the program has imported OpenTelemetry

    with tracing.scope(OpenTelemetry.of_the_program()):
        yield


def headers_to_send() -> dict[str, str]:
    """Return the headers that pass the current span of the program on to an API, {} without one."""
    with of_the_program():
        current = tracing.context()
    if current is None:
        return {}
    traceparent, _, tracestate = current.partition(" ")
    return {"traceparent": traceparent} | ({"tracestate": tracestate} if tracestate else {})
