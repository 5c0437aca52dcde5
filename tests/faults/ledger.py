"""The model check's own record of every job, updated at each write that lands. The invariants are checked against it.

Nothing here asks the library what is allowed. The rules of the design are written a second time, independently.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analysis_jobs.jobs.record import JobKey, JobRecord
from tests.faults.scheduler import Process


@dataclass(eq=False)
class Claim:
    """One claim that landed.

    Attributes:
        found: the units of work with a checkpoint at the time of the claim, each with the fencing token of the claim
            that asked the model for it.
        asked: the units of work for which this claim called the model.
        answered: the units of work that the model answered for this claim, with the token.
        knows_it_lost: whether the worker has read that it no longer holds the job.
    """

    process: Process
    row: JobRecord
    found: Mapping[str, int]
    asked: list[str] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    knows_it_lost: bool = False


@dataclass
class Life:
    """The expected state of one job, and its past.

    Attributes:
        row: the job after the last write.
        owner: the claim that holds the job, if any.
        attempt: the number of attempts that the row should show.
        claims: all claims that landed.
        ends: how often the job ended.
        retries: how often a caller retried it.
        in_order: whether the order of its lane must show it.
        calls: model calls for each unit of work.
        kept: the units of work with a checkpoint, each with the fencing token of the claim that asked for it.
        erased: whether the row was replaced by a tombstone.
    """

    row: JobRecord
    owner: Claim | None = None
    attempt: int = 0
    claims: list[Claim] = field(default_factory=list)
    ends: int = 0
    retries: int = 0
    in_order: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    kept: Mapping[str, int] = field(default_factory=dict)
    erased: bool = False


@dataclass(frozen=True)
class Request:
    """A request for a transition. `claim` is the worker's claim. `answered` is set if it writes checkpoints."""

    name: str
    process: Process
    claim: Claim | None
    answered: Mapping[str, int] | None
    now: datetime


@dataclass(frozen=True)
class Write:
    """One transition that landed, with its request and the job before and after it."""

    name: str
    process: Process
    claim: Claim | None
    before: JobRecord
    after: JobRecord
    now: datetime
    life: Life
    kept: Mapping[str, int]


def stands_in_order(write: Write) -> bool:
    """Tell whether the lane's order must show the job now: it has a tier, is queued, and can be claimed."""
    after = write.after
    waited = after.not_before is None or after.not_before <= write.now
    return after.tier_rank is not None and after.status == "queued" and waited


# Yields the name of each rule that a write breaks, and an explanation. See `invariants`.
type Rules = Callable[[Write, Ledger], Iterable[tuple[str, str]]]


# The analysis that allows one active job for each subject.
ALONE = "alone"
RATED = "rated"


