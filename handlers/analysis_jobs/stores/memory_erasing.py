"""The stores in memory, as an erasure sees them. They pass the same contract tests as those on AWS."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.admission import SubjectPointer
from analysis_jobs.jobs.erasing import Drained, OtherItem, StoredVersion, Tombstone
from analysis_jobs.jobs.key_limits import rate_sort_key, subject_sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from analysis_jobs.jobs.record import JobKey, JobRecord
    from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore


@dataclass(frozen=True)
class MemoryRows:
    """See `ErasableRows`."""

    store: MemoryJobStore

    def items(self, tenant: str) -> Iterator[JobRecord | Tombstone | OtherItem]:
        """See `ErasableRows.items`."""
        with self.store.lock:
            jobs = [job for key, job in self.store.jobs.items() if key.tenant == tenant]
            tombstones = [each for key, each in self.store.tombstones.items() if key.tenant == tenant]
            others: list[OtherItem] = [
                *self._keys(tenant),
                *(self._pointer(*key, pointer) for key, pointer in self.store.subjects.items() if key[0] == tenant),
                *self._rates(tenant),
            ]
        yield from jobs
        yield from tombstones
        yield from others

    def bury(self, read: JobRecord, tombstone: Tombstone) -> bool:
        """See `ErasableRows.bury`."""
        with self.store.lock:
            stored = self.store.jobs.get(read.key)
            if stored is None or stored.version != read.version:
                return self.store.tombstones.get(read.key) == tombstone
            del self.store.jobs[read.key]
            self.store.tombstones[read.key] = tombstone
            return True

    def settle(self, tombstone: Tombstone, until: datetime) -> None:  # noqa: ARG002 - nothing expires here
        """See `ErasableRows.settle`."""
        with self.store.lock:
            self.store.tombstones[tombstone.key] = replace(tombstone, remains=None)

    def remove(self, tenant: str, item: OtherItem) -> bool:
        """See `ErasableRows.remove`."""
        with self.store.lock:
            if item.kind == "idempotency_key":
                digest = item.sort_key.removeprefix("key#")
                used = self.store.keys.get((tenant, digest))
                if used and used[1].job_id != item.points_to:
                    return False
                self.store.keys.pop((tenant, digest), None)
            elif item.kind == "subject_pointer":
                if not self._is_unchanged(tenant, item):
                    return False
                self.store.subjects.pop((tenant, item.analysis, item.name), None)
            else:
                rate = self.store.rates.get((tenant, item.analysis, item.name))
                if rate and rate.version != item.version:
                    return False
                self.store.rates.pop((tenant, item.analysis, item.name), None)
            return True

    def repoint(self, tenant: str, item: OtherItem, job_id: str, *, forget_last: bool) -> bool:
        """See `ErasableRows.repoint`."""
        with self.store.lock:
            key = (tenant, item.analysis, item.name)
            pointer = self.store.subjects.get(key)
            if pointer is None or not self._is_unchanged(tenant, item):
                return False
            last = None if forget_last else pointer.last_analysis
            self.store.subjects[key] = SubjectPointer(job_id, pointer.version + 1, last)
            return True

    def _is_unchanged(self, tenant: str, item: OtherItem) -> bool:
        pointer = self.store.subjects.get((tenant, item.analysis, item.name))
        return pointer is None or (pointer.job_id, pointer.version) == (item.points_to, item.version or 0)

    def _keys(self, tenant: str) -> Iterator[OtherItem]:
        for (owner, digest), (_, outcome) in self.store.keys.items():
            if owner == tenant:
                named = frozenset({outcome.job_id} if outcome.job_id else ())
                yield OtherItem("idempotency_key", f"key#{digest}", named, points_to=outcome.job_id)

    def _rates(self, tenant: str) -> Iterator[OtherItem]:
        for (owner, analysis, name), rate in self.store.rates.items():
            if owner == tenant:
                key = rate_sort_key(analysis, str(name))
                yield OtherItem(
                    "rate_pointer", key, frozenset(), analysis, str(name), rate.admitted, version=rate.version
                )

    def _pointer(self, _: str, analysis: str, name: str, pointer: SubjectPointer) -> OtherItem:
        last = pointer.last_analysis
        named = frozenset({pointer.job_id, *((last.job_id,) if last else ())})
        key = subject_sort_key(analysis, name)
        version = pointer.version or None
        return OtherItem("subject_pointer", key, named, analysis, name, (), version, pointer.job_id)


@dataclass(frozen=True)
class MemoryFiles:
    """See `ErasableFiles`. Each object has one version."""

    store: MemoryArtifactStore

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        """See `ErasableFiles.versions`."""
        yield from [StoredVersion(key, "null") for key in list(self.store.objects) if key.startswith(prefix)]

    def remove(self, versions: Sequence[StoredVersion]) -> dict[StoredVersion, str]:
        """See `ErasableFiles.remove`."""
        for each in versions:
            self.store.objects.pop(each.key, None)
        return {}


@dataclass
class MemoryMessages:
    """See `ErasableMessages`. `queues` has the jobs that the messages of each queue name."""

    queues: dict[str, list[JobKey]] = field(default_factory=dict)

    def drain(self, queue: str, is_ours: Callable[[JobKey], bool], *, dry_run: bool) -> Drained:
        """See `ErasableMessages.drain`."""
        messages = self.queues.setdefault(queue, [])
        found = [key for key in messages if is_ours(key)]
        if not dry_run:
            messages[:] = [key for key in messages if not is_ours(key)]
        return Drained(queue, found)
