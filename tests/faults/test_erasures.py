"""The model check of erasures: the shipped erasure runs among workers, sweepers and callers, with faults."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from analysis_jobs.jobs.erasing import OtherItem, Scope, StoredVersion, Tombstone
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.privacy.erasure import Erasure
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.stores.memory_erasing import MemoryFiles, MemoryMessages, MemoryRows
from tests.faults import figures
from tests.faults.ports import Network
from tests.faults.scheduler import Process
from tests.faults.walk import Event, Walk
from tests.faults.world import World, open_world
from tests.handlers.builders import MINUTE

pytestmark = pytest.mark.usefixtures("quiet")

EVENTS = 250
BUDGET = 600  # a mutation must be caught within so many walks


@dataclass
class ObservedRows:
    """The rows of an erasure. Each write goes through the network, and each burial is reported to the ledger."""

    world: World
    inner: MemoryRows

    @property
    def _network(self) -> Network:
        return self.world.network

    def items(self, tenant: str) -> Iterator[JobRecord | Tombstone | OtherItem]:
        """See `ErasableRows.items`."""
        yield from self._network.perform("read", lambda: list(self.inner.items(tenant)))

    def bury(self, read: JobRecord, tombstone: Tombstone) -> bool:
        """See `ErasableRows.bury`."""

        def request() -> bool:
            was_there = self.inner.store.get(read.key) is not None
            buried = self.inner.bury(read, tombstone)
            if buried and was_there:
                self.world.ledger.erased(read.key)
            return buried

        return self._network.perform("bury", request)

    def settle(self, tombstone: Tombstone, until: datetime) -> None:
        """See `ErasableRows.settle`."""
        self._network.perform("settle", lambda: self.inner.settle(tombstone, until))

    def remove(self, tenant: str, item: OtherItem) -> bool:
        """See `ErasableRows.remove`."""
        return self._network.perform("remove", lambda: self.inner.remove(tenant, item))

    def repoint(self, tenant: str, item: OtherItem, job_id: str, *, forget_last: bool) -> bool:
        """See `ErasableRows.repoint`."""
        return self._network.perform(
            "repoint", lambda: self.inner.repoint(tenant, item, job_id, forget_last=forget_last)
        )


@dataclass
class ObservedFiles:
    """The files of an erasure. Each deletion goes through the network."""

    world: World
    inner: MemoryFiles

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        """See `ErasableFiles.versions`."""
        yield from self.world.network.perform("fetch", lambda: list(self.inner.versions(prefix)))

    def remove(self, versions: Sequence[StoredVersion]) -> dict[StoredVersion, str]:
        """See `ErasableFiles.remove`."""
        return self.world.network.perform("unlink", lambda: self.inner.remove(versions))


class Erasures:
    """The erasures of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._choose = Random(world.clock.now().timestamp())
        store = world.inner
        assert isinstance(store, MemoryJobStore)
        self.rows, self.files = MemoryRows(store), MemoryFiles(world.artifacts)

    def erase(self, key: JobKey) -> Process:
        """Start a process that erases a job."""
        world = self.world
        erasure = Erasure(
            ObservedRows(world, self.rows),
            world.store,
            world.artifacts,
            ObservedFiles(world, self.files),
            MemoryMessages(),
            (),
            world.clock,
            patience=MINUTE,
        )
        scope = Scope(key.tenant, key.job_id)
        return world._start_process("eraser", lambda: erasure.run(scope, by="an operator"))  # noqa: SLF001 - a kind of its own

    def events(self) -> list[tuple[str, Event]]:
        """Return the erasures that can begin now."""
        lives = list(self.world.ledger.lives)
        running = [each for each in self.world.scheduler.processes if each.kind == "eraser" and not each.over]
        if not lives or len(running) > 1:
            return []
        key = self._choose.choice(lives)
        return [("erase", lambda: self.erase(key))] * 3

    def finish(self) -> int:
        """Finish the erasure of every job that was begun, and check that nothing is left. Return their number."""
        erased = [key for key, life in self.world.ledger.lives.items() if life.erased]
        self.world.advance(timedelta(hours=1))  # no invocation lives that long
        for key in erased:
            self.world.run_to_end(self.erase(key))
            folder = f"{job_folder(self.world.ledger.lives[key].row)}/"
            assert list(self.files.versions(folder)) == [], f"files of {key} are left"
            tombstones = [item for item in self.rows.items(key.tenant) if isinstance(item, Tombstone)]
            assert [each.remains for each in tombstones if each.key == key] == [None]
            named = [item for item in self.rows.items(key.tenant) if isinstance(item, OtherItem)]
            assert not any(key.job_id in item.job_ids for item in named), f"an item names {key}"
        return len(erased)


def walk(seed: int, focus: str | None = None) -> tuple[int, Counter[str]]:
    """Make one walk with erasures; return how many jobs were erased, and the writes by name."""
    with open_world(lambda _: MemoryJobStore(), seed) as world:
        erasures = Erasures(world)
        Walk(world, Random(seed), focus, erasures.events).go(EVENTS)
        return erasures.finish(), world.ledger.landed


def test_an_erased_job_never_comes_back_and_nothing_of_it_is_left(long: bool) -> None:
    erased, landed = 0, Counter[str]()
    for seed in range(1_000 if long else 60):
        try:
            number, writes = walk(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        erased += number
        landed += writes
    assert erased > 30
    assert landed["complete"] > 0
    figures.record("Model check, erasures", erased=erased, writes=landed.total())


def _created_over_a_tombstone() -> AbstractContextManager[object]:
    given = MemoryJobStore.create

    def create(store: MemoryJobStore, *job: Any) -> Any:
        tombstones, store.tombstones = store.tombstones, {}
        try:
            return given(store, *job)
        finally:
            store.tombstones = tombstones

    return patch.object(MemoryJobStore, "create", create)


def _of_any_version() -> AbstractContextManager[object]:
    given = MemoryRows.bury

    def bury(rows: MemoryRows, read: JobRecord, tombstone: Tombstone) -> bool:
        return given(rows, rows.store.jobs.get(read.key, read), tombstone)

    return patch.object(MemoryRows, "bury", bury)


def _without_its_files() -> AbstractContextManager[object]:
    return patch.object(MemoryFiles, "remove", lambda _, versions: dict.fromkeys(versions[:0], ""))


MUTATIONS: dict[str, tuple[Callable[[], AbstractContextManager[object]], str | None]] = {
    "a submission that ignores a tombstone": (_created_over_a_tombstone, "create"),
    "an erasure of a row that has changed": (_of_any_version, "bury"),
    "an erasure that leaves the files": (_without_its_files, None),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_model_check_fails_without_a_condition_of_an_erasure(name: str) -> None:
    mutation, focus = MUTATIONS[name]
    with mutation():
        for seed in range(BUDGET):
            try:
                walk(seed, focus)
            except AssertionError:
                return
    raise AssertionError(f"{name}: the model check did not catch this mutation")
