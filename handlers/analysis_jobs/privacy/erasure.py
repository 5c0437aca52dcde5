"""Erases jobs with everything that belongs to them.

The order makes an erasure safe to repeat. First running jobs are stopped. Then each row is replaced by a tombstone that
knows what is left. Then files, pointers, keys and dead letters go. A second pass looks for what was written meanwhile.
At the end the tombstones forget what they know. After a crash, another run continues from the tombstones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from analysis_jobs.base.clock import Clock
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.erasing import (
    TOMBSTONE_LIFE,
    ErasableFiles,
    ErasableMessages,
    ErasableRows,
    OtherItem,
    Scope,
    StoredVersion,
    Tombstone,
)
from analysis_jobs.jobs.ports import ArtifactStore, JobStore
from analysis_jobs.jobs.record import Changes, JobRecord, ending
from analysis_jobs.jobs.transitions import CANCEL, CANCEL_LOST, REQUEST_CANCEL, Status
from analysis_jobs.privacy.findings import Findings, documents_of, find, remains_of
from analysis_jobs.privacy.receipt import Receipt

_POLL = timedelta(seconds=2)
# A worker stops within a heartbeat. If it is dead, its lease ends. The longest usual lease is a few minutes.
_PATIENCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Erasure:
    """Erases what a scope contains. `queues` are the URLs of the dead-letter queues."""

    rows: ErasableRows
    store: JobStore
    artifacts: ArtifactStore
    files: ErasableFiles
    messages: ErasableMessages
    queues: Sequence[str]
    clock: Clock
    patience: timedelta = _PATIENCE

    def run(self, scope: Scope, *, by: str, reason: str = "", dry_run: bool = False) -> Receipt:
        """Erase everything in the scope, or only list it. Return the receipt.

        If a run is interrupted or its receipt is not `complete`, run it again.
        """
        receipt = Receipt(scope, by, dry_run, self.clock.now(), reason=reason)
        found = find(self.rows, scope)
        if not dry_run:
            self._stop(found)
            self._bury(found, receipt)
            found = find(self.rows, scope)  # with the tombstones, and with what was submitted meanwhile
        shared = self._shared_documents(found, receipt)
        for prefix, kind in self._prefixes(found, shared):
            self._remove_files(prefix, kind, receipt)
        for item in found.related():
            self._remove_item(item, found, receipt)
        for queue in self.queues:
            drained = self.messages.drain(queue, found.is_ours, dry_run=dry_run)
            receipt.removed["dead_letters"] += [key.job_id for key in drained.found]
            if drained.hidden:
                why = f"another consumer holds {drained.hidden} messages of this queue: run again when it is done"
                receipt.keep("dead_letters", queue.rsplit("/", 1)[-1], why)
        if dry_run:
            receipt.removed["jobs"] += [key.job_id for key in found.jobs]
        else:
            self._verify(scope, receipt)
        receipt.finished_at = self.clock.now()
        return receipt

    # Stop, then bury

    def _stop(self, found: Findings) -> None:
        """Cancel every job that has not ended, and wait until it has. Jobs that do not end in time stay as they are."""
        give_up = self.clock.now() + self.patience
        waiting = {key for key, job in found.jobs.items() if not job.status.ended}
        while True:
            for key in list(waiting):
                job = self.store.get(key)
                if job is not None:
                    job = self._cancel(job)
                    found.jobs[key] = job
                if job is None or job.status.ended:
                    waiting.discard(key)
            if not waiting or self.clock.now() >= give_up:
                return
            self.clock.sleep(_POLL)

    def _cancel(self, job: JobRecord) -> JobRecord:
        """Take one step towards the end of a job. Return the row after it."""
        now = self.clock.now()
        ended = {**ending(now, TOMBSTONE_LIFE), "cancel_asked_at": now}
        match job.status:
            case Status.QUEUED:
                outcome = self.store.transition(job.key, CANCEL, Changes(ended), now=now, read=job)
            case Status.PROCESSING if job.cancel_asked_at is None:
                asked = Changes({"cancel_asked_at": now})
                outcome = self.store.transition(job.key, REQUEST_CANCEL, asked, now=now, read=job)
            case Status.PROCESSING if job.lease_until is None or job.lease_until <= now:
                lost = Changes(ending(now, TOMBSTONE_LIFE))
                outcome = self.store.transition(job.key, CANCEL_LOST, lost, now=now, read=job)
            case _:
                return job
        return outcome.job or job

    def _bury(self, found: Findings, receipt: Receipt) -> None:
        now = self.clock.now()
        for key, job in found.jobs.items():
            if not job.status.ended:
                continue  # the second pass reports it
            tombstone = Tombstone(key, now, remains_of(job, self.artifacts))
            if self.rows.bury(job, tombstone):
                receipt.removed["jobs"].append(key.job_id)

    # What belongs to the jobs

    def _shared_documents(self, found: Findings, receipt: Receipt) -> set[str]:
        """Return the documents of the scope that other jobs name too. They stay."""
        ours = self._documents(found)
        if found.scope.whole_tenant or not ours:
            return set()
        shared: set[str] = set()
        for job in found.others:
            for document in documents_of(job, self.artifacts) & ours - shared:
                shared.add(document)
                receipt.keep("upload", document.partition("/")[0], f"job {job.job_id} names this document too")
        return shared

    def _documents(self, found: Findings) -> set[str]:
        named = [set(each.remains.documents) for each in found.unfinished if each.remains]
        return set().union(*named, *(documents_of(job, self.artifacts) for job in found.jobs.values()))

    def _prefixes(self, found: Findings, shared: Iterable[str]) -> list[tuple[str, str]]:
        """Return the prefixes of all objects of the scope, each with its kind."""
        tenant = found.scope.tenant
        if found.scope.whole_tenant:
            return [(f"jobs/{tenant}/", "job_files"), (f"uploads/{tenant}/", "uploads")]
        folders = [each.remains.folder for each in found.unfinished if each.remains]
        folders += [remains_of(job, self.artifacts).folder for job in found.jobs.values()]
        uploads = sorted(self._documents(found) - set(shared))
        return [
            *((folder, "job_files") for folder in folders),
            *((upload_key(tenant, document), "uploads") for document in uploads),
        ]

    def _remove_files(self, prefix: str, kind: str, receipt: Receipt) -> None:
        versions = _below(self.files.versions(prefix), prefix)
        refused = {} if receipt.dry_run else self.files.remove(versions)
        for version in versions:
            if version in refused:
                receipt.keep(kind, _owner(version.key), f"S3 refused to delete a version: {refused[version]}")
            else:
                receipt.removed[f"{kind}_markers" if version.marker else kind].append(_owner(version.key))

    def _remove_item(self, item: OtherItem, found: Findings, receipt: Receipt) -> None:
        tenant, kind = found.scope.tenant, item.kind
        ours = found.scope.whole_tenant or (item.name == found.scope.subject and item.name)
        if kind == "rate_pointer" and not ours and not found.counts_only_ours(item):
            receipt.keep(kind, item.analysis, "it counts the submissions of other jobs too. It expires by itself")
            return
        newest = None if ours or kind != "subject_pointer" else found.newest_other(item)
        if receipt.dry_run:
            done = True
        elif newest is not None:
            points_to = item.points_to or newest.job_id
            target = newest.job_id if points_to in found.job_ids else points_to
            forget = bool((item.job_ids - {item.points_to}) & found.job_ids)
            done = self.rows.repoint(tenant, item, target, forget_last=forget)
        else:
            done = self.rows.remove(tenant, item)
        if done:
            name = item.sort_key.partition("#")[2] if kind in {"idempotency_key", "broken_row"} else item.analysis
            receipt.removed[f"{kind}s"].append(name or kind)

    # The second pass

    def _verify(self, scope: Scope, receipt: Receipt) -> None:
        """Look for everything again. Finish the tombstones of jobs that have nothing left and cannot get anything."""
        found, now = find(self.rows, scope), self.clock.now()
        receipt.left["jobs"] += [key.job_id for key in found.jobs]
        shared = self._shared_documents(found, Receipt(scope, "", dry_run=True, started_at=now))
        dirty: set[str] = set()
        for prefix, kind in self._prefixes(found, shared):
            for version in _below(self.files.versions(prefix), prefix):
                receipt.left[kind].append(_owner(version.key))
                dirty.add(prefix)
        for item in found.related():
            if item.kind != "rate_pointer" or found.scope.whole_tenant:
                receipt.left[f"{item.kind}s"].append(item.analysis or item.kind)
        receipt.left = {kind: ids for kind, ids in receipt.left.items() if ids}
        if receipt.left:
            return
        loud = [each.remains.quiet_at for each in found.unfinished if each.remains and each.remains.quiet_at > now]
        receipt.again_at = max(loud, default=None)
        for tombstone in found.unfinished:
            if tombstone.remains and tombstone.remains.quiet_at <= now:
                self.rows.settle(tombstone, now + TOMBSTONE_LIFE)


def _below(versions: Iterable[StoredVersion], prefix: str) -> list[StoredVersion]:
    """Return the versions in the folder `prefix`, or of the object `prefix`."""
    return [each for each in versions if prefix.endswith("/") or each.key == prefix]


def _owner(key: str) -> str:
    """Return the id of the upload or the job that an object belongs to. File names are content."""
    parts = key.split("/")
    if parts[0] == "uploads":
        return parts[2]
    folders = ("checkpoints", "files")
    return next((part for part in reversed(parts[:-1]) if part not in folders), key)
