"""`move`, for each kind of older system: every open item becomes one job, wherever the run is killed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import Forbidden, Jobs, Limited, Unavailable
from analysis_jobs.moving import Item, NewJob, Report, move, status_of
from tests.handlers.moving.olders import LIFE, Older, greet, names


class Killed(BaseException):
    """The end of the process."""


class Doing:
    """Passes every call on, and does something around one of them."""

    def __init__(
        self, target: Any, method: str, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None
    ) -> None:
        self._target = target
        self._around = {method: (before, after)}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._target, name)
        before, after = self._around.get(name, (None, None))

        def around(*arguments: Any, **options: Any) -> Any:
            if before:
                before()
            answer = call(*arguments, **options)
            if after:
                after()
            return answer

        return around if name in self._around else call


def kill() -> None:
    raise Killed


def raising(error: Exception) -> Callable[[], None]:
    """Return a function that raises an error."""

    def call() -> None:
        raise error

    return call


def apply(old: Older, jobs: Jobs, to_job: Callable[[Item], NewJob | None] = greet) -> Report:
    """Run the move once, as a new process."""
    return move(old.source(), jobs, to_job, apply=True, clock=old.clock)


def test_a_dry_run_changes_nothing(old: Older, jobs: Jobs) -> None:
    old.add("a")
    old.add("b", name=None)
    before = old.table.rows()
    report = move(old.source(), jobs, greet, clock=old.clock)
    assert report.planned == ["a"]
    assert list(report.problems) == ["b"]
    assert not report.complete
    assert old.table.rows() == before
    assert names(jobs) == []
    assert old.queue_url is None or old.messages() == 2


def test_everything_open_is_moved_once(old: Older, jobs: Jobs) -> None:
    for old_id in "abc":
        old.add(old_id, name=old_id.upper())
    old.add("done", "completed", message=False)
    report = apply(old, jobs)
    assert sorted(report.moved) == ["a", "b", "c"]
    assert report.complete
    assert names(jobs) == sorted(report.moved.values())
    again = apply(old, jobs)
    assert (again.moved, again.complete) == ({}, True)
    assert names(jobs) == sorted(report.moved.values())
    assert old.state("done") == "completed"
    assert old.queue_url is None or old.messages() == 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["claim", "submit", "settle", "forget"])
def test_a_run_that_is_killed_is_continued(old: Older, jobs: Jobs, step: str, moment: str) -> None:
    for old_id in "abc":
        old.add(old_id)
    source, submits = old.source(), jobs
    if step == "submit":
        submits = Doing(jobs, step, **{moment: kill})
    else:
        source = Doing(source, step, **{moment: kill})
    with pytest.raises(Killed):
        move(source, submits, greet, apply=True, clock=old.clock)
    old.clock.advance(timedelta(hours=1))
    # The next run must send the stored request: another one would be refused for this key.
    report = apply(old, jobs, lambda item: NewJob("greeting", {"name": f"{item.old_id} again"}))
    assert report.complete
    assert len(names(jobs)) == 3
    for old_id in "abc":
        found = status_of(old.source(), jobs, old_id, old.clock)
        assert found
        assert found.side == "new"
    assert apply(old, jobs).complete
    assert len(names(jobs)) == 3
    assert old.queue_url is None or old.messages() == 0


def test_an_unanswered_submission_is_sent_again_with_the_same_key(old: Older, jobs: Jobs) -> None:
    old.add("a")
    lost = Doing(jobs, "submit", after=raising(Unavailable("the API", 503)))
    report = move(old.source(), lost, greet, apply=True, clock=old.clock)
    assert list(report.unfinished) == ["a"]
    assert len(names(jobs)) == 1
    assert list(apply(old, jobs).moved.values()) == names(jobs)


def test_a_claim_that_is_too_old_needs_a_person(old: Older, jobs: Jobs) -> None:
    old.add("a")
    lost = Doing(jobs, "submit", after=raising(Unavailable("the API", 503)))
    move(old.source(), lost, greet, apply=True, clock=old.clock)
    old.clock.advance(timedelta(hours=24))
    report = apply(old, jobs)
    assert "look for its job" in report.problems["a"]
    assert len(names(jobs)) == 1


def test_bad_rows_are_reported_and_left(old: Older, jobs: Jobs) -> None:
    old.add("refused", name="")
    old.add("untranslated", name=None)
    old.add("good")
    before = {old_id: old.state(old_id) for old_id in ("refused", "untranslated")}
    report = apply(old, jobs)
    assert list(report.moved) == ["good"]
    assert sorted(report.problems) == ["refused", "untranslated"]
    assert "input.name" in report.problems["refused"]
    assert {old_id: old.state(old_id) for old_id in before} == before
    assert not report.complete
    found = status_of(old.source(), jobs, "refused", old.clock)
    assert found
    assert (found.side, found.state) == ("old", "pending")
    assert old.queue_url is None or old.messages() == 2


def test_a_limited_item_is_left_for_the_next_run(old: Older, jobs: Jobs) -> None:
    old.add("a")
    limited = Doing(jobs, "submit", before=raising(Limited("the API", 429)))
    report = move(old.source(), limited, greet, apply=True, clock=old.clock)
    assert "429" in report.left["a"]
    assert old.state("a") == "pending"
    assert list(apply(old, jobs).moved) == ["a"]


def test_a_missing_right_ends_the_run_and_leaves_the_item(old: Older, jobs: Jobs) -> None:
    old.add("a")
    denied = Doing(jobs, "submit", before=raising(Forbidden("the API", 403)))
    with pytest.raises(Forbidden):
        move(old.source(), denied, greet, apply=True, clock=old.clock)
    assert old.state("a") == "pending"
    assert list(apply(old, jobs).moved) == ["a"]


def test_an_item_that_is_not_chosen_stays(old: Older, jobs: Jobs) -> None:
    old.add("a")
    report = apply(old, jobs, lambda _: None)
    assert list(report.left) == ["a"]
    assert old.state("a") == "pending"


def test_an_item_that_changes_before_its_claim_is_left(old: Older, jobs: Jobs) -> None:
    old.add("a")

    def start_meanwhile(item: Item) -> NewJob:
        old.clock.advance(timedelta(seconds=1))
        old.table.set("a", "running", old.clock.now())
        return greet(item)

    report = apply(old, jobs, start_meanwhile)
    assert "changed" in report.left["a"]
    assert old.state("a") == "running"
    assert names(jobs) == []


def test_work_that_ends_in_the_older_system_during_its_move_is_a_conflict(old_with_workers: Older, jobs: Jobs) -> None:
    old = old_with_workers
    old.add("a")
    ends = Doing(jobs, "submit", before=lambda: old.table.set("a", "completed", old.clock.now()))
    report = move(old.source(), ends, greet, apply=True, clock=old.clock)
    assert report.conflicts == {"a": names(jobs)[0]}
    found = status_of(old.source(), jobs, "a", old.clock)
    assert found
    assert (found.side, found.state) == ("old", "completed")
    again = apply(old, jobs)
    assert again.moved == {}
    assert len(names(jobs)) == 1


def test_running_work_is_left_to_its_worker_until_the_worker_is_dead(old_with_workers: Older, jobs: Jobs) -> None:
    old = old_with_workers
    old.add("alive", "running", message=False)
    old.add("dead", "running", message=False)
    old.clock.advance(LIFE - timedelta(seconds=1))
    assert sorted(apply(old, jobs).waiting) == ["alive", "dead"]
    old.table.set("alive", "running", old.clock.now())
    old.clock.advance(timedelta(seconds=1))
    report = apply(old, jobs)
    assert list(report.moved) == ["dead"]
    assert list(report.waiting) == ["alive"]
    old.table.set("alive", "completed", old.clock.now())
    assert apply(old, jobs).complete


def test_running_work_without_a_time_is_reported(old_with_workers: Older, jobs: Jobs) -> None:
    old_with_workers.table.write("a", "running", None, "Ada")
    report = apply(old_with_workers, jobs)
    assert "updated_at" in report.problems["a"]
    assert names(jobs) == []


def test_a_moved_row_that_an_old_worker_writes_is_not_moved_again(old_with_workers: Older, jobs: Jobs) -> None:
    old = old_with_workers
    old.add("a")
    job_id = apply(old, jobs).moved["a"]
    old.table.set("a", "running", old.clock.now())
    old.clock.advance(timedelta(days=2))
    assert "stop that worker" in apply(old, jobs).waiting["a"]
    assert names(jobs) == [job_id]
    found = status_of(old.source(), jobs, "a", old.clock)
    assert found
    assert found.side == "new"


def test_dual_read_answers_from_the_right_side_at_each_moment(old: Older, jobs: Jobs) -> None:
    old.add("a")
    seen: list[tuple[str, str]] = []

    def look() -> None:
        found = status_of(old.source(), jobs, "a", old.clock)
        assert found
        seen.append((found.side, found.state))

    look()
    source = Doing(old.source(), "claim", after=look)
    source = Doing(source, "settle", before=look, after=look)
    watched = Doing(jobs, "submit", before=look, after=look)
    [job_id] = move(source, watched, greet, apply=True, clock=old.clock).moved.values()
    jobs.cancel(job_id)
    look()
    assert seen == [("old", "pending")] * 5 + [("new", "queued"), ("new", "cancelled")]
    assert status_of(old.source(), jobs, "nobody", old.clock) is None


def test_two_movers_at_once_make_one_job(old: Older, jobs: Jobs) -> None:
    old.add("a")
    second: list[Report] = []
    first = Doing(jobs, "submit", before=lambda: second.append(apply(old, jobs)))
    move(old.source(), first, greet, apply=True, clock=old.clock)
    assert second
    assert len(names(jobs)) == 1
    assert apply(old, jobs).complete


def test_a_clock_of_the_system_is_the_default(old: Older, jobs: Jobs) -> None:
    old.add("a")
    assert list(move(old.source(), jobs, greet, apply=True).moved) == ["a"]
    assert isinstance(old.clock, ManualClock)


def test_a_row_that_cannot_be_translated_for_any_reason_does_not_stop_the_others(old: Older, jobs: Jobs) -> None:
    for old_id in "abc":
        old.add(old_id)

    def translated(item: Item) -> NewJob:
        if item.old_id == "b":
            raise RuntimeError("its document is gone")
        return greet(item)

    report = apply(old, jobs, translated)
    assert sorted(report.moved) == ["a", "c"]
    assert "its document is gone" in report.problems["b"]
    assert old.state("b") == "pending"
