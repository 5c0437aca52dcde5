"""A job's events go out in order, at least once, whatever is refused, and nothing holds up the others."""

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
    Aside,
    Recorded,
    a_publisher,
    event_ids,
    life,
    moved,
    stream_record,
    submitted,
)


def test_a_batch_goes_out_in_the_order_of_its_records() -> None:
    bus = Recorded()
    records = submitted(25)
    assert a_publisher(bus).publish(records) == 25
    assert [event.event_id for event in bus.accepted] == event_ids(records)
    assert [len(call) for call in bus.calls] == [10, 10, 5]


def test_no_call_holds_two_events_of_one_job() -> None:
    """Else the first could be refused, and the second one not."""
    bus = Recorded()
    records = life()
    a_publisher(bus).publish(records)
    assert bus.calls == [[each] for each in event_ids(records)]


def test_no_call_is_larger_than_a_call_may_be() -> None:
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


def test_what_is_refused_once_is_asked_for_again_and_nothing_else_is() -> None:
    records = submitted(3)
    first, second, third = event_ids(records)
    bus = Recorded({second: 1})
    assert a_publisher(bus).publish(records) == 3
    assert bus.calls == [[first, second, third], [second]]


def test_from_what_stays_refused_on_everything_comes_back() -> None:
    records = submitted(3) + life(3) + submitted(1)
    lived = event_ids(records[3:])[0]
    bus = Recorded({lived: 3})
    assert a_publisher(bus).publish(records) == 3
    assert [event.event_id for event in bus.accepted] == event_ids(records[:3]), "nothing of the job overtakes"


def test_a_call_that_fails_brings_its_first_record_back() -> None:
    records = submitted(MAX_CALL_EVENTS + 5)

    class SecondCallFails(Recorded):
        def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
            self.broken = len(self.calls) == 1
            return super().send(events)

    with logged() as lines:
        assert a_publisher(SecondCallFails()).publish(records) == MAX_CALL_EVENTS
    assert [line["event"] for line in lines] == ["events.failed"]


def test_where_nothing_goes_out_nothing_is_done_with() -> None:
    """Not even the beats before it: a run without any progress is an error of the function."""
    records = [life()[2], *life()]
    assert a_publisher(Recorded(broken=True)).publish(records) == 0


def test_any_interleaving_of_refusals_keeps_every_jobs_order() -> None:
    """What a consumer sees that drops the ids it knows: each job's transitions, all of them, in order."""
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


def test_a_row_that_cannot_be_read_is_set_aside_and_holds_nobody_up() -> None:
    bad, good = submitted(2)
    bad["dynamodb"]["NewImage"]["status"] = {"S": "exploded"}
    bus, aside = Recorded(), Aside()
    assert a_publisher(bus, aside=aside).publish([bad, good]) == 2
    assert [event.event_id for event in bus.accepted] == event_ids([good])
    assert aside.notes == [
        {
            "problem": "ValueError: 'exploded' is not a valid Status",
            "stream_arn": STREAM_ARN,
            "sequence_number": bad["dynamodb"]["SequenceNumber"],
            "keys": bad["dynamodb"]["Keys"],
        }
    ]


def test_what_cannot_even_be_set_aside_comes_back_after_what_was_before_it() -> None:
    good, bad, later = submitted(3)
    bad["dynamodb"]["NewImage"].pop("lane")
    bus = Recorded()
    publisher = a_publisher(bus, aside=Aside(broken=True))
    assert publisher.publish([good, bad, later]) == 1
    assert [event.event_id for event in bus.accepted] == event_ids([good])
    assert publisher.publish([life()[2], bad, later]) == 0, "a beat is no progress"


def test_notices_tell_of_ended_jobs_only() -> None:
    bus, notices = Recorded(), Recorded()
    records = life()
    assert a_publisher(bus, notices).publish(records) == 4
    assert [event.detail_type for event in bus.accepted] == ["Job queued", "Job processing", "Job completed"]
    assert [event.event_id for event in notices.accepted] == event_ids(records)[-1:]


def test_a_notice_that_does_not_get_through_brings_its_record_back() -> None:
    bus, notices = Recorded(), Recorded(broken=True)
    assert a_publisher(bus, notices).publish(life()) == 3
    assert len(bus.accepted) == 3
