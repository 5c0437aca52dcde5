"""`move`: submits the open work of a source, each item once.

For each item: store the request in the older system (claim), submit it with an idempotency key made of the old id,
store the job's id in the older system (settle), remove the message. A run that was killed in between leaves a claim.
The next run submits the stored request with the same key, and so gets the same job.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.client import (
    Expired,
    Forbidden,
    Jobs,
    Limited,
    NotAdmitted,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from analysis_jobs.moving.items import Claim, Item, NewJob, Phase, Problem, Source

CLAIM_LIFE = timedelta(hours=23)
"""A claim that is older is not submitted again: the deployment remembers an idempotency key for 24 hours."""


@dataclass
class Report:
    """What a run did. All but `notes` are by old id.

    `planned`: what a dry run would move. `moved`: the new job. `waiting`: running or about to start in the older
    system, look again later. `left`: not moved now, and why. `problems`: needs a person. `unfinished`: the deployment
    did not answer, run again within 23 hours. `conflicts`: the older system ended the work during the move, and this
    new job exists too: cancel one of them.
    """

    planned: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do in the older system."""
        rest = (self.planned, self.waiting, self.left, self.problems, self.unfinished, self.conflicts, self.notes)
        return not any(rest)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON, with `complete`."""
        return {"complete": self.complete, **asdict(self)}


def move(
    source: Source,
    jobs: Jobs,
    to_job: Callable[[Item], NewJob | None],
    *,
    apply: bool = False,
    clock: Clock | None = None,
) -> Report:
    """Submit the open work of `source` through `jobs`, and mark it in the older system.

    `to_job` returns the submission for an item, or None for an item to leave. If it raises an error, the item is a
    problem of the report. Without `apply`, nothing is submitted and nothing is marked. Raises `Unauthorized` and
    `Forbidden`. Any error of the source ends the run too, and the next run continues.
    """
    run = _Run(source, jobs, to_job, clock or SystemClock(), apply=apply)
    with closing(source.open_work(run.clock.now(), take=apply)) as open_work:
        for found in open_work:
            if isinstance(found, Problem):
                run.report.problems[found.old_id] = found.message
            else:
                run.item(found)
    run.report.notes.extend(source.notes())
    return run.report


def key_of(source: str, old_id: str) -> str:
    """Return the idempotency key for an item. It depends on the name of the source and the old id only."""
    digest = hashlib.sha256(f"{source}\n{old_id}".encode()).hexdigest()
    return f"move-in-{digest}"


class _Run:
    """One call of `move`."""

    def __init__(
        self, source: Source, jobs: Jobs, to_job: Callable[[Item], NewJob | None], clock: Clock, *, apply: bool
    ) -> None:
        self.source = source
        self.jobs = jobs
        self.to_job = to_job
        self.clock = clock
        self.apply = apply
        self.report = Report()

    def item(self, item: Item) -> None:
        """Move one item, or report why not."""
        old_id = item.old_id
        if item.phase is Phase.MOVED:
            if self.apply:
                self.source.forget(item)
        elif item.phase is Phase.ENDED:
            self.report.left[old_id] = f"there is a message for it, but it is {item.status}: delete the message"
        elif item.wait:
            self.report.waiting[old_id] = item.wait
        elif claim := self._claimed(item):
            self._submit(item, claim)

    def _claimed(self, item: Item) -> Claim | None:
        """Return the claim to submit: a new one, or that of an earlier run. None if there is nothing to submit."""
        old_id, now = item.old_id, self.clock.now()
        if item.claim is not None:
            if now - item.claim.at > CLAIM_LIFE:
                self.report.problems[old_id] = (
                    f"a move began at {rfc3339(item.claim.at)} and did not end: look for its job, then write its id "
                    "into the row, or give the row its old state again"
                )
            elif self.apply:
                return item.claim
            else:
                self.report.planned.append(old_id)
            return None
        try:
            job = self.to_job(item)
            claim = Claim(now, item.status, job) if job else None
            if claim:
                claim.to_json()
        except (Unauthorized, Forbidden):
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not stop the others
            self.report.problems[old_id] = f"its row cannot be translated: {error!r}"
            return None
        if claim is None:
            self.report.left[old_id] = "it was not chosen"
        elif not self.apply:
            self.report.planned.append(old_id)
        elif self.source.claim(item, claim):
            return claim
        else:
            self.report.left[old_id] = "it changed, or its row is locked, since it was read: run again"
        return None

    def _submit(self, item: Item, claim: Claim) -> None:
        old_id, job = item.old_id, claim.job
        options = job.options | {"idempotency_key": key_of(self.source.name, old_id)}
        try:
            job_id = self.jobs.submit(job.analysis, job.input, **options).job_id
        except (Unavailable, Unreachable) as error:
            # The job may exist. The claim stays, so that the next run asks with the same key.
            self.report.unfinished[old_id] = str(error)
            return
        except (Unauthorized, Forbidden):
            self._give_back(item)
            raise
        except Expired as error:
            self.report.problems[old_id] = str(error)
            return
        except Limited as error:
            self._give_back(item)
            self.report.left[old_id] = str(error)
            return
        except (Rejected, NotAdmitted) as error:
            self.source.release(item)
            self.report.problems[old_id] = _reason(error)
            return
        if self.source.settle(item, job_id) or self._settled(old_id, job_id):
            self.source.forget(item)
            self.report.moved[old_id] = job_id
        else:
            self.report.conflicts[old_id] = job_id

    def _settled(self, old_id: str, job_id: str) -> bool:
        """Return whether another run, at the same time, has moved the item to the same job."""
        found = self.source.look(old_id, self.clock.now())
        return isinstance(found, Item) and found.moved_to == job_id

    def _give_back(self, item: Item) -> None:
        """Release an item that this run has claimed. The job of an earlier run's claim may exist: keep that claim."""
        if item.claim is None:
            self.source.release(item)


def _reason(error: Rejected | NotAdmitted) -> str:
    fields = error.errors if isinstance(error, Rejected) else ()
    return "; ".join([str(error), *(f"{each.field}: {each.message}" for each in fields)])
