"""Records of the job table's stream in the form that the function receives, and fakes for the event channel."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.events.publisher import JobEvent, Publisher, event_from
from analysis_jobs.jobs.record import HistoryEntry, JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.items import job_item_key, to_item
from analysis_jobs.stores.streams import read_change
from tests.handlers.aws import REGION
from tests.handlers.builders import START, a_job

TABLE = "aj-jobs"
STREAM_ARN = f"arn:aws:dynamodb:{REGION}:123456789012:table/{TABLE}/stream/2026-01-01T00:00:00.000"


def stream_record(number: int, before: JobRecord | None, after: JobRecord | None) -> dict[str, Any]:
    """Return a stream record in the form that the event source mapping passes to the function."""
    job = after or before
    assert job
    images = {"OldImage": before, "NewImage": after}
    return {
        "eventID": f"event-{number}",
        "eventName": "MODIFY" if before and after else "INSERT" if after else "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "eventSourceARN": STREAM_ARN,
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600,
            "Keys": job_item_key(job.key),
            "SequenceNumber": f"{number:021}",
            "SizeBytes": 500,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: to_item(image) for name, image in images.items() if image},
        },
    }


def event_in(record: Mapping[str, Any]) -> JobEvent | None:
    """Return the event for a stream record."""
    change = read_change(record)
    return event_from(change, "tests") if change else None


def moved(job: JobRecord, transition: str, status: Status, **fields: Any) -> JobRecord:
    """Return a job after one more transition in its history."""
    entry = HistoryEntry(START, transition, status)
    return replace(job, version=job.version + 1, status=status, history=(*job.history, entry), **fields)


def submitted(count: int) -> list[dict[str, Any]]:
    """Return the records of this many new jobs."""
    return [stream_record(number, None, a_job()) for number in range(count)]


def life(number: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Return the records of a job that was submitted, claimed, renewed by a beat, and completed."""
    new = a_job(**fields)
    claimed = moved(new, "claim", Status.PROCESSING, attempt=1)
    beaten = replace(claimed, version=claimed.version + 1, progress=40)
    completed = moved(beaten, "complete", Status.COMPLETED)
    rows = [None, new, claimed, beaten, completed]
    return [stream_record(number + step, *pair) for step, pair in enumerate(pairwise(rows))]


def read(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the detail of a record's event."""
    event = event_in(record)
    return json.loads(event.body) if event else None


@dataclass
class Recorded:
    """A channel that records its events. The plan says how often it refuses each event id."""

    refusals: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    calls: list[list[str]] = field(default_factory=list)
    accepted: list[JobEvent] = field(default_factory=list)

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """See `Channel.send`."""
        if self.broken:
            raise OSError("no route")
        self.calls.append([event.event_id for event in events])
        refused = [event for event in events if self.refusals.get(event.event_id, 0) > 0]
        for event in refused:
            self.refusals[event.event_id] -= 1
        self.accepted += [event for event in events if event not in refused]
        return refused


@dataclass
class RecordedDeadLetters:
    """A dead-letter sink that keeps notes, or fails."""

    notes: list[Any] = field(default_factory=list)
    broken: bool = False

    def put(self, note: str) -> None:
        """See `DeadLetterSink.put`."""
        if self.broken:
            raise OSError("no route")
        self.notes.append(json.loads(note))


def a_publisher(bus: Recorded, notices: Recorded | None = None, aside: RecordedDeadLetters | None = None) -> Publisher:
    return Publisher(
        read_change,
        bus=bus,
        notices=notices,
        dead_letters=aside or RecordedDeadLetters(),
        service="tests",
        clock=ManualClock(),
    )


def event_ids(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of the events of records."""
    return [event.event_id for record in records if (event := event_in(record))]
