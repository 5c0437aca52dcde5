"""Finds everything in the job table that belongs to a scope."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis_jobs.base.ids import time_of
from analysis_jobs.documents import documents_in
from analysis_jobs.jobs.erasing import ErasableRows, OtherItem, Remains, Scope, Tombstone
from analysis_jobs.jobs.payloads import job_folder, load_json
from analysis_jobs.jobs.ports import ArtifactStore, NotFound, TooLarge
from analysis_jobs.jobs.record import JobKey, JobRecord

# An invocation ends after 15 minutes, the limit of Lambda. Until then a worker without a lease can write files.
_LONGEST_INVOCATION = timedelta(minutes=15)
# The form of an upload is valid for an hour, and it can be used again until then.
_UPLOAD_FORM = timedelta(hours=1)
# A request that AWS receives late, after all tries of a client.
_LATE_REQUEST = timedelta(minutes=1)


@dataclass
class Findings:
    """The items of a tenant: the jobs and tombstones in the scope, all other jobs, and the items that are no jobs."""

    scope: Scope
    jobs: dict[JobKey, JobRecord] = field(default_factory=dict)
    tombstones: dict[JobKey, Tombstone] = field(default_factory=dict)
    others: list[JobRecord] = field(default_factory=list)
    items: list[OtherItem] = field(default_factory=list)

    @property
    def unfinished(self) -> list[Tombstone]:
        """The tombstones that still have remains."""
        return [tombstone for tombstone in self.tombstones.values() if tombstone.remains]

    @property
    def job_ids(self) -> set[str]:
        """The ids of all jobs in the scope, erased or not."""
        return {key.job_id for key in (*self.jobs, *self.tombstones)}

    def is_ours(self, key: JobKey) -> bool:
        """Tell whether a message about this job is in the scope."""
        if key.tenant != self.scope.tenant:
            return False
        return self.scope.whole_tenant or key.job_id == self.scope.job_id or key.job_id in self.job_ids

    def related(self) -> Iterator[OtherItem]:
        """Yield the other items that name a job of the scope, or its subject."""
        for item in self.items:
            named = self.scope.subject is not None and self.scope.subject == item.name
            if self.scope.whole_tenant or named or item.job_ids & self.job_ids or self._counts(item):
                yield item

    def newest_other(self, item: OtherItem) -> JobRecord | None:
        """Return the newest job outside the scope that a subject's pointer can name instead."""
        same = [job for job in self.others if (job.analysis, job.subject) == (item.analysis, item.name)]
        return max(same, key=lambda job: job.job_id, default=None)

    def counts_only_ours(self, item: OtherItem) -> bool:
        """Tell whether a rate counts no submission but those of the scope."""
        return set(item.times) <= self._submissions(item.analysis)

    def _counts(self, item: OtherItem) -> bool:
        if any(item.name == job.subject for job in self.others):
            return False  # it counts by subject, and this subject has other jobs
        return bool(set(item.times) & self._submissions(item.analysis))

    def _submissions(self, analysis: str) -> set[datetime]:
        known = [(job.analysis, job.created_at) for job in self.jobs.values()]
        known += [(each.remains.analysis, each.remains.created_at) for each in self.unfinished if each.remains]
        return {at for name, at in known if name == analysis}


def find(rows: ErasableRows, scope: Scope) -> Findings:
    """Read all items of the tenant, and return those that the scope is about."""
    found = Findings(scope)
    for item in rows.items(scope.tenant):
        match item:
            case JobRecord() if scope.contains(item.job_id, item.subject):
                found.jobs[item.key] = item
            case JobRecord():
                found.others.append(item)
            case Tombstone():
                subject = item.remains.subject if item.remains else None
                if scope.contains(item.key.job_id, subject):
                    found.tombstones[item.key] = item
            case OtherItem():
                found.items.append(item)
    return found


def remains_of(job: JobRecord, artifacts: ArtifactStore) -> Remains:
    """Return what is left of an ended job after its row."""
    documents = tuple(sorted(documents_of(job, artifacts)))
    claims = [entry.at for entry in job.history if entry.transition == "claim"]
    # A history that was cut still has its newest entries. A job with a token and without a claim was edited by hand.
    worked = max(claims, default=job.finished_at or job.created_at) if job.fence else None
    quiet = [job.created_at + _LATE_REQUEST]
    quiet += [worked + _LONGEST_INVOCATION + _LATE_REQUEST] if worked else []
    quiet += [time_of(document.partition("/")[0]) + _UPLOAD_FORM + _LATE_REQUEST for document in documents]
    return Remains(f"{job_folder(job)}/", job.analysis, job.created_at, max(quiet), job.subject, documents)


def documents_of(job: JobRecord, artifacts: ArtifactStore) -> set[str]:
    """Return the documents of a job: those that its submission recorded, else those that its input names."""
    for payload in (job.documents, job.input):
        if payload is not None:
            try:
                value = load_json(artifacts, payload)
            except (NotFound, TooLarge, ValueError):
                continue  # erased or expired: the next one may still name them
            names = list(value) if isinstance(value, Mapping) and payload is job.documents else value
            return set(documents_in(names))
    return set()
