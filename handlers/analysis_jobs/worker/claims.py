"""Which job a message runs, and the claim that makes it this worker's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import log
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.ports import Applied, JobStore
from analysis_jobs.jobs.record import Changes, JobKey, JobRecord, sort_key_in_lane
from analysis_jobs.jobs.tiers import TierPointer
from analysis_jobs.jobs.transitions import CLAIM, JOIN, Status

# As many workers may begin at one instant before one of them takes a job out of order: each finds the best ones taken.
CANDIDATES = 10
_LONGEST_CHAIN = 20


class UnknownJob(Exception):  # noqa: N818 - the message's fault
    """A message names a job that is not in the table: it stays in the queue, and goes to the dead letters untouched."""


@dataclass(frozen=True)
class Claims:
    """Claims jobs under a lease."""

    store: JobStore
    settings: Settings
    clock: Clock

    def take(self, own: JobKey, tier_pointer: TierPointer | None) -> JobRecord | None:
        """Claim the job that a message stands for; None where there is nothing to do.

        That is its own job. Where the message has a turn it is the best that waits in the lane: then the message of
        that one will stand for the job that was left here. Raises `UnknownJob`.
        """
        hand = _Hand(self, own)
        if tier_pointer is not None:
            if tier_pointer.delayed:
                self._join(own, tier_pointer)
            for key in self._best(tier_pointer):
                if job := hand.claim(key):
                    return job
        return hand.claim_own()

    def claim(self, key: JobKey, claimed_via: JobKey | None) -> tuple[bool, JobRecord | None]:
        """Try to claim a job; return whether it landed, and the row as it is then."""
        now = self.clock.now()
        until = now + self.settings.lease
        changes: dict[str, Any] = {
            "claimant": uuid4().hex,
            "lease_until": until,
            "due_at": until,
            "not_before": None,
            "lane_sort_key": None,
            "claimed_via": claimed_via,
            "code_version": self.settings.code_version,
        }
        outcome = self.store.transition(key, CLAIM, Changes(changes), now=now)
        job = outcome.job
        # Refused, and ours all the same: the reply to the claim was lost, and the client sent it again.
        ours = job is not None and job.status is Status.PROCESSING and job.claimant == changes["claimant"]
        return isinstance(outcome, Applied) or ours, job

    def _join(self, own: JobKey, tier_pointer: TierPointer) -> None:
        """Put a job whose wait is over back into the order, before its message runs another one."""
        changes = Changes({"lane_sort_key": sort_key_in_lane(tier_pointer.tier_rank, own.job_id)})
        self.store.transition(own, JOIN, changes, now=self.clock.now())

    def _best(self, tier_pointer: TierPointer) -> Sequence[JobKey]:
        try:
            return self.store.claimable(tier_pointer.priority, CANDIDATES)
        except Exception as error:  # noqa: BLE001 - better out of order than not at all
            log("tiers.not_seen", "the order of the lane is unknown: the message runs its own job", error=error)
            return []


@dataclass
class _Hand:
    """The tries of one message: which jobs were refused, as they are."""

    claims: Claims
    own: JobKey
    refused: dict[JobKey, JobRecord | None] = field(default_factory=dict)

    def claim(self, key: JobKey) -> JobRecord | None:
        """Claim a job, once; None where it is refused."""
        if key in self.refused:
            return None
        landed, job = self.claims.claim(key, None if key == self.own else self.own)
        if not landed or job is None:
            self.refused[key] = job
            return None
        log("job.claimed", "claimed", **job.names)
        return job

    def claim_own(self) -> JobRecord | None:
        """Claim the message's own job, or the one that was left to its message by whoever took its own.

        That job may be one of a moment ago, which the index does not show yet: the rows do. So no job loses the
        message that it waits for to another one.
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
        if own is None:
            raise UnknownJob(self.own.job_id)
        # A second delivery: the job has ended, or somebody works on it, or it must wait and its row is due when it need
        # not any longer. In each case this message has nothing to add.
        log("job.delivered_again", f"nothing to do: the job is {own.status}", **own.names)
        return None
