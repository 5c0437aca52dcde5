"""The audit trail: one log line for each access to a job, a file or a prompt, with the caller.

A line contains names, ids and outcomes. It never contains an input, a document, an answer or a prompt. Its `event` is
`audit.` and one of `ACTIONS`. `docs/operations.md` lists the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol, TypeAlias

from analysis_jobs.base.observability import log, log_always
from analysis_jobs.base.values import dataclass

ACTIONS: Mapping[str, str] = {
    "api.described": "read the description of the API",
    "dead_letter.deleted": "deleted a dead letter",
    "file.downloaded": "asked for a file of a job",
    "job.cancelled": "cancelled a job",
    "job.erased": "erased a job",
    "job.exported": "exported a job",
    "job.read": "read a job",
    "job.retried": "ran a job again",
    "job.submitted": "submitted a job",
    "jobs.listed": "listed jobs",
    "prompt.activated": "activated a version of a prompt",
    "prompt.deactivated": "deactivated a prompt",
    "prompt.rolled_back": "rolled back a prompt",
    "prompt.stored": "stored a version of a prompt",
    "request.refused": "sent a request without a route",
    "subject.erased": "erased the jobs of a subject",
    "tenant.erased": "erased the data of a tenant",
    "upload.created": "uploaded a document, or asked for the form",
}
"""The actions, with the message of their lines."""

Kind: TypeAlias = Literal["token", "iam", "backend", "canary", "unknown"]

# The claims of a token and the names of sessions come from outside.
_LONGEST = 512


@dataclass(frozen=True)
class Actor:
    """Who acts.

    Args:
        kind: "token" for a caller with a JWT, "iam" for AWS credentials, "backend" for a backend that uses the library,
            "canary" for a deployment's own job, "unknown" without any of them.
        actor_id: The claim `sub`, the ARN of the principal, or the name that a backend gives.
        issuer: The issuer of the token.
        client: The claim `client_id` or `azp` of the token: the application that the caller uses.
    """

    kind: Kind
    actor_id: str | None = None
    issuer: str | None = None
    client: str | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a line."""
        given = {"actor": self.actor_id, "actor_issuer": self.issuer, "actor_client": self.client}
        return {"actor_kind": self.kind, **{name: value[:_LONGEST] if value else None for name, value in given.items()}}


class Sink(Protocol):
    """Where the lines go instead of the log of the process."""

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a line. Any error is contained: the line then goes to the log of the process."""


_UNKNOWN = Actor("unknown")
_ACTOR: ContextVar[Actor] = ContextVar("_ACTOR", default=_UNKNOWN)
_SINK: ContextVar[Sink | None] = ContextVar("_SINK", default=None)


@contextmanager
def acting_as(actor: Actor, sink: Sink | None = None) -> Iterator[None]:
    """Record the actions of the block for this actor: in the sink, or else in the log of the process."""
    actor_token, sink_token = _ACTOR.set(actor), _SINK.set(sink)
    try:
        yield
    finally:
        _ACTOR.reset(actor_token)
        _SINK.reset(sink_token)


def record(action: str, *, tenant: str | None = None, job_id: str | None = None, **fields: Any) -> None:
    """Write one line of the audit trail, for the actor of `acting_as`. Fields that are None are left out.

    Give names, ids, counts and outcomes only, never content. The line is written at every log level.

    Raises:
        ValueError: The action is not one of `ACTIONS`.
    """
    message = ACTIONS.get(action)
    if message is None:
        raise ValueError(f"audit action {action!r}: give one of {', '.join(ACTIONS)}")
    event, about = f"audit.{action}", {"tenant": tenant, "job_id": job_id, **_ACTOR.get().fields, **fields}
    line = {name: value for name, value in about.items() if value is not None}
    if (sink := _SINK.get()) is not None:
        try:
            sink.write({"event": event, "message": message, **line})
        except Exception as error:  # noqa: BLE001 - a request must not fail for its audit line, and the line must not be lost
            log("audit.not_sent", "the audit log group did not take the line: it follows here", error=error)
        else:
            return
    log_always(event, message, **line)
