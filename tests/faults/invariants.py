"""What must hold of every write that lands, whoever made it: the invariants of the design."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.jobs.record import MAX_HISTORY, JobRecord
from tests.faults.ledger import ALONE, Ledger, Life, Write, stands_in_order

LEASE = timedelta(seconds=60)
OF_ONE_PIECE = ("brief", ALONE)
NEVER_CHANGED = ("tenant", "job_id", "analysis", "input", "priority", "subject", "client", "project", "created_at")
# Who may lead a job from where to where.
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
    "api": {
        ("queued", "cancelled"),
        ("processing", "processing"),
        ("failed", "queued"),
        ("cancelled", "queued"),
    },
}


class Invariants:
    """Checks one write. `latest` is the latest that the clock ever showed, `read` fetches an artifact."""

    def __init__(self, latest: Callable[[], datetime], read: Callable[[str], bytes]) -> None:
        self._latest, self._read = latest, read
        self._rules: tuple[Callable[[Write, Ledger], Iterator[str]], ...] = (
            edges,
            fencing,
            tokens,
            attempts,
            leases,
            lane_order,
            cancels,
            identity,
            history,
            checkpoints,
            places,
            self.tiers,
            self.due,
            self.lease_bound,
            self.results,
        )

    def __call__(self, write: Write, ledger: Ledger) -> Iterator[tuple[str, str]]:
        """Yield every rule that the write breaks, and how."""
        for rule in self._rules:
            for wrong in rule(write, ledger):
                yield rule.__name__, f"{wrong} [{_shown(write)}]"

    def due(self, write: Write, _: Ledger) -> Iterator[str]:
        """A job is due until it has ended, at its deadline or its lease's end at the latest; then never again."""
        after = write.after
        if after.status.ended != (after.due_at is None):
            yield "a job that has not ended must be due, one that has ended must not"
        if after.due_at and after.due_at > max(after.deadline, self._latest() + LEASE):
            yield "due after its deadline and its lease"
        if write.process.kind == "sweeper" and not (write.before.due_at and write.before.due_at <= write.now):
            yield "the sweeper wrote to what was not overdue"

    def tiers(self, write: Write, ledger: Ledger) -> Iterator[str]:
        """No better job of the lane was left waiting by a worker that looked at the order, and could have had it."""
        seen = ledger.looks.get(write.process, {})
        if write.name != "claim" or write.before.tier_rank is None:
            return
        for key, row in seen.items():
            better = ledger.lives[key].row
            as_seen = better.version == row.version and better.deadline > self._latest()
            if as_seen and key != write.after.key and _order(better) < _order(write.before):
                yield f"{_order(write.before)} was taken, and {_order(better)} left waiting"

    def lease_bound(self, write: Write, _: Ledger) -> Iterator[str]:
        """A lease is held by who works, for a lease at most."""
        after = write.after
        if (after.status == "processing") != (after.lease_until is not None):
            yield "a lease without work, or work without a lease"
        if after.lease_until and after.lease_until > self._latest() + LEASE:
            yield "a lease that is too long"

    def results(self, write: Write, ledger: Ledger) -> Iterator[str]:
        """A completed job has the result of its own work, of its last claim."""
        if write.after.status != "completed":
            return
        payload = write.after.result
        if payload is None:
            yield "completed without a result"
            return
        if payload.key and ledger.writers.get(payload.key) is not write.claim:
            yield f"the result {payload.key} is another claim's"
        found = json.loads(payload.text if payload.text is not None else self._read(str(payload.key)))
        if found["text"] != expected_text(write):
            yield f"the wrong result: {found}"


def edges(write: Write, _: Ledger) -> Iterator[str]:
    """Only the edges of the design; from `completed` none, from an end only a caller's retry."""
    edge = (str(write.before.status), str(write.after.status))
    if edge not in EDGES[write.process.kind]:
        yield f"no such edge: {edge}"
    if edge[1] == "failed" and edge[0] == "queued" and write.before.deadline > write.now:
        yield "what waits was called failed before its deadline"
    if write.after.status.ended and write.after.finished_at is None:
        yield "ended at no time"


def fencing(write: Write, _: Ledger) -> Iterator[str]:
    """A worker writes only while its claim is the last one, and the job is in its hands."""
    if write.process.kind == "worker" and write.name not in ("claim", "join") and write.life.owner is not write.claim:
        yield "a write of a worker that does not hold the job"


def tokens(write: Write, _: Ledger) -> Iterator[str]:
    """Fencing tokens only grow, with each claim, and are never given twice."""
    given = [claim.row.fence for claim in write.life.claims]
    if write.name == "claim" and write.after.fence <= max(given, default=0):
        yield f"the token {write.after.fence} was given before: {given}"
    if write.name != "claim" and write.after.fence != write.before.fence:
        yield "the token changed without a claim"
    if write.after.version != write.before.version + 1:
        yield "the version must grow by one"


