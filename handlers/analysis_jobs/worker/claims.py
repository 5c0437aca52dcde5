"""Chooses the job that a message runs, and claims it for this worker under a lease."""

from collections.abc import Sequence
from dataclasses import asdict, field
from typing import Any
from uuid import uuid4

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import log
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.lost_workers import died_sharing, requeue
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobQueue, JobStore
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord, sort_key_in_lane
from analysis_jobs.jobs.tiers import TierPointer
from analysis_jobs.jobs.transitions import CLAIM, CLAIM_SHARED, JOIN, Status

# Candidates per claim; beyond this many simultaneous workers, order is best-effort.
CANDIDATES = 10
_LONGEST_CHAIN = 20


class ErasedJob(Exception):  # noqa: N818 - like `UnknownJob`
    """The job was erased."""


class UnknownJob(Exception):  # noqa: N818 - the message is wrong, not the job
    """The table has no job of the message. The message stays in the queue, and ends in the dead-letter queue."""


@dataclass(frozen=True)
class Claims:
    """Claims jobs under a lease.

    With `shared` the worker runs other jobs too. It then takes no job that must run alone. `queue` gets the message of
    a job that was found lost.
    """

    store: JobStore
    queue: JobQueue
    settings: Settings
    clock: Clock
    shared: bool = False

    def claim_for_message(self, own: JobKey, tier_pointer: TierPointer | None) -> JobRecord | None:
        """Claim a job for a message, and return its row; None if there is nothing to do.

        Without a tier pointer it is the message's own job. With one it is the best waiting job of the lane. If we claim
        a better job, its message later runs ours. Raises `UnknownJob`.
        """
        message = _MessageClaims(self, own)
        if tier_pointer is not None:
            if tier_pointer.delayed:
                self._rejoin_lane(own, tier_pointer)
            for key in self._best_waiting(tier_pointer):
                if job := message.claim(key):
                    return job
        return message.claim_own_or_replaced()

    def try_claim(self, key: JobKey, claimed_via: JobKey | None) -> tuple[bool, JobRecord | None]:
        """Try to claim a job. Return whether the claim succeeded, and the row after it; None if there is no row.

        `claimed_via` is the own job of the message, if that is another one. Raises `ErasedJob`.
        """
        now = self.clock.now()
        until = now + self.settings.lease
        changes: dict[str, Any] = {
            "claimant": uuid4().hex,
            "lease_until": until,
            "due_at": until,
            "not_before": None,
            "lane_sort_key": None,
            "claimed_via": claimed_via,
            "shared": self.shared or None,
            "code_version": self.settings.code_version,
        }
        outcome = self.store.transition(key, CLAIM_SHARED if self.shared else CLAIM, Changes(changes), now=now)
        job = outcome.job
        if isinstance(outcome, ConditionFailed) and outcome.erased:
            raise ErasedJob(key.job_id)
        if isinstance(outcome, ConditionFailed) and job is not None and self._was_lost(job):
            # Its own message must ask for an invocation of its own, so this one does not run it.
            requeue(self.store, self.queue, job, now)
        # If the reply to a claim is lost, the client repeats the write. The condition fails then, but the job is ours.
        ours = job is not None and job.status is Status.PROCESSING and job.claimant == changes["claimant"]
        return isinstance(outcome, Applied) or ours, job

    def _was_lost(self, job: JobRecord) -> bool:
        """Return whether a job's worker died, and the job may be queued again at once, without a sweep."""
        now = self.clock.now()
        return died_sharing(job, now) and job.cancel_asked_at is None and job.deadline > now

    def _rejoin_lane(self, own: JobKey, tier_pointer: TierPointer) -> None:
        """Put the message's job back into the order of its lane, because its wait is over."""
        changes = Changes({"lane_sort_key": sort_key_in_lane(tier_pointer.tier_rank, own.job_id)})
        self.store.transition(own, JOIN, changes, now=self.clock.now())

    def _best_waiting(self, tier_pointer: TierPointer) -> Sequence[JobKey]:
        try:
            return self.store.claimable(tier_pointer.priority, CANDIDATES)
        except Exception as error:  # noqa: BLE001 - a job out of order is better than no job
            log("tiers.not_seen", "the order of the lane is unknown: the message runs its own job", error=error)
            return []


@dataclass
class _MessageClaims:
    """The claims that one message has tried. `refused` holds the row of every job that it could not claim.

    `erased` holds the jobs that were erased. Their rows do not exist any more.
    """

    claims: Claims
    own: JobKey
    refused: dict[JobKey, JobRecord | None] = field(default_factory=dict)
    erased: set[JobKey] = field(default_factory=set)

    def claim(self, key: JobKey) -> JobRecord | None:
        """Claim a job, and return its row; None if the claim fails. The same job is not tried twice."""
        if key in self.refused:
            return None
        try:
            claimed, job = self.claims.try_claim(key, None if key == self.own else self.own)
        except ErasedJob:
            self.erased.add(key)
            claimed, job = False, None
        if not claimed or job is None:
            self.refused[key] = job
            return None
        log("job.claimed", "claimed", **job.log_fields)
        return job

    def claim_own_or_replaced(self) -> JobRecord | None:
        """Claim the message's own job, or the job that this message must run in its place.

        Another message may have claimed the own job. Then `claimed_via` on the own job's row names that message's job,
        and this message runs it. That job may have been claimed by a third message too, so follow the chain. The index
        of the lane may lag behind, but the rows do not: no job loses its message.
        """
        key: JobKey | None = self.own
        followed: set[JobKey] = set()
        while key is not None and key not in followed and len(followed) < _LONGEST_CHAIN:
            followed.add(key)
            if job := self.claim(key):
                return job
            row = self.refused[key]
            key = row.claimed_via if row else None
        own = self.refused[self.own]
        if self.own in self.erased:
            log("job.erased_message", "nothing to do: the job was erased", **asdict(self.own))
            return None
        if own is None:
            raise UnknownJob(self.own.job_id)
        # The job has ended, another worker has it, or it must wait. If it waits, its row says when it is due, and the
        # sweeper sends a new message. In each case this message is superfluous.
        log("job.delivered_again", f"nothing to do: the job is {own.status}", **own.log_fields)
        return None
