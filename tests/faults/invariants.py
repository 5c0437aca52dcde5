"""The invariants of the design. The model check tests each of them after every write that lands."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.jobs.record import MAX_HISTORY, JobRecord
from tests.faults.ledger import ALONE, RATED, Ledger, Life, Write, stands_in_order

LEASE = timedelta(seconds=60)
SINGLE_UNIT_ANALYSES = ("brief", ALONE, RATED)
NEVER_CHANGED = (
    "tenant",
    "job_id",
    "analysis",
    "input",
    "documents",
    "priority",
    "subject",
    "client",
    "project",
    "created_at",
    "prompt_versions",
    "trace",
)
# The allowed changes of status, by the kind of process that writes.
EDGES = {
    "worker": {
        ("queued", "processing"),
        ("queued", "queued"),
        ("processing", "processing"),
        ("processing", "queued"),
        ("processing", "completed"),
        ("processing", "failed"),
        ("processing", "cancelled"),
    },
    "sweeper": {
        ("queued", "queued"),
        ("queued", "failed"),
        ("processing", "queued"),
        ("processing", "failed"),
        ("processing", "cancelled"),
    },
    "eraser": {
        ("queued", "cancelled"),
        ("processing", "processing"),
        ("processing", "cancelled"),
    },
    "api": {
        ("queued", "cancelled"),
        ("processing", "processing"),
        ("failed", "queued"),
        ("cancelled", "queued"),
    },
}


class Invariants:
    """Checks one write. `latest` returns the highest time that the clock ever showed. `read` fetches an artifact."""

    def __init__(self, latest: Callable[[], datetime], read: Callable[[str], bytes]) -> None:
        self._latest, self._read = latest, read
        self._rules: tuple[Callable[[Write, Ledger], Iterator[str]], ...] = (
            edges,
            fencing,
            tokens,
            attempts,
            sharing,
            leases,
            lane_order,
            cancels,
            identity,
            history,
            checkpoints,
            stream,
            lane_entries,
            self.tiers,
            self.due,
            self.lease_bound,
            self.results,
        )

    def __call__(self, write: Write, ledger: Ledger) -> Iterator[tuple[str, str]]:
        """Yield the name of each rule that the write breaks, and an explanation."""
        for rule in self._rules:
            for wrong in rule(write, ledger):
                yield rule.__name__, f"{wrong} [{_shown(write)}]"

    def due(self, write: Write, _: Ledger) -> Iterator[str]:
        """A job has a `due_at` until it ends. It is at the deadline or at the end of the lease at the latest."""
        after = write.after
        if after.status.ended != (after.due_at is None):
            yield "a job must have a due_at exactly until it ends"
        if after.due_at and after.due_at > max(after.deadline, self._latest() + LEASE):
            yield "due_at is after the deadline and after the lease"
        if write.process.kind == "sweeper" and not (write.before.due_at and write.before.due_at <= write.now):
            yield "the sweeper changed a job that was not overdue"

    def tiers(self, write: Write, ledger: Ledger) -> Iterator[str]:
        """A worker claims the best job that the lane's order showed to it, unless it could not claim that one."""
        seen = ledger.orders_read.get(write.process, {})
        if write.name != "claim" or write.before.tier_rank is None:
            return
        for key, row in seen.items():
            better = ledger.lives[key].row
            as_seen = better.version == row.version and better.deadline > self._latest()
            if as_seen and key != write.after.key and _lane_position(better) < _lane_position(write.before):
                yield f"{_lane_position(write.before)} was claimed although {_lane_position(better)} was waiting"

    def lease_bound(self, write: Write, _: Ledger) -> Iterator[str]:
        """A job has a lease exactly while it is processing, and no longer than one lease duration."""
        after = write.after
        if (after.status == "processing") != (after.lease_until is not None):
            yield "a lease on a job that is not processing, or a processing job without a lease"
        if after.lease_until and after.lease_until > self._latest() + LEASE:
            yield "the lease is too long"

    def results(self, write: Write, ledger: Ledger) -> Iterator[str]:
        """A completed job has the result that its last claim wrote."""
        if write.after.status != "completed":
            return
        payload = write.after.result
        if payload is None:
            yield "completed without a result"
            return
        if payload.key and ledger.writers.get(payload.key) is not write.claim:
            yield f"the result {payload.key} was written by another claim"
        found = json.loads(payload.text if payload.text is not None else self._read(str(payload.key)))
        if found["text"] != expected_text(write):
            yield f"the wrong result: {found}"


