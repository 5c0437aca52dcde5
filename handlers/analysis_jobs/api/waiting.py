"""`GET /jobs/{job_id}?wait=`: the answer waits for a change of the job."""

import re
from datetime import datetime, timedelta

from analysis_jobs.api.polling import pause_between_reads
from analysis_jobs.api.routing import Request
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.ports import JobStore, WaitingSlot, WaitingSlots
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.views import etag

# An API Gateway HTTP API times out after 30 s. A long poll takes at most 25.
_WAIT_PARAMETER = re.compile(r"[1-9]|1[0-9]|2[0-5]")
_SLOT_MARGIN = timedelta(seconds=5)  # for the last poll; then the slot of a dead function is free


@dataclass(frozen=True)
class Waiting:
    """Lets requests wait for a job, as many as have a slot."""

    store: JobStore
    slots: WaitingSlots
    clock: Clock

    def for_change(self, job: JobRecord, request: Request) -> JobRecord:
        """Poll until the job has ended, differs from the caller's version, or the time of `wait` is over.

        If too many requests wait, return the job at once.
        """
        until = self.clock.now() + _requested_wait(request)
        if not self._must_wait(job, request, until) or (slot := self._slot(job.tenant, until)) is None:
            return job
        try:
            while self._must_wait(job, request, until):
                now = self.clock.now()
                self.clock.sleep(min(pause_between_reads(now - job.created_at), until - now))
                job = self.store.get(job.key) or job
        finally:
            self._free(slot)
        return job

    def _must_wait(self, job: JobRecord, request: Request, until: datetime) -> bool:
        until_ended = request.headers.get("if-none-match") is None
        unchanged = not job.status.ended and (until_ended or caller_has(job, request))
        return unchanged and self.clock.now() < until

    def _slot(self, tenant: str, until: datetime) -> WaitingSlot | None:
        try:
            slot = self.slots.take(tenant, self.clock.now(), until + _SLOT_MARGIN)
        except Exception as error:  # noqa: BLE001 - the caller asks again; not waiting is always right
            log("wait.failed", "the request does not wait: its slot could not be taken", error=error, tenant=tenant)
            return None
        if slot is None:
            count("WaitsRefused")
        return slot

    def _free(self, slot: WaitingSlot) -> None:
        try:
            self.slots.free(slot)
        except Exception as error:  # noqa: BLE001 - the slot expires
            log("wait.not_freed", "a slot of a waiting request stays taken until it expires", error=error)


def caller_has(job: JobRecord, request: Request) -> bool:
    """Return whether the caller has this version. `If-None-Match` is a list, and proxies may mark tags as weak."""
    known = request.headers.get("if-none-match") or ""
    return etag(job) in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _requested_wait(request: Request) -> timedelta:
    given = request.query.get("wait")
    if given is None:
        return timedelta()
    if not _WAIT_PARAMETER.fullmatch(given):
        raise InvalidRequestError.of_field("wait", "give a whole number of seconds from 1 to 25")
    return timedelta(seconds=int(given))
