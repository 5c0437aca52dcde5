"""Publishes an event for each transition of a job.

Events are made from the table's stream. So every transition that was written has an event, and no other has one.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from analysis_jobs.base.clock import Clock, rfc3339
from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.error_facts import describe_error
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.jobs.record import JobFailure, JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.jobs.views import summary

StreamRecord: TypeAlias = Mapping[str, Any]

SOURCE = "analysis-jobs"
# The limits of EventBridge for one call. Each event reserves 512 bytes for the fields around its detail.
MAX_CALL_EVENTS = 10
MAX_CALL_BYTES = 256 * 1024
_ENVELOPE_BYTES = 512
# Pauses before events that a call refused (throttling, an internal error) are sent again. After them the batch fails.
_PAUSES = (timedelta(seconds=0.2), timedelta(seconds=1))
_JOB_FIELDS = ("job_id", "analysis", "status", "attempt", "subject", "client", "project", "code_version")


@dataclass(frozen=True)
class JobEvent:
    """One transition of one job. `event_id` is the same each time the transition is published."""

    event_id: str
    job_id: str
    analysis: str
    status: Status
    at: datetime
    body: str  # the detail, as JSON

    @property
    def detail_type(self) -> str:
        """The detail type that EventBridge rules match, for example "Job completed"."""
        return f"Job {self.status}"

    @property
    def size(self) -> int:
        """An upper limit of the event's bytes in a call."""
        return len(self.body.encode()) + _ENVELOPE_BYTES


class Channel(Protocol):
    """A destination of events."""

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """Send the events of one call. Return the refused ones. Raises if the whole call fails."""


class DeadLetterSink(Protocol):
    """The destination of stream records that cannot be converted to an event."""

    def put(self, note: str) -> None:
        """Store a note, which is a JSON text, for the operators."""


class Publisher:
    """Publishes the events of each job in order. `bus` gets all events, `notices` only those of ended jobs."""

    def __init__(  # noqa: PLR0913 - two channels and their dependencies
        self,
        read: Callable[[StreamRecord], RowChange | None],
        *,
        bus: Channel,
        notices: Channel | None,
        dead_letters: DeadLetterSink,
        service: str,
        clock: Clock,
    ) -> None:
        self._read_change = read
        self._bus = bus
        self._notices = notices
        self._dead_letters = dead_letters
        self._service = service
        self._clock = clock

    def publish(self, records: Sequence[StreamRecord]) -> int:
        """Publish the events of stream records. Return how many records, counted from the first, are finished.

        The result is 0 if records remain and no event was published. An event is never published before an earlier
        event of the same job. Events of the remaining records may have been published already. Lambda retries those
        records, so these events are published again with the same ids.
        """
        done, found = self._read(records)
        published = 0
        for call in _split_into_calls(found):
            refused = self._deliver([event for _, event in call])
            published += len(call) - len(refused)
            if refused:
                done = min(index for index, event in call if event in refused)
                break
        if published:
            count("EventsPublished", published)
        return done if published or done == len(records) else 0

    def _read(self, records: Sequence[StreamRecord]) -> tuple[int, list[tuple[int, JobEvent]]]:
        """Return how many records were read, and their events with the index of the record."""
        found: list[tuple[int, JobEvent]] = []
        for index, record in enumerate(records):
            try:
                change = self._read_change(record)
                # Nobody waits for a canary.
                told = change is not None and change.job.tenant != CANARY_TENANT
                event = event_from(change, self._service) if change and told else None
            except Exception as error:  # noqa: BLE001 - a retry would fail again and block later records
                if not self._put_dead_letter(record, error):
                    return index, found
                continue
            if event:
                found.append((index, event))
        return len(records), found

    def _put_dead_letter(self, record: StreamRecord, error: Exception) -> bool:
        """Send the keys of the record to the dead-letter queue. Return whether that succeeded.

        The row images are left out, because they contain the callers' data.
        """
        change = record.get("dynamodb", {})
        note = {
            "problem": describe_error(error),
            "stream_arn": record.get("eventSourceARN"),
            "sequence_number": change.get("SequenceNumber"),
            "keys": change.get("Keys"),
        }
        log(
            "event.unreadable",
            "a stream record cannot be converted to an event; it goes to the dead-letter queue",
            error=error,
            **note,
        )
        try:
            self._dead_letters.put(json.dumps(note))
        except Exception as refusal:  # noqa: BLE001 - Lambda retries the record
            log("event.not_set_aside", "the dead-letter queue did not accept the record", error=refusal)
            return False
        return True

    def _deliver(self, events: list[JobEvent]) -> list[JobEvent]:
        """Send the events to every channel. Return those that at least one channel did not accept."""
        refused = self._send(self._bus, events)
        ended = [event for event in events if event.status.ended and event not in refused]
        if self._notices and ended:
            refused += self._send(self._notices, ended)
        return refused

    def _send(self, channel: Channel, events: list[JobEvent]) -> list[JobEvent]:
        try:
            refused = channel.send(events)
            for pause in _PAUSES:
                if not refused:
                    break
                self._clock.sleep(pause)
                refused = channel.send(refused)
        except Exception as error:  # noqa: BLE001 - the client has retried already; Lambda retries the batch
            log("events.failed", f"{len(events)} events were not published", error=error)
            return events
        return refused


def event_from(change: RowChange, service: str) -> JobEvent | None:
    """Return the event of a changed row; None if the write was not a transition.

    Every write increments the row's `version` and adds at most one entry to its history. So a changed history has a new
    last entry, even if older entries were cut out. The version identifies the transition permanently.
    """
    job, before = change.job, change.before
    if before is None:
        # A new row that already has a history was restored from a backup or copied from another table.
        return None if job.history else _event(job, "submit", job.created_at, service)
    if job.history == before.history or not job.history:
        return None
    entry = job.history[-1]
    return _event(job, entry.transition, entry.at, service)


def _event(job: JobRecord, transition: str, at: datetime, service: str) -> JobEvent:
    fields = summary(job)
    detail = {
        "id": f"{job.job_id}.{job.version}",
        "version": job.version,
        "service": service,
        "tenant": job.tenant,
        "transition": transition,
        "at": rfc3339(at),
        **{name: fields[name] for name in _JOB_FIELDS},
        # During an attempt the row keeps the error of the previous one. An event has an error only if the job failed.
        "error": _error(job.failure) if job.failure and job.status is Status.FAILED else None,
    }
    body = json.dumps(detail, ensure_ascii=False)
    return JobEvent(detail["id"], job.job_id, job.analysis, job.status, at, body)


def _error(failure: JobFailure) -> dict[str, Any]:
    """Return the error of a failed job without its message, which an analysis may have written from a document."""
    return {"code": safe_code(failure.code), "retryable": failure.retryable}


def _split_into_calls(found: Sequence[tuple[int, JobEvent]]) -> Iterator[list[tuple[int, JobEvent]]]:
    """Split the events into calls. No call has two events of one job: a refusal of the first would change the order."""
    call: list[tuple[int, JobEvent]] = []
    for index, event in found:
        full = len(call) == MAX_CALL_EVENTS or sum(each.size for _, each in call) + event.size > MAX_CALL_BYTES
        if call and (full or any(each.job_id == event.job_id for _, each in call)):
            yield call
            call = []
        call.append((index, event))
    if call:
        yield call
