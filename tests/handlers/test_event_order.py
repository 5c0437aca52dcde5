"""Events of a job are sent in order and at least once, whatever is refused. One bad row does not block the others."""

import random
from collections.abc import Sequence
from dataclasses import replace

from analysis_jobs.events.publisher import MAX_CALL_BYTES, MAX_CALL_EVENTS, JobEvent
from analysis_jobs.jobs.record import JobFailure
from analysis_jobs.jobs.transitions import Status
from tests.handlers.builders import a_job
from tests.handlers.events import logged
from tests.handlers.streams import (
    STREAM_ARN,
    Recorded,
    RecordedDeadLetters,
    a_publisher,
    event_ids,
    life,
    moved,
    stream_record,
    submitted,
)


def test_a_batch_is_sent_in_the_order_of_its_records() -> None:
    bus = Recorded()
    records = submitted(25)
    assert a_publisher(bus).publish(records) == 25
    assert [event.event_id for event in bus.accepted] == event_ids(records)
    assert [len(call) for call in bus.calls] == [10, 10, 5]


def test_no_call_holds_two_events_of_one_job() -> None:
    """Otherwise the bus could refuse the first event and accept the second."""
    bus = Recorded()
    records = life()
    a_publisher(bus).publish(records)
    assert bus.calls == [[each] for each in event_ids(records)]


def test_no_call_exceeds_the_size_limit() -> None:
    failure = JobFailure("unexpected_error", "\N{PILE OF POO}" * 2_000, retryable=True)
    job = a_job(client="c" * 128, project="\N{SNOWMAN}" * 30_000)
    row = moved(job, "fail", Status.FAILED, failure=failure)
    records = [
        stream_record(number, replace(job, job_id=f"{number:026}"), replace(row, job_id=f"{number:026}"))
        for number in range(9)
    ]
    bus = Recorded()
    assert a_publisher(bus).publish(records) == 9
    sizes = {event.event_id: event.size for event in bus.accepted}
    assert [len(call) for call in bus.calls] == [2, 2, 2, 2, 1]
    assert max(sum(sizes[each] for each in call) for call in bus.calls) <= MAX_CALL_BYTES


def test_only_a_refused_event_is_sent_again() -> None:
    records = submitted(3)
    first, second, third = event_ids(records)
    bus = Recorded({second: 1})
    assert a_publisher(bus).publish(records) == 3
    assert bus.calls == [[first, second, third], [second]]


def test_every_record_from_an_event_that_stays_refused_is_returned() -> None:
    records = submitted(3) + life(3) + submitted(1)
    lived = event_ids(records[3:])[0]
    bus = Recorded({lived: 3})
    assert a_publisher(bus).publish(records) == 3
    assert [event.event_id for event in bus.accepted] == event_ids(records[:3]), "no later event of the job was sent"


def test_a_failed_call_returns_the_records_from_its_first_one_on() -> None:
    records = submitted(MAX_CALL_EVENTS + 5)

    class SecondCallFails(Recorded):
        def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
            self.broken = len(self.calls) == 1
            return super().send(events)

    with logged() as lines:
        assert a_publisher(SecondCallFails()).publish(records) == MAX_CALL_EVENTS
    assert [line["event"] for line in lines] == ["events.failed"]


def test_no_record_counts_as_done_if_no_event_was_sent() -> None:
    """This includes beats before the first event. A run without progress is an error of the function."""
    records = [life()[2], *life()]
    assert a_publisher(Recorded(broken=True)).publish(records) == 0


def test_any_interleaving_of_refusals_keeps_every_jobs_order() -> None:
    """A consumer that drops known ids sees all transitions of each job in order."""
    chance = random.Random(7)
    for _ in range(100):
        waiting = [life(job_id=f"{number:026}") for number in range(4)]
        records = []
        while any(waiting):
            records.append(chance.choice([priority for priority in waiting if priority]).pop(0))
        bus = Recorded({each: chance.choice([0, 0, 1, 3, 6]) for each in event_ids(records)})
        publisher = a_publisher(bus)
        for _ in range(50):
            records = records[publisher.publish(records) :]
        assert records == []
        for number in range(4):
            seen = [event.event_id for event in bus.accepted if event.job_id == f"{number:026}"]
            assert list(dict.fromkeys(seen)) == [f"{number:026}.{version}" for version in (1, 2, 4)]


def test_an_unreadable_row_goes_to_the_dead_letters_and_blocks_no_other_row() -> None:
    bad, good = submitted(2)
    bad["dynamodb"]["NewImage"]["status"] = {"S": "exploded"}
    bus, aside = Recorded(), RecordedDeadLetters()
    assert a_publisher(bus, aside=aside).publish([bad, good]) == 2
    assert [event.event_id for event in bus.accepted] == event_ids([good])
    [note] = aside.notes
    assert note["problem"].startswith("ValueError at ")
    assert aside.notes == [
        {
            "problem": note["problem"],
            "stream_arn": STREAM_ARN,
            "sequence_number": bad["dynamodb"]["SequenceNumber"],
            "keys": bad["dynamodb"]["Keys"],
        }
    ]


def test_a_record_that_cannot_go_to_the_dead_letters_is_returned_after_the_earlier_ones_were_sent() -> None:
    good, bad, later = submitted(3)
    bad["dynamodb"]["NewImage"].pop("lane")
    bus = Recorded()
    publisher = a_publisher(bus, aside=RecordedDeadLetters(broken=True))
    assert publisher.publish([good, bad, later]) == 1
    assert [event.event_id for event in bus.accepted] == event_ids([good])
    assert publisher.publish([life()[2], bad, later]) == 0, "a beat is not progress"


def test_notices_are_sent_for_ended_jobs_only() -> None:
    bus, notices = Recorded(), Recorded()
    records = life()
    assert a_publisher(bus, notices).publish(records) == 4
    assert [event.detail_type for event in bus.accepted] == ["Job queued", "Job processing", "Job completed"]
    assert [event.event_id for event in notices.accepted] == event_ids(records)[-1:]


def test_a_notice_that_cannot_be_sent_returns_its_record() -> None:
    bus, notices = Recorded(), Recorded(broken=True)
    assert a_publisher(bus, notices).publish(life()) == 3
    assert len(bus.accepted) == 3