def edges(write: Write, _: Ledger) -> Iterator[str]:
    """A process makes only its allowed changes of status. `completed` is final. Only a retry restarts an ended job."""
    edge = (str(write.before.status), str(write.after.status))
    if edge not in EDGES[write.process.kind]:
        yield f"this change of status is not allowed: {edge}"
    if edge[1] == "failed" and edge[0] == "queued" and write.before.deadline > write.now:
        yield "a queued job failed before its deadline"
    if write.after.status.ended and write.after.finished_at is None:
        yield "an ended job has no finished_at"


def fencing(write: Write, _: Ledger) -> Iterator[str]:
    """A worker writes only while its claim is the newest one and holds the job."""
    free = ("claim", "join", "requeue_shared")
    if write.process.kind == "worker" and write.name not in free and write.life.owner is not write.claim:
        yield "a worker wrote without holding the job"


def tokens(write: Write, _: Ledger) -> Iterator[str]:
    """Each claim raises the fencing token. Nothing else changes it, and no token is issued twice."""
    given = [claim.row.fence for claim in write.life.claims]
    if write.name == "claim" and write.after.fence <= max(given, default=0):
        yield f"the token {write.after.fence} is not higher than the tokens issued before: {given}"
    if write.name != "claim" and write.after.fence != write.before.fence:
        yield "the token changed without a claim"
    if write.after.version != write.before.version + 1:
        yield "the version must increase by one"


def attempts(write: Write, _: Ledger) -> Iterator[str]:
    """A claim counts an attempt. A wait, or a continuation with a new checkpoint, gives it back. There is a maximum."""
    after, life = write.after, write.life
    if after.attempt != life.attempt:
        yield f"the row shows attempt {after.attempt}, but {life.attempt} were made"
    if after.attempt > after.max_attempts:
        yield "more attempts than allowed"
    if write.name == "continue" and write.claim and not life.kept.keys() - write.claim.found.keys():
        yield "an attempt was given back without a new checkpoint"


def sharing(write: Write, _: Ledger) -> Iterator[str]:
    """The first death of a worker that runs several jobs costs no attempt. After it the job runs alone."""
    before, after = write.before, write.after
    if write.name == "requeue_shared" and (not before.shared or before.alone):
        yield "an attempt was given back although the job ran alone"
    if write.name in ("requeue", "abandon") and before.status == "processing" and before.shared:
        yield "the death of a worker that runs several jobs cost an attempt"
    if write.name == "requeue_shared" and not after.alone:
        yield "a job whose worker died beside others need not run alone"
    if write.name == "claim" and before.status == "processing" and before.shared:
        yield "the death of a worker that runs several jobs cost an attempt"
    if write.name == "claim" and before.alone and after.shared:
        yield "a job that must run alone was claimed by a worker that runs several jobs"


def leases(write: Write, _: Ledger) -> Iterator[str]:
    """Nobody takes a job before its lease has expired."""
    taken = write.name in ("claim", "requeue_shared") or write.process.kind == "sweeper"
    before = write.before
    if taken and before.status == "processing" and before.lease_until and before.lease_until > write.now:
        yield "the job was taken before its lease had expired"


def lane_order(write: Write, _: Ledger) -> Iterator[str]:
    """No job is claimed before its `not_before`, or after its deadline."""
    before = write.before
    if write.name != "claim":
        return
    if before.status == "queued" and before.not_before and before.not_before > write.now:
        yield "claimed before its wait was over"
    if before.deadline <= write.now:
        yield "claimed after its deadline"


