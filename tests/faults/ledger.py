"""What happened to every job, as an onlooker keeps it who sees each write land: the invariants are checked against it.

Nothing here asks the library what is allowed: the rules are those of the design, written down a second time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analysis_jobs.jobs.record import JobKey, JobRecord
from tests.faults.baton import Process


@dataclass(eq=False)
class Claim:
    """One claim that landed.

    `found` are the pieces of work that were kept when it began (each with the token under which the model was asked),
    `answered` those that it had answered itself. `told` is whether its worker knows that the job is not its own.
    """

    process: Process
    row: JobRecord
    found: Mapping[str, int]
    asked: list[str] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)
    told: bool = False


@dataclass
class Life:
    """A job as the onlooker knows it; `attempt` is what the row should say, `claims` are all that ever landed."""

    row: JobRecord
    owner: Claim | None = None
    attempt: int = 0
    claims: list[Claim] = field(default_factory=list)
    ends: int = 0
    retries: int = 0
    in_order: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    kept: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """Who asks for a transition: a worker under a `claim`, with `answered` if it keeps checkpoints."""

    name: str
    process: Process
    claim: Claim | None
    answered: Mapping[str, int] | None
    now: datetime


@dataclass(frozen=True)
class Write:
    """One transition that landed: its request, and the job before and after."""

    name: str
    process: Process
    claim: Claim | None
    before: JobRecord
    after: JobRecord
    now: datetime
    life: Life
    kept: Mapping[str, int]


def stands_in_order(write: Write) -> bool:
    """Tell whether a write leaves a job where the order of its lane must show it: it waits, and may be claimed."""
    after = write.after
    waited = after.not_before is None or after.not_before <= write.now
    return after.tier_rank is not None and after.status == "queued" and waited


# Yields every rule that a write breaks, and how; see `invariants`.
type Rules = Callable[[Write, Ledger], Iterable[tuple[str, str]]]


# The analysis that allows one active job a subject.
ALONE = "alone"


class Ledger:
    """Every job's life, every artifact's writer, and what was found to be wrong."""

    def __init__(self, rules: Rules) -> None:
        self.lives: dict[JobKey, Life] = {}
        self.writers: dict[str, Claim | None] = {}
        self.claims: dict[Process, Claim] = {}
        self.dedupes: set[tuple[JobKey, str]] = set()
        self.broken: list[str] = []
        self.landed: Counter[str] = Counter()
        self.looks: dict[Process, dict[JobKey, JobRecord]] = {}
        self._rules = rules

    def created(self, key: JobKey, row: JobRecord) -> None:
        """Note that a job's row was written for the first time."""
        known = self.lives.get(key)
        if known is None:
            self.lives[key] = Life(row, in_order=row.tier_rank is not None)
            self._alone(row)
        elif known.row != row:
            self.broken.append(f"creating overwrote a job: {known.row} became {row}")

    def request(self, name: str, process: Process, now: datetime, *, keeps: bool) -> Request:
        """Return what to remember of a request, which may land much later."""
        claim = self.claims.get(process)
        answered = {**claim.found, **claim.answered} if claim and keeps else None
        return Request(name, process, claim, answered, now)

    def wrote(self, request: Request, after: JobRecord) -> None:
        """Note a transition that landed, and check it."""
        life = self.lives[after.key]
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
            case "defer" | "continue":
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
        """Check that a job that may be the only active one of its subject is the only one."""
        rows = [life.row for life in self.lives.values() if life.row.analysis == row.analysis == ALONE]
        active = [other.job_id for other in rows if other.subject == row.subject and not other.status.ended]
        if len(active) > 1:
            self.broken.append(f"one active: {row.subject} has {', '.join(active)}")

    def in_order(self, priority: str) -> dict[JobKey, JobRecord]:
        """Return the jobs of a lane that wait in the order of their tiers."""
        lives = self.lives.items()
        return {key: life.row for key, life in lives if life.in_order and life.row.priority == priority}

    def looked(self, process: Process, there: dict[JobKey, JobRecord]) -> None:
        """Note which jobs stood in the order when a worker looked at it, and has read the answer."""
        self.looks[process] = there

    def refused(self, process: Process, key: JobKey) -> None:
        """Note that a worker could not claim a job, and has read so."""
        self.looks.get(process, {}).pop(key, None)

    def believes(self, process: Process, key: JobKey) -> None:
        """Note that a worker has read that its claim landed."""
        owner = self.lives[key].owner
        if owner and owner.process is process:
            self.claims[process] = owner

    def put(self, key: str, process: Process, *, new: bool) -> None:
        """Note that an artifact was written; `new` is whether its content is."""
        claim = self.claims.get(process)
        if new and key in self.writers and self.writers[key] is not claim:
            self.broken.append(f"artifacts: {key} of one claim was overwritten by another")
        self.writers[key] = claim

    def asked(self, process: Process, key: JobKey, work: str) -> None:
        """Note that the model is called for a piece of work, named as its checkpoint is; check that it must be."""
        life, claim = self.lives[key], self.claims[process]
        life.calls[work] += 1
        if claim.told:
            self.broken.append(f"model calls: {work} by a worker that knows that it has lost the job")
        if work in claim.found:
            self.broken.append(f"model calls: {work} again, though its checkpoint was there at the claim")
        if work in claim.asked:
            self.broken.append(f"model calls: {work} twice under one claim")
        if life.owner is claim and (lost := claim.answered.keys() - life.kept.keys()):
            self.broken.append(f"model calls: {work} before the answers of {lost} were kept")
        claim.asked.append(work)

    def answered(self, process: Process, work: str) -> int:
        """Note that the model answers; return the token under which it was asked."""
        claim = self.claims[process]
        claim.answered[work] = claim.row.fence
        return claim.row.fence

    def sent(self, key: JobKey, dedupe: str) -> None:
        """Note that a message is sent: a FIFO queue would drop a second one of the same name."""
        if (key, dedupe) in self.dedupes:
            self.broken.append(f"messages: {dedupe} was sent twice")
        self.dedupes.add((key, dedupe))
