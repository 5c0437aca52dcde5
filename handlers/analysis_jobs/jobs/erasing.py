"""What an erasure works with: its scope, the tombstones of erased jobs, and the ports to tables, files and queues.

An erased job leaves a tombstone under its key: no input, no result, no subject. A late write of a worker, a sweeper or
a repeated submission finds the tombstone and changes nothing. A message that is still queued finds it too, and is
acknowledged. While the erasure is not finished, the tombstone also holds what is needed to find the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Protocol

from analysis_jobs.base.ids import is_id
from analysis_jobs.base.tenants import is_tenant
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.subjects import normal_subject

# A message lives at most 14 days in a queue, and 14 days in its dead-letter queue.
TOMBSTONE_LIFE = timedelta(days=29)


@dataclass(frozen=True)
class Scope:
    """What to erase or export: one job, all jobs of a subject, or everything of a tenant.

    Raises `ValueError` for a name that no tenant or job can have, and for a job together with a subject.
    """

    tenant: str
    job_id: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        if not is_tenant(self.tenant):
            raise ValueError(f"{self.tenant!r} is not a tenant")
        if self.job_id is not None and self.subject is not None:
            raise ValueError("give a job or a subject, not both")
        if self.job_id is not None and not is_id(self.job_id):
            raise ValueError(f"{self.job_id!r} is not the id of a job")
        if self.subject is not None:
            object.__setattr__(self, "subject", normal_subject(self.subject))

    @property
    def whole_tenant(self) -> bool:
        """Whether the scope is everything of the tenant."""
        return self.job_id is None and self.subject is None

    def contains(self, job_id: str, subject: str | None) -> bool:
        """Tell whether a job of the tenant is in the scope."""
        return self.job_id in (None, job_id) and self.subject in (None, subject)


@dataclass(frozen=True)
class Remains:
    """What is left of a job whose row is erased, until its files are erased too.

    `folder` is the prefix of its objects, `documents` are the uploads that it named. After `quiet_at` nobody can write
    to them any more: no worker of the job is running, and no upload form is valid.
    """

    folder: str
    analysis: str
    created_at: datetime
    quiet_at: datetime
    subject: str | None = None
    documents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tombstone:
    """Stands for an erased job. `remains` is None once the erasure is finished."""

    key: JobKey
    erased_at: datetime
    remains: Remains | None


@dataclass(frozen=True)
class OtherItem:
    """An item of the job table that is no job: a pointer, an idempotency key, or a slot of a waiting request.

    `job_ids` are the jobs that it names. `name` is the subject or the rate of a pointer. `times` are the submissions
    that a rate counts. `version` and `points_to` are what a conditional write compares.
    """

    kind: str
    sort_key: str
    job_ids: frozenset[str] = frozenset()
    analysis: str = ""
    name: str = ""
    times: tuple[datetime, ...] = ()
    version: int | None = None
    points_to: str | None = None


@dataclass(frozen=True)
class StoredVersion:
    """One version of an object, or a delete marker. `key` has no bucket prefix."""

    key: str
    version: str
    marker: bool = False


@dataclass
class Drained:
    """What was found in a queue. `hidden` counts messages that another consumer holds."""

    queue: str
    found: list[JobKey] = field(default_factory=list)
    hidden: int = 0


class ErasableRows(Protocol):
    """The job table, as an erasure sees it."""

    def items(self, tenant: str) -> Iterator[JobRecord | Tombstone | OtherItem]:
        """Yield every item of a tenant, with strongly consistent reads."""

    def bury(self, read: JobRecord, tombstone: Tombstone) -> bool:
        """Replace a job by its tombstone, if the row is unchanged since it was read. Return whether it is buried."""

    def settle(self, tombstone: Tombstone, until: datetime) -> None:
        """Drop the remains of a tombstone. It expires after `until`."""

    def remove(self, tenant: str, item: OtherItem) -> bool:
        """Delete an item, if it is unchanged since it was read. Return whether it is gone."""

    def repoint(self, tenant: str, item: OtherItem, job_id: str, *, forget_last: bool) -> bool:
        """Let a subject's pointer name another job, if it is unchanged since it was read.

        With `forget_last` the pointer also forgets the last analysis.
        """


class ErasableFiles(Protocol):
    """The bucket, as an erasure sees it."""

    def versions(self, prefix: str) -> Iterator[StoredVersion]:
        """Yield every version and every delete marker of the objects below `prefix`."""

    def remove(self, versions: Sequence[StoredVersion]) -> dict[StoredVersion, str]:
        """Delete versions for good. Return those that could not be deleted, each with the error's code."""


class ErasableMessages(Protocol):
    """The dead-letter queues."""

    def drain(self, queue: str, is_ours: Callable[[JobKey], bool], *, dry_run: bool) -> Drained:
        """Delete the messages that name one of our jobs. All other messages stay visible."""


def job_of_message(parsed: object) -> JobKey | None:
    """Return the job that a message names: a pointer to a job, or a note about its row. None for any other message."""
    match parsed:
        case {"tenant": str(tenant), "job_id": str(job_id)}:
            return JobKey(tenant, job_id)
        case {"keys": {"tenant": {"S": str(tenant)}, "item": {"S": str(item)}}} if item.startswith("job#"):
            return JobKey(tenant, item.removeprefix("job#"))
    return None
