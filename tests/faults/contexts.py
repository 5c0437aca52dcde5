"""Traces for the model check: each span has a context of its own, and none is exported."""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import count
from typing import Any

from analysis_jobs.base.tracing import NO_SPAN, Attributes, Kind, Span


class Contexts:
    """Traces without OpenTelemetry. A process that wrote its own context to a row would change the row."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def span(self, name: str, kind: Kind, attributes: Attributes, **_: Any) -> AbstractContextManager[Span]:  # noqa: ARG002
        """See `Tracing.span`."""
        return nullcontext(NO_SPAN)

    def context(self) -> str:
        """See `Tracing.context`."""
        number = next(self._numbers)
        return f"00-{number:032x}-{number:016x}-01"

    def within(self, context: str | None) -> AbstractContextManager[None]:  # noqa: ARG002
        """See `Tracing.within`."""
        return nullcontext()

    def flush(self, at_most: timedelta) -> None:
        """See `Tracing.flush`."""