def attempts(write: Write, _: Ledger) -> Iterator[str]:
    """Counted at the claim, given back by a wait or for a checkpoint, never more than allowed."""
    after, life = write.after, write.life
    if after.attempt != life.attempt:
        yield f"attempt {after.attempt}, where {life.attempt} were made"
    if after.attempt > after.max_attempts:
        yield "more attempts than allowed"
    if write.name == "continue" and write.claim and not life.kept.keys() - write.claim.found.keys():
        yield "an attempt was given back without a checkpoint"


def leases(write: Write, _: Ledger) -> Iterator[str]:
    """Nobody takes a job out of living hands."""
    taken = write.name == "claim" or write.process.kind == "sweeper"
    before = write.before
    if taken and before.status == "processing" and before.lease_until and before.lease_until > write.now:
        yield "taken before the lease had run out"


def lane_order(write: Write, _: Ledger) -> Iterator[str]:
    """A wait lasts as long as it was said to, and nothing is begun after the deadline."""
    before = write.before
    if write.name != "claim":
        return
    if before.status == "queued" and before.not_before and before.not_before > write.now:
        yield "claimed before its wait was over"
    if before.deadline <= write.now:
        yield "claimed after its deadline"


def cancels(write: Write, _: Ledger) -> Iterator[str]:
    """Whoever is asked to stop stops, or is done; the job is not begun again."""
    before, after = write.before, write.after
    if before.cancel_asked_at and before.status == "processing" and (write.name == "claim" or after.status == "queued"):
        yield "went on though a cancel was asked for"
    if before.status == "processing" and after.status == "cancelled" and not before.cancel_asked_at:
        yield "cancelled without anybody asking"


def identity(write: Write, _: Ledger) -> Iterator[str]:
    """What a job is never changes; its deadline and its allowance only with a retry."""
    fixed = NEVER_CHANGED if write.name == "retry" else (*NEVER_CHANGED, "deadline", "max_attempts")
    for name in fixed:
        if getattr(write.before, name) != getattr(write.after, name):
            yield f"{name} changed"


def history(write: Write, _: Ledger) -> Iterator[str]:
    """Every change of status is in the history, once and in order."""
    before, after = write.before.history, write.after.history
    if write.before.status != write.after.status and after[-1:] == before[-1:]:
        yield "a change that the history lacks"
    if after != before and (after[-1].transition != write.name or after[-1].status != write.after.status):
        yield f"the history ends in {after[-1]}"
    if len(before) < MAX_HISTORY and after[: len(before)] != before:
        yield "the history was rewritten"


def checkpoints(write: Write, _: Ledger) -> Iterator[str]:
    """What is kept is kept for good."""
    for work, fence in write.life.kept.items():
        if write.kept.get(work) != fence:
            yield f"the checkpoint of {work} was lost"


def places(write: Write, _: Ledger) -> Iterator[str]:
    """Whoever waits with a tier, and may be claimed, is shown at its place; nobody else is."""
    after = write.after
    expected = "#".join(_order(after)) if stands_in_order(write) else None
    if after.lane_sort_key != expected:
        yield f"shown at {after.lane_sort_key}, and not at {expected}"


def _order(job: JobRecord) -> tuple[str, str]:
    return (f"{job.tier_rank:02}", job.job_id)


def expected_text(write: Write) -> str:
    """Return the text of the one right result: of each piece of work the answer that was kept; see `world.ANALYSES`."""
    job = write.after
    if job.analysis in OF_ONE_PIECE:
        return answer("only", job.job_id, job.fence)
    pieces = ("first", "second/item/0", "second/item/1")
    return " ".join(answer(work, job.job_id, write.kept.get(work, 0)) for work in pieces)


def answer(work: str, job_id: str, fence: int) -> str:
    """Return what the model answers: it tells from whose call it is."""
    return f"<{work} of {job_id} under {fence}>"


def call_bound(life: Life) -> int:
    """Return how often the model may be asked for a job: each claim loses one answer at most, each piece is kept once.

    Where there is one piece it is the last: it is kept by the end itself.
    """
    return len(life.claims) + (0 if life.row.analysis in OF_ONE_PIECE else 2)


def _shown(write: Write) -> dict[str, Any]:
    names = ("status", "attempt", "fence", "version", "due_at", "lease_until", "not_before", "cancel_asked_at")
    values = [(name, getattr(write.before, name), getattr(write.after, name)) for name in names]
    return {name: f"{before} -> {after}" for name, before, after in values if before != after}
