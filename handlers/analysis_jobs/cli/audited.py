"""The audit trail of commands that change or read a stack with the operator's own AWS credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_jobs.base import audit
from analysis_jobs.cli import environment

if TYPE_CHECKING:
    from analysis_jobs.cli.screen import Screen
    from analysis_jobs.privacy.stack import StackNames


class _Trail:
    """Writes to a log group. A line that it does not take is shown. Without a log group, the lines are dropped."""

    def __init__(self, sink: audit.Sink | None, screen: Screen) -> None:
        self._sink = sink
        self._screen = screen

    def write(self, line: Mapping[str, Any]) -> None:
        if self._sink is None:
            return
        try:
            self._sink.write(line)
        except Exception as error:  # noqa: BLE001 - what was done is done: show the line, so that somebody can keep it
            self._screen.note(f"The audit trail did not take this line ({error}): {json.dumps(line, default=str)}")


@contextmanager
def on_record(stack: StackNames | None, screen: Screen) -> Iterator[None]:
    """Record the actions of the block in the stack's audit trail, with the ARN of the AWS credentials."""
    from analysis_jobs import wiring  # noqa: PLC0415 - imports boto3, which is slow

    sink = wiring.audit_sink(stack.audit_log_group, "cli") if stack else None
    actor = audit.Actor("iam", wiring.caller_arn()) if sink else audit.Actor("unknown")
    with audit.acting_as(actor, _Trail(sink, screen)):
        yield


def stack_of_environment() -> StackNames | None:
    """Return the stack of the file that ANALYSIS_JOBS_STACK names, None if it is not set. Raises `StackError`."""
    from analysis_jobs.privacy.stack import read_stack  # noqa: PLC0415 - imports pydantic, which is slow

    path = environment.optional(environment.STACK_VARIABLE)
    return read_stack(Path(path).read_text(encoding="utf-8")) if path else None
