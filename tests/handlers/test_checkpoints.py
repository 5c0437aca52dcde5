"""Checkpoints: when they are valid, what a stale worker can change, and how much of the row they use."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

from analysis_jobs import Fail
from analysis_jobs.authoring.checkpoints import MAX_NAMES, Checkpoints
from analysis_jobs.authoring.outputs import MISSING, restore_output
from analysis_jobs.base.errors import Stopped
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.handlers.builders import a_processing_job

INPUT = {"isbn": "42", "copies": 1}


class Title(BaseModel):
    text: str
    seen: datetime


@dataclass
class Bench:
    """A row in memory, and consecutive attempts at its job."""

    row: JobRecord = field(default_factory=lambda: a_processing_job(code_version="v7"))
    artifacts: MemoryArtifactStore = field(default_factory=MemoryArtifactStore)
    held_by: int = 1

    def attempt(self, given: Any = None, **fields: Any) -> Checkpoints:
        """Start the next attempt with a greater fencing token and the checkpoints of the row."""
        self.held_by += 1
        self.row = replace(self.row, fence=self.held_by, **fields)
        return self.holding(self.row, given)

    def holding(self, claimed: JobRecord, given: Any = None) -> Checkpoints:
        def write(changes: Mapping[str, Any]) -> None:
            if claimed.fence != self.held_by:
                raise Stopped("the lease is lost")
            self.row = replace(self.row, **changes)

        return Checkpoints(claimed, self.artifacts, INPUT if given is None else given, write)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_next_attempt_finds_the_checkpoint(bench: Bench) -> None:
    bench.attempt().save("read", {"pages": [1, 2]}, stage="write", stages_completed=("read",))
    assert bench.attempt().load("read") == {"pages": [1, 2]}
    assert (bench.row.stage, bench.row.stages_completed) == ("write", ("read",)), "the row changed in the same write"


def test_an_attempt_finds_its_own_checkpoint(bench: Bench) -> None:
    checkpoints = bench.attempt()
    for value in (1, 2, None, False):
        checkpoints.save("read/x", value)
        assert checkpoints.load("read/x") is value


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "ü \U0001f4c8 \x00", 1e300, {"a": {"b": [1.5, None]}}])
def test_any_json_value_is_restored_unchanged(bench: Bench, value: Any) -> None:
    bench.attempt().save("read", value)
    found = bench.attempt().load("read")
    assert (found, type(found)) == (value, type(value))


def test_models_and_dates_are_stored_as_json(bench: Bench) -> None:
    bench.attempt().save("read", [Title(text="Dune", seen=datetime(2026, 1, 1, tzinfo=UTC))])
    assert bench.attempt().load("read") == [{"text": "Dune", "seen": "2026-01-01T00:00:00Z"}]


# When a checkpoint is valid


@pytest.mark.parametrize("given", [{"isbn": "43", "copies": 1}, {"isbn": "42"}, [], None, {"isbn": 42, "copies": 1}])
def test_another_input_has_no_checkpoint(bench: Bench, given: Any) -> None:
    bench.attempt().save("read", 1)
    assert bench.attempt(given=given or {}).load("read") is MISSING


def test_the_order_of_the_input_fields_does_not_matter(bench: Bench) -> None:
    bench.attempt().save("read", 1)
    assert bench.attempt(given={"copies": 1, "isbn": "42"}).load("read") == 1


def test_another_name_has_no_checkpoint(bench: Bench) -> None:
    bench.attempt().save("read", 1)
    checkpoints = bench.attempt()
    assert [checkpoints.load(name) for name in ("write", "rea", "read/", "")] == [MISSING] * 4


def test_new_code_ignores_checkpoints_of_old_code(bench: Bench) -> None:
    bench.attempt().save("read", 1)
    assert bench.attempt(code_version="v8").load("read") is MISSING
    assert bench.attempt(code_version="v7").load("read") == 1, "the old code finds it again after a rollback"


def test_a_checkpoint_that_survives_deploys_is_found_by_new_code(bench: Bench) -> None:
    bench.attempt().save("read", 1, survives_deploys=True)
    checkpoints = bench.attempt(code_version="v8")
    assert checkpoints.load("read", survives_deploys=True) == 1
    assert checkpoints.load("read") is MISSING, "the new code does not set survives_deploys"


def test_a_checkpoint_deleted_from_the_bucket_counts_as_missing(bench: Bench) -> None:
    bench.attempt().save("read", 1)
    bench.artifacts.objects.clear()
    checkpoints = bench.attempt()
    assert checkpoints.load("read") is MISSING
    checkpoints.save("read", 2)
    assert bench.attempt().load("read") == 2


# Fences


def test_a_checkpoint_of_a_stale_worker_is_ignored(bench: Bench) -> None:
    stale = bench.attempt()
    current = bench.attempt()
    with pytest.raises(Stopped):
        stale.save("read", "stale")
    assert bench.row.checkpoints == {}
    assert (current.load("read"), stale.gained) == (MISSING, 0)


def test_a_stale_worker_does_not_overwrite_its_own_valid_checkpoint(bench: Bench) -> None:
    stale = bench.attempt()
    stale.save("read/part", "good")
    stale.save_item("read/*f.1", 0, "a", "good")
    current = bench.attempt()
    for value in ("stale", "staler"):
        with pytest.raises(Stopped):
            stale.save("read/part", value)
    assert current.load("read/part") == "good"
    assert bench.attempt().load("read/part") == "good"


def test_no_artifact_key_is_written_twice(bench: Bench) -> None:
    written: list[str] = []

    class Watched(MemoryArtifactStore):
        def write(self, key: str, body: bytes, content_type: str) -> None:
            written.append(key)
            super().write(key, body, content_type)

    bench.artifacts = Watched()
    for _ in range(3):
        checkpoints = bench.attempt()
        for value in (1, 1, 2):
            checkpoints.save("read/part", value)
        for number in range(3):
            checkpoints.save_item("read/*f.1", number, "x", 1)
    assert len(written) == len(set(written)) == 18
    assert all(key.startswith(f"jobs/acme/{bench.row.job_id}/checkpoints/") for key in written)


# Values that cannot be stored


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], {"a": -float("inf")}, object(), {1, object()}, "\ud83d", b"\xff", {"x": lambda: 0}],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_not_json_is_refused_and_changes_nothing(bench: Bench, value: Any) -> None:
    with pytest.raises(Fail, match="checkpoint_invalid: checkpoint read is not JSON") as refused:
        bench.attempt().save("read", value)
    assert refused.value.code == "checkpoint_invalid"
    assert (bench.artifacts.objects, bench.row.checkpoints) == ({}, {})


def test_a_too_large_value_is_refused(bench: Bench) -> None:
    fits = "x" * (MAX_PAYLOAD_BYTES - 2)
    bench.attempt().save("read", fits)
    assert bench.attempt().load("read") == fits
    with pytest.raises(Fail, match=f"checkpoint_too_large: .* {MAX_PAYLOAD_BYTES + 1} bytes"):
        bench.attempt().save("read", fits + "x")


def test_the_number_of_names_is_limited_and_the_error_names_the_fix(bench: Bench) -> None:
    checkpoints = bench.attempt()
    for number in range(MAX_NAMES):
        checkpoints.save(f"read/{number}", number)
    checkpoints.save("read/0", "a known name may change")
    with pytest.raises(Fail, match=r"checkpoints_too_many: read/new: .*`job\.each`"):
        checkpoints.save("read/new", 1)
    assert len(json.dumps(dict(bench.row.checkpoints))) < 10_000


def test_the_checkpoint_of_a_stage_replaces_those_within_it(bench: Bench) -> None:
    checkpoints = bench.attempt()
    checkpoints.save("reading", 0)
    checkpoints.save("read/part", 1)
    checkpoints.save("read/part/of", 1)
    checkpoints.save_item("read/*f.1", 0, "a", 1)
    assert set(bench.row.checkpoints) == {"reading", "read/part", "read/part/of", "read/*f.1"}
    checkpoints.save("read", 2)
    assert set(bench.row.checkpoints) == {"reading", "read"}


# Progress


def test_each_new_checkpoint_is_progress(bench: Bench) -> None:
    checkpoints = bench.attempt()
    assert checkpoints.gained == 0
    for expected, name in enumerate(("read", "write/a", "write/b"), 1):
        checkpoints.save(name, 1)
        assert checkpoints.gained == expected


@pytest.mark.parametrize(
    ("looked", "value", "gained"),
    [
        (True, "page 7", 0),  # the same value again
        (True, "page 8", 1),  # it continued from the checkpoint
        (False, "page 7", 0),
        (False, "page 8", 0),  # it started over and got a different value
    ],
)
def test_only_work_that_continues_from_a_checkpoint_is_progress(
    bench: Bench, value: str, gained: int, *, looked: bool
) -> None:
    bench.attempt().save("read/cursor", "page 7")
    checkpoints = bench.attempt()
    if looked:
        assert checkpoints.load("read/cursor") == "page 7"
    checkpoints.save("read/cursor", value)
    assert checkpoints.gained == gained
    assert bench.attempt().load("read/cursor") == value


def test_making_a_lost_checkpoint_again_is_not_progress(bench: Bench) -> None:
    before = bench.attempt()
    before.save("read", 1)
    before.save_item("write/*f.1", 0, "a", 1)
    bench.artifacts.objects.clear()
    checkpoints = bench.attempt()
    assert checkpoints.load("read") is MISSING
    checkpoints.save("read", 2)
    checkpoints.save_item("write/*f.1", 0, "a", 2)
    assert checkpoints.gained == 0


def test_making_a_checkpoint_again_with_new_code_is_progress(bench: Bench) -> None:
    before = bench.attempt()
    before.save("read", 1)
    before.save_item("write/*f.1", 0, "a", 1)
    checkpoints = bench.attempt(code_version="v8")
    checkpoints.save("read", 1)
    checkpoints.save_item("write/*f.1", 0, "a", 1)
    assert checkpoints.gained == 2


# Series of items


def test_an_item_is_found_by_its_index_and_its_value(bench: Bench) -> None:
    bench.attempt().save_item("read/*f.1", 3, {"page": 3}, "done")
    checkpoints = bench.attempt()
    assert checkpoints.load_item("read/*f.1", 3, {"page": 3}) == "done"
    assert checkpoints.load_item("read/*f.1", 2, {"page": 3}) is MISSING
    assert checkpoints.load_item("read/*f.1", 3, {"page": 4}) is MISSING, "the items have changed"
    assert checkpoints.load_item("read/*f.2", 3, {"page": 3}) is MISSING


def test_an_item_is_valid_for_one_code_version_unless_it_survives_deploys(bench: Bench) -> None:
    bench.attempt().save_item("read/*f.1", 0, "a", 1)
    bench.attempt().save_item("read/*g.1", 0, "a", 2, survives_deploys=True)
    checkpoints = bench.attempt(code_version="v8")
    assert checkpoints.load_item("read/*f.1", 0, "a") is MISSING
    assert checkpoints.load_item("read/*g.1", 0, "a", survives_deploys=True) == 2


def test_a_thousand_items_of_many_attempts_take_little_space_in_the_row(bench: Bench) -> None:
    order = list(range(0, 1_000, 2)) + list(range(1, 1_000, 2))
    for start in range(0, 1_000, 250):
        checkpoints = bench.attempt()
        for number in order[start : start + 250]:
            checkpoints.save_item("read/*f.1", number, number, number * 2)
    assert len(json.dumps(dict(bench.row.checkpoints))) < 4_500, "the worst case: every second item is missing"
    last = bench.attempt()
    assert [last.load_item("read/*f.1", number, number) for number in range(1_000)] == list(range(0, 2_000, 2))
    is_fifo = Bench()
    checkpoints = is_fifo.attempt()
    for number in range(1_000):
        checkpoints.save_item("read/*f.1", number, number, number)
    assert next(iter(is_fifo.row.checkpoints.values())).endswith(" 2:0-999")


def test_an_item_that_is_not_json_is_refused(bench: Bench) -> None:
    with pytest.raises(Fail, match="checkpoint_invalid: checkpoint item 0 is not JSON"):
        bench.attempt().load_item("read/*f.1", 0, object())
    with pytest.raises(Fail, match=r"checkpoint_invalid: checkpoint read/\*f\.1 of item 0 is not JSON"):
        bench.attempt().save_item("read/*f.1", 0, 1, object())


# Types


def plain(_job: Any) -> dict[str, tuple[int, ...]]:
    raise NotImplementedError


def modelled(_job: Any) -> list[Title]:
    raise NotImplementedError


def untyped(_job):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    ...
def of_another_place(_job: Any) -> "Elsewhere": ...  # type: ignore[name-defined]  # noqa: F821


def for_type_checkers(_job: "OnlyForThem") -> "Title":  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(validation_alias="reads", serialization_alias="writes")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def length(self) -> int:
        return len(self.title)


def aliased(_job: Any) -> Named:
    raise NotImplementedError


def unheard_of(_job: Any) -> MemoryArtifactStore:
    raise NotImplementedError


class Reader:
    def method(self, _item: Any) -> Title:
        raise NotImplementedError


@wraps(modelled)
def wrapped(_job: Any) -> Any:
    raise NotImplementedError


TITLE = Title(text="Dune", seen=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("function", "output", "expected"),
    [
        (plain, {"a": [1, 2]}, {"a": (1, 2)}),
        (modelled, [{"text": "Dune", "seen": "2026-01-01T00:00:00Z"}], [TITLE]),
        (modelled, [TITLE], [TITLE]),
        (modelled, [{"text": "Dune"}], MISSING),
        (modelled, None, MISSING),
        (untyped, {"a": (1,)}, {"a": [1]}),
        (of_another_place, [TITLE], [{"text": "Dune", "seen": "2026-01-01T00:00:00Z"}]),
        (for_type_checkers, TITLE, TITLE),
        (unheard_of, {"a": 1}, MISSING),
        (aliased, Named(reads="Dune"), Named(reads="Dune")),
        (Reader().method, TITLE, TITLE),
        (wrapped, [TITLE], [TITLE]),
        (Title, TITLE, TITLE),
        (partial(modelled, 1), [1], [1]),
        (object(), 1, 1),
    ],
)
def test_an_output_is_restored_as_the_annotated_return_type(function: Any, output: Any, expected: Any) -> None:
    assert restore_output(function, output) == expected
