"""The list of checkpoints in the bucket: the row stays small, no checkpoint is lost, and none is a stale worker's."""

import json
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from analysis_jobs.authoring import checkpoint_list
from analysis_jobs.authoring.checkpoint_list import LIST
from analysis_jobs.authoring.checkpoints import MAX_NAMES, Checkpoints
from analysis_jobs.authoring.outputs import MISSING
from analysis_jobs.base.errors import Stopped
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.stores.items import to_item
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.faults.capacity import size
from tests.handlers.test_checkpoints import Bench

_KB = 1024


class CountingStore(MemoryArtifactStore):
    """Counts the lists that were written and read."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.read_lists: list[str] = []

    def write(self, key: str, body: bytes, content_type: str) -> None:
        if "/list-" in key:
            self.written.append(key)
        super().write(key, body, content_type)

    def read(self, key: str, *limits: Any) -> bytes:
        if "/list-" in key:
            self.read_lists.append(key)
        return super().read(key, *limits)


@pytest.fixture
def artifacts() -> CountingStore:
    return CountingStore()


@pytest.fixture
def bench(artifacts: CountingStore) -> Bench:
    return Bench(artifacts=artifacts)


def save_many(checkpoints: Checkpoints, count: int) -> None:
    for number in range(count):
        checkpoints.save(f"read/part-{number}", number)


def found_in(checkpoints: Checkpoints, count: int) -> list[Any]:
    return [checkpoints.load(f"read/part-{number}") for number in range(count)]


def row_size(bench: Bench) -> int:
    return size(to_item(bench.row))


def test_the_row_of_a_job_with_the_most_checkpoints_has_one_kilobyte(bench: Bench, artifacts: CountingStore) -> None:
    checkpoints = bench.attempt()
    for number in range(MAX_NAMES):
        checkpoints.save(f"read/part-{number}", number)
        assert row_size(bench) <= _KB
    assert len(artifacts.written) <= MAX_NAMES / 5
    assert found_in(checkpoints, MAX_NAMES) == list(range(MAX_NAMES))
    assert found_in(bench.attempt(), MAX_NAMES) == list(range(MAX_NAMES))
    assert len(artifacts.read_lists) == 1


def test_few_checkpoints_need_no_list(bench: Bench, artifacts: CountingStore) -> None:
    save_many(bench.attempt(), 4)
    assert found_in(bench.attempt(), 4) == [0, 1, 2, 3]
    assert (artifacts.written, artifacts.read_lists) == ([], [])
    assert LIST not in bench.row.checkpoints


def test_a_row_that_an_older_version_filled_becomes_small_with_the_next_checkpoint(bench: Bench) -> None:
    old = bench.attempt()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint_list, "room", lambda _: 1_000_000)
        old = bench.holding(bench.row)
        save_many(old, 60)
    assert LIST not in bench.row.checkpoints
    assert row_size(bench) > 4 * _KB
    checkpoints = bench.attempt()
    checkpoints.save("write", "new")
    assert row_size(bench) <= _KB
    last = bench.attempt()
    assert (found_in(last, 60), last.load("write")) == (list(range(60)), "new")


def test_a_full_row_begins_another_kilobyte_and_not_a_list_for_each_checkpoint(
    bench: Bench, artifacts: CountingStore
) -> None:
    bench.row = replace(bench.row, prompts={"read": "p" * (_KB - row_size(bench))})
    save_many(bench.attempt(), 50)
    assert row_size(bench) <= 2 * _KB
    assert len(artifacts.written) <= 5


def test_a_later_value_counts_and_not_that_of_the_list(bench: Bench) -> None:
    checkpoints = bench.attempt()
    save_many(checkpoints, 30)
    checkpoints.save("read/part-0", "again")
    assert checkpoints.load("read/part-0") == "again"
    later = bench.attempt()
    assert later.load("read/part-0") == "again"
    later.save("read/part-1", "again too")
    last = bench.attempt()
    assert found_in(last, 3) == ["again", "again too", 2]


def test_the_checkpoint_of_a_stage_replaces_those_of_the_list(bench: Bench) -> None:
    checkpoints = bench.attempt()
    checkpoints.save("before", 1)
    save_many(checkpoints, 30)
    checkpoints.save("read", "whole")
    for last in (checkpoints, bench.attempt()):
        assert found_in(last, 30) == [MISSING] * 30
        assert (last.load("before"), last.load("read")) == (1, "whole")


def test_no_list_is_left_if_a_stage_replaces_all_checkpoints(bench: Bench) -> None:
    checkpoints = bench.attempt()
    save_many(checkpoints, 30)
    checkpoints.save("read", "whole")
    assert set(bench.row.checkpoints) == {"read"}


def test_the_items_of_a_series_write_no_list_each(bench: Bench, artifacts: CountingStore) -> None:
    checkpoints = bench.attempt()
    save_many(checkpoints, 30)
    before = len(artifacts.written)
    for number in range(200):
        checkpoints.save_item("read/*each.1", number, number, number)
    assert len(artifacts.written) <= before + 1
    last = bench.attempt()
    assert [last.load_item("read/*each.1", number, number) for number in range(200)] == list(range(200))


def test_the_list_of_a_stale_worker_is_ignored(bench: Bench) -> None:
    stale = bench.attempt()
    save_many(stale, 30)
    current = bench.attempt()
    row = bench.row
    for number in range(10):
        with pytest.raises(Stopped):
            stale.save(f"stale/part-{number}", number)
    assert bench.row == row
    save_many(current, 31)
    for number in range(30, 60):
        with pytest.raises(Stopped):
            stale.save(f"read/part-{number}", "stale")
    assert found_in(bench.attempt(), 60) == [*range(31), *[MISSING] * 29]


def test_no_list_is_written_twice_under_one_key(bench: Bench, artifacts: CountingStore) -> None:
    for start in range(0, 90, 30):
        checkpoints = bench.attempt()
        for number in range(start, start + 30):
            checkpoints.save(f"read/part-{number}", number)
    assert len(set(artifacts.written)) == len(artifacts.written) > 3
    assert found_in(bench.attempt(), 90) == list(range(90))


def test_a_list_that_the_bucket_deleted_counts_as_missing(bench: Bench, artifacts: CountingStore) -> None:
    save_many(bench.attempt(), 30)
    for key in artifacts.written:
        del artifacts.objects[key]
    checkpoints = bench.attempt()
    assert checkpoints.load("read/part-0") is MISSING
    save_many(checkpoints, 30)
    assert found_in(bench.attempt(), 30) == list(range(30))


def test_a_refused_write_changes_nothing_and_can_be_repeated(bench: Bench) -> None:
    refuse: list[bool] = []

    def holding(claimed: JobRecord) -> Checkpoints:
        def write(changes: Mapping[str, Any]) -> None:
            if refuse and refuse.pop():
                raise ConnectionError("no answer")
            bench.row = replace(bench.row, **changes)

        return Checkpoints(claimed, bench.artifacts, {"isbn": "42", "copies": 1}, write)

    checkpoints = holding(bench.row)
    for number in range(40):
        refuse.append(True)
        with pytest.raises(ConnectionError):
            checkpoints.save(f"read/part-{number}", "lost")
        assert found_in(checkpoints, number + 1) == [*range(number), MISSING]
        checkpoints.save(f"read/part-{number}", number)
    assert found_in(bench.attempt(), 40) == list(range(40))


@pytest.mark.parametrize("seed", range(20))
def test_every_attempt_finds_what_a_plain_map_would_have(seed: int, bench: Bench) -> None:
    """Random saves, stages that replace their parts, series, small and large rows, and new attempts."""
    dice, expected = Random(seed), dict[str, Any]()
    checkpoints = bench.attempt()
    for step in range(200):
        stage = f"stage_{dice.randrange(3)}"
        if dice.random() < 0.1:
            checkpoints = bench.attempt(prompts={"a": "p" * dice.randrange(900)})
        elif dice.random() < 0.05:
            expected = {name: value for name, value in expected.items() if not name.startswith(f"{stage}/")}
            expected[stage] = step
            checkpoints.save(stage, step)
        else:
            name = f"{stage}/part-{dice.randrange(25)}"
            expected[name] = step
            checkpoints.save(name, step)
        names = [f"stage_{n}{part}" for n in range(3) for part in ("", *(f"/part-{k}" for k in range(25)))]
        reader = dice.choice((checkpoints, bench.holding(bench.row)))
        assert {name: value for name in names if (value := reader.load(name)) is not MISSING} == expected


def test_an_older_version_keeps_the_name_of_the_list(bench: Bench) -> None:
    """It does not know the list, and repeats its work. But it writes the row's entries back as it found them."""
    save_many(bench.attempt(), 30)
    bench.held_by += 1
    reference = f"{bench.held_by}.1-" + "d" * 32 + "-" + "c" * 16
    bench.row = replace(bench.row, fence=bench.held_by, checkpoints={**bench.row.checkpoints, "other": reference})
    assert found_in(bench.attempt(), 30) == list(range(30))


def test_the_list_is_json(bench: Bench, artifacts: CountingStore) -> None:
    save_many(bench.attempt(), 30)
    fence, _, number = bench.row.checkpoints[LIST].partition(".")
    [key] = [key for key in artifacts.written if key.endswith(f"/checkpoints/list-{fence}.{number}.json")]
    assert set(json.loads(artifacts.objects[key])) > {"read/part-0", "read/part-1"}
