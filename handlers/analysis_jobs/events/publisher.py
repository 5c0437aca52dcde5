"""Events: one for each transition of a job, made of the table's stream, so that neither comes without the other."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from analysis_jobs.base.clock import Clock, rfc3339
from analysis_jobs.base.observability import count, log
from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.jobs.views import summary

type StreamRecord = Mapping[str, Any]

SOURCE = "analysis-jobs"
# EventBridge's limits of one call; half a KB of each event is left for what is around the detail.
MAX_CALL_EVENTS = 10
MAX_CALL_BYTES = 256 * 1024
_ENVELOPE_BYTES = 512
# What is refused one by one (throttled, an internal error) is asked for again, before the whole batch has to come back.
_PAUSES = (timedelta(seconds=0.2), timedelta(seconds=1))
_OF_THE_JOB = ("job_id", "analysis", "status", "attempt", "subject", "client", "project", "code_version")


@dataclass(frozen=True)
class JobEvent:
    """One transition of one job. `event_id` is the same whenever this transition is told."""

    event_id: str
    job_id: str
    analysis: str
    status: Status
    at: datetime
    body: str  # the detail, as JSON

    @property
    def detail_type(self) -> str:
        """What rules match on: "Job completed"."""
        return f"Job {self.status}"

    @property
    def size(self) -> int:
        """Bytes of the event in a call, at most."""
        return len(self.body.encode()) + _ENVELOPE_BYTES


class Channel(Protocol):
    """Where events go."""

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """Send at most one call's worth of events; return those that were refused. Raises where the call failed."""


class SetAside(Protocol):
    """Where a change goes that no event can be made of."""

    def put(self, note: str) -> None:
        """Keep a note, a JSON text, until somebody reads it."""


class Publisher:
    """Tells of every transition, in a job's order; `notices` is told of ended jobs only."""

    def __init__(  # noqa: PLR0913 - two channels, and what stands around them
        self,
        read: Callable[[StreamRecord], RowChange | None],
        *,
        bus: Channel,
        notices: Channel | None,
        set_aside: SetAside,
        service: str,
        clock: Clock,
    ) -> None:
        self._read_change = read
        self._bus = bus
        self._notices = notices
        self._set_aside = set_aside
        self._service = service
        self._clock = clock

    def publish(self, records: Sequence[StreamRecord]) -> int:
        """Publish the events of stream records; return how many records, from the first on, are done with.

        That is none where nothing went out. No event of a job goes out before an earlier one has; what went out of the
        records after the returned number will go out again, with the same ids.
        """
        done, found = self._read(records)
        published = 0
        for call in _calls(found):
            refused = self._deliver([event for _, event in call])
            published += len(call) - len(refused)
            if refused:
                done = min(index for index, event in call if event in refused)
                break
        if published:
            count("EventsPublished", published)
        return done if published or done == len(records) else 0

    def _read(self, records: Sequence[StreamRecord]) -> tuple[int, list[tuple[int, JobEvent]]]:
        """Return how many records were read, and their events, each with the index of its record."""
        found: list[tuple[int, JobEvent]] = []
        for index, record in enumerate(records):
            try:
                change = self._read_change(record)
                event = event_of(change, self._service) if change else None
            except Exception as error:  # noqa: BLE001 - trying again would not mend the row, and others wait behind it
                if not self._put_aside(record, error):
                    return index, found
                continue
            if event:
                found.append((index, event))
        return len(records), found

    def _put_aside(self, record: StreamRecord, error: Exception) -> bool:
        """Keep what names the change; its images hold what callers sent, which is nobody else's business."""
        change = record.get("dynamodb", {})
        note = {
            "problem": f"{type(error).__name__}: {error}",
            "stream_arn": record.get("eventSourceARN"),
            "sequence_number": change.get("SequenceNumber"),
            "keys": change.get("Keys"),
        }
        log("event.unreadable", "a change of the table makes no event and is set aside", error=error, **note)
        try:
            self._set_aside.put(json.dumps(note))
        except Exception as refusal:  # noqa: BLE001 - it comes back with what follows
            log("event.not_set_aside", "nor could it be set aside", error=refusal)
            return False
        return True

    def _deliver(self, events: list[JobEvent]) -> list[JobEvent]:
        """Send to every channel; return what did not get through to all of them."""
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
        except Exception as error:  # noqa: BLE001 - its client has tried again already; the batch comes back
            log("events.failed", f"{len(events)} events did not go out", error=error)
            return events
        return refused


def event_of(change: RowChange, service: str) -> JobEvent | None:
    """Return the event of a changed row; None if the write was not a transition.

    Every write of a row adds one to its `version` and at most one entry to its history. So a changed history has a new
    last entry, even if entries were cut out of its middle, and the version names the transition for ever.
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
    seen = summary(job)
    detail = {
        "id": f"{job.job_id}.{job.version}",
        "version": job.version,
        "service": service,
        "tenant": job.tenant,
        "transition": transition,
        "at": rfc3339(at),
        **{name: seen[name] for name in _OF_THE_JOB},
        # A row keeps the last attempt's error while the next one runs: of that, this event does not speak.
        "error": seen["error"] if job.status is Status.FAILED else None,
    }
    body = json.dumps(detail, ensure_ascii=False)
    return JobEvent(detail["id"], job.job_id, job.analysis, job.status, at, body)


def _calls(found: Sequence[tuple[int, JobEvent]]) -> Iterator[list[tuple[int, JobEvent]]]:
    """Cut a sequence into calls. No call holds two events of one job: either may be refused, and the other not."""
    call: list[tuple[int, JobEvent]] = []
    for index, event in found:
        full = len(call) == MAX_CALL_EVENTS or sum(each.size for _, each in call) + event.size > MAX_CALL_BYTES
        if call and (full or any(each.job_id == event.job_id for _, each in call)):
            yield call
            call = []
        call.append((index, event))
    if call:
        yield call
