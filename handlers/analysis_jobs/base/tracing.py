"""Traces: the port that the library calls. It does nothing unless a function starts it with `use`.

`otel.py` implements it with OpenTelemetry. This module imports nothing of OpenTelemetry, so that a stack without traces
does not pay for it.

A span has no text of an input, a document, a prompt, an answer or an exception. An error has its code or its class.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import timedelta
from enum import Enum, auto
from typing import Protocol, TypeAlias

Attribute: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = Mapping[str, Attribute | None]
"""The attributes of a span. Those with the value None are left out."""

Ignored: TypeAlias = tuple[type[BaseException], ...]

_FLUSH_MARGIN = timedelta(seconds=1)  # what a function needs after the export, to return its answer


class Kind(Enum):
    """The kinds of spans: https://opentelemetry.io/docs/specs/otel/trace/api/#spankind."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


class Span(Protocol):
    """A span that has begun. It ends with its `with` block."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def rename(self, name: str) -> None:
        """Give the span another name."""

    def fail(self, error_type: str) -> None:
        """Mark the span as failed, with the attribute `error.type`."""


class Tracing(Protocol):
    """Makes spans. A context is a text: the value of `traceparent`, and after a space that of `tracestate`."""

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
    ) -> AbstractContextManager[Span]:
        """See `span` of this module."""

    def context(self) -> str | None:
        """Return the context of the current span, None without a span."""

    def within(self, context: str | None) -> AbstractContextManager[None]:
        """See `within` of this module."""

    def flush(self, at_most: timedelta) -> None:
        """Send the ended spans to the collector. Never raises, and takes `at_most` at most."""


class _NoSpan:
    def set(self, attributes: Attributes) -> None:
        """Do nothing."""

    def rename(self, name: str) -> None:
        """Do nothing."""

    def fail(self, error_type: str) -> None:
        """Do nothing."""


NO_SPAN: Span = _NoSpan()
_active: Tracing | None = None
_SCOPE: ContextVar[Tracing | None] = ContextVar("_SCOPE", default=None)


def use(tracing: Tracing | None) -> None:
    """Trace this process from now on. None: trace nothing."""
    global _active  # noqa: PLW0603 - like the logger, one for the process
    _active = tracing


def is_started() -> bool:
    """Return whether `use` has started traces in this process."""
    return _active is not None


@contextmanager
def scope(tracing: Tracing) -> Iterator[None]:
    """Make the spans of the block with another implementation."""
    token = _SCOPE.set(tracing)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def span(  # noqa: PLR0913 - keywords with defaults
    name: str,
    kind: Kind,
    attributes: Attributes,
    *,
    parent: str | None = None,
    link: str | None = None,
    seed: str = "",
    ignoring: Ignored = (),
) -> AbstractContextManager[Span]:
    """Return the context of a new span, which is the current span in its block.

    Args:
        name: The name. It has few values.
        kind: The kind.
        attributes: What is known when the span begins. Samplers see these.
        parent: The context of the parent in another process. A malformed one makes a new trace. None: the current span.
        link: The context of a span that this one belongs to, beside its parent.
        seed: If the span begins a trace, the trace's ID is computed from this text. "": a random ID.
        ignoring: Exceptions that are no error of the span.
    """
    tracing = _current()
    if tracing is None:
        return nullcontext(NO_SPAN)
    return tracing.span(name, kind, attributes, parent=parent, link=link, seed=seed, ignoring=ignoring)


def context() -> str | None:
    """Return the context of the current span, to be kept for another process. None without a span."""
    tracing = _current()
    return tracing.context() if tracing else None


def trace_id() -> str | None:
    """Return the ID of the current trace, in hexadecimal. None without a span."""
    current = context()
    return current.split("-")[1] if current else None


def within(context: str | None) -> AbstractContextManager[None]:
    """Return a block in which a span of this context is the current one, unless the thread has a current span.

    Threads of an analysis begin without one.
    """
    tracing = _current()
    return tracing.within(context) if tracing else nullcontext()


def flush(time_left: timedelta) -> None:
    """Send the ended spans, before Lambda freezes the process. `time_left` is that of the invocation."""
    if _active is not None:
        _active.flush(max(timedelta(), time_left - _FLUSH_MARGIN))


def received(headers: Mapping[str, str]) -> str | None:
    """Return the context in the headers of a request, as it was sent. None without a `traceparent`.

    The names of the headers are in lower case.
    """
    traceparent, tracestate = headers.get("traceparent"), headers.get("tracestate", "")
    return f"{traceparent} {tracestate}".strip() if traceparent else None


def _current() -> Tracing | None:
    return _SCOPE.get() or _active