def cancels(write: Write, _: Ledger) -> Iterator[str]:
    """After a cancel, the running attempt may stop or finish. The job is not claimed or queued again."""
    before, after = write.before, write.after
    if before.cancel_asked_at and before.status == "processing" and (write.name == "claim" or after.status == "queued"):
        yield "the job went on after a cancel"
    if before.status == "processing" and after.status == "cancelled" and not before.cancel_asked_at:
        yield "the job was cancelled without a request"


def identity(write: Write, _: Ledger) -> Iterator[str]:
    """A job's identity and input never change. Only a retry changes its deadline and its maximum of attempts."""
    fixed = NEVER_CHANGED if write.name == "retry" else (*NEVER_CHANGED, "deadline", "max_attempts")
    for name in fixed:
        if getattr(write.before, name) != getattr(write.after, name):
            yield f"{name} changed"


def history(write: Write, _: Ledger) -> Iterator[str]:
    """The history has one entry for each change of status, in order."""
    before, after = write.before.history, write.after.history
    if write.before.status != write.after.status and after[-1:] == before[-1:]:
        yield "the history lacks this change of status"
    if after != before and (after[-1].transition != write.name or after[-1].status != write.after.status):
        yield f"the last entry of the history is wrong: {after[-1]}"
    if len(before) < MAX_HISTORY and after[: len(before)] != before:
        yield "the history was rewritten"


def checkpoints(write: Write, _: Ledger) -> Iterator[str]:
    """A saved checkpoint is never lost."""
    for work, fence in write.life.kept.items():
        if write.kept.get(work) != fence:
            yield f"the checkpoint of {work} was lost"


def stream(write: Write, _: Ledger) -> Iterator[str]:
    """The stream's filter passes each write that has an event. It drops heartbeats, until a cancel is requested.

    The filter is in `modules/analysis-jobs/events.tf`, and `tests/modules/test_stream_filter.py` tests it.
    """
    after, passes = write.after, passes_the_stream_filter(write.after)
    if after.history != write.before.history and not passes:
        yield "the stream's filter drops a write that has an event"
    if write.name == "beat" and passes and after.cancel_asked_at is None:
        yield "a heartbeat passes the stream's filter"


def passes_the_stream_filter(after: JobRecord) -> bool:
    """Tell whether the records of a row in this state reach the events function."""
    return after.status != "processing" or after.claimant is not None or after.cancel_asked_at is not None


def lane_entries(write: Write, _: Ledger) -> Iterator[str]:
    """The lane's order shows a job exactly while it has a tier, is queued, and can be claimed."""
    after = write.after
    expected = "#".join(_lane_position(after)) if stands_in_order(write) else None
    if after.lane_sort_key != expected:
        yield f"lane_sort_key is {after.lane_sort_key}, expected {expected}"


def _lane_position(job: JobRecord) -> tuple[str, str]:
    return (f"{job.tier_rank:02}", job.job_id)


def expected_text(write: Write) -> str:
    """Return the only correct result: the saved answer of each unit of work, in order. See `world.analyses`."""
    job = write.after
    if job.analysis in SINGLE_UNIT_ANALYSES:
        return answer("only", job.job_id, job.fence)
    pieces = ("first", "second/item/0", "second/item/1")
    return " ".join(answer(work, job.job_id, write.kept.get(work, 0)) for work in pieces)


def answer(work: str, job_id: str, fence: int) -> str:
    """Return the model's answer. It contains the fencing token of the claim that asked."""
    return f"<{work} of {job_id} under {fence}>"


def call_bound(life: Life) -> int:
    """Return the most model calls that a job may cost.

    Each claim loses one answer at most. Each unit of work except the last is saved once in a checkpoint. The write that
    ends the job saves the last one, so an analysis with one unit of work has no checkpoint.
    """
    return len(life.claims) + (0 if life.row.analysis in SINGLE_UNIT_ANALYSES else 2)


def _shown(write: Write) -> dict[str, Any]:
    names = ("status", "attempt", "fence", "version", "due_at", "lease_until", "not_before", "cancel_asked_at")
    values = [(name, getattr(write.before, name), getattr(write.after, name)) for name in names]
    return {name: f"{before} -> {after}" for name, before, after in values if before != after}