class Ledger:
    """The expected state of every job, the claim that wrote each artifact, and the rules that were broken."""

    def __init__(self, rules: Rules) -> None:
        self.lives: dict[JobKey, Life] = {}
        self.writers: dict[str, Claim | None] = {}
        self.claims: dict[Process, Claim] = {}
        self.dedupes: dict[tuple[JobKey, str], Process] = {}
        self.broken: list[str] = []
        self.landed: Counter[str] = Counter()
        self.orders_read: dict[Process, dict[JobKey, JobRecord]] = {}
        self._rules = rules

    def created(self, key: JobKey, row: JobRecord) -> None:
        """Record the first write of a job's row."""
        known = self.lives.get(key)
        if known is None:
            self.lives[key] = Life(row, in_order=row.tier_rank is not None)
            self._alone(row)
        elif known.erased:
            self.broken.append(f"erasure: {key} was created again")
        elif known.row != row:
            self.broken.append(f"a creation overwrote a job: {known.row} became {row}")

    def erased(self, key: JobKey) -> None:
        """Record that a job's row was replaced by a tombstone."""
        life = self.lives[key]
        if not life.row.status.ended:
            self.broken.append(f"erasure: {key} was erased before it had ended")
        life.erased = True

    def request(self, name: str, process: Process, now: datetime, *, keeps: bool) -> Request:
        """Record the state in which a request is made. The request may land much later."""
        claim = self.claims.get(process)
        answered = {**claim.found, **claim.answered} if claim and keeps else None
        return Request(name, process, claim, answered, now)

    def wrote(self, request: Request, after: JobRecord) -> None:
        """Record a transition that landed, and check every rule against it."""
        life = self.lives[after.key]
        if life.erased:
            self.broken.append(f"erasure: {request.name} by {request.process} changed an erased job")
        kept = life.kept if request.answered is None else request.answered
        write = Write(request.name, request.process, request.claim, life.row, after, request.now, life, kept)
        self.landed[write.name] += 1
        self._count(write)
        self.broken += [f"{rule}: {write.name} by {write.process}: {wrong}" for rule, wrong in self._rules(write, self)]
        self._follow(write)

    def _count(self, write: Write) -> None:
        match write.name:
            case "claim":
                write.life.attempt += 1
            case "defer" | "continue" | "requeue_shared":
                write.life.attempt -= 1
            case "retry":
                write.life.attempt = 0
                write.life.retries += 1
        if write.after.status.ended:
            write.life.ends += 1

    def _follow(self, write: Write) -> None:
        life = write.life
        if write.name == "claim":
            life.owner = Claim(write.process, write.after, dict(write.kept))
            life.claims.append(life.owner)
        life.kept = write.kept
        if write.after.status != "processing":
            life.owner = None
        life.row = write.after
        life.in_order = stands_in_order(write)
        self._alone(life.row)

    def _alone(self, row: JobRecord) -> None:
        """Check that a subject has one active job at most, if its analysis allows only one."""
        rows = [life.row for life in self.lives.values() if life.row.analysis == row.analysis == ALONE]
        active = [other.job_id for other in rows if other.subject == row.subject and not other.status.ended]
        if len(active) > 1:
            self.broken.append(f"one active: {row.subject} has {', '.join(active)}")

    def in_order(self, priority: str) -> dict[JobKey, JobRecord]:
        """Return the jobs that the order of this lane must show."""
        lives = self.lives.items()
        return {key: life.row for key, life in lives if life.in_order and life.row.priority == priority}

    def order_read(self, process: Process, there: dict[JobKey, JobRecord]) -> None:
        """Record which jobs were in the lane's order when a worker read it. Called after the worker got the reply."""
        self.orders_read[process] = there

    def claim_refused(self, process: Process, key: JobKey) -> None:
        """Record that a worker has read that its claim of a job failed."""
        self.orders_read.get(process, {}).pop(key, None)

    def claim_confirmed(self, process: Process, key: JobKey) -> None:
        """Record that a worker has read that its claim succeeded."""
        owner = self.lives[key].owner
        if owner and owner.process is process:
            self.claims[process] = owner

    def put(self, key: str, process: Process, *, new: bool) -> None:
        """Record a write of an artifact. `new` is whether the content differs from the stored one."""
        claim = self.claims.get(process)
        if new and key in self.writers and self.writers[key] is not claim:
            self.broken.append(f"artifacts: {key} of one claim was overwritten by another")
        self.writers[key] = claim

    def asked(self, process: Process, key: JobKey, work: str) -> None:
        """Record a model call for a unit of work, and check that it is needed. `work` is the checkpoint's name."""
        life, claim = self.lives[key], self.claims[process]
        life.calls[work] += 1
        if claim.knows_it_lost:
            self.broken.append(f"model calls: {work} was asked by a worker that knows it no longer holds the job")
        if work in claim.found:
            self.broken.append(f"model calls: {work} was asked again, although it had a checkpoint at the claim")
        if work in claim.asked:
            self.broken.append(f"model calls: {work} was asked twice under one claim")
        if life.owner is claim and (lost := claim.answered.keys() - life.kept.keys()):
            self.broken.append(f"model calls: {work} was asked before the answers of {lost} were saved")
        claim.asked.append(work)

    def answered(self, process: Process, work: str) -> int:
        """Record the model's answer; return the fencing token of the claim that asked."""
        claim = self.claims[process]
        claim.answered[work] = claim.row.fence
        return claim.row.fence

    def sent(self, process: Process, key: JobKey, dedupe: str) -> None:
        """Record a message, and check its deduplication id. A FIFO queue would drop a second one with the same id.

        The process that has sent a message may send the same one again, because the queue seems to have refused it.
        """
        if self.dedupes.setdefault((key, dedupe), process) is not process:
            self.broken.append(f"messages: the deduplication id {dedupe} was used twice")
