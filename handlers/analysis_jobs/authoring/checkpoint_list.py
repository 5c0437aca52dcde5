"""Where the entries of a job's checkpoints are stored: the newest in the row, the others in a list in the bucket.

DynamoDB bills every write of the row by its size, and so every heartbeat. An entry takes about 75 bytes, and a job may
have 100 of them: a heartbeat would cost 8 write units instead of 1. So the row holds entries only within the KB that
it has begun (`jobs.row_size`). When they take more, all entries move into a new list in the bucket, and the row names
that list. PutObject costs as much as 8 write units, and moves five entries or more.

The row remains the only truth. A list is written before the row names it, and it is never changed. Its key contains the
fencing token, so that a stale worker cannot replace the list of another. The write of the row is fenced.

An older version of this library ignores the name of the list. It repeats the work of the entries in the list.
"""

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, job_folder
from analysis_jobs.jobs.ports import ArtifactStore, NotFound
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.row_size import bytes_left

Entries: TypeAlias = dict[str, str]

# The name of the row's entry that refers to the list. No checkpoint has this name: theirs begin with a stage's name.
LIST = "#list"
# A row that is nearly full may begin another KB: at least two entries fit into it.
_LEAST_BYTES = 160
_KB = 1024
# Writing a list costs as much as 8 write units. One that moves fewer entries than this would cost more than it saves.
LEAST_SAVES = 5


class CheckpointList:
    """The entries of a job by name, and the part of them that is in the list."""

    def __init__(self, claimed: JobRecord, artifacts: ArtifactStore) -> None:
        """Read the list that the row names. Raises the bucket's errors.

        If the bucket's lifecycle rule has deleted the list, its entries count as missing.
        """
        self._folder = f"{job_folder(claimed)}/checkpoints"
        self._fence = claimed.fence
        self._artifacts = artifacts
        self._room = room(claimed)
        self._reference = claimed.checkpoints.get(LIST)
        self._listed = self._read()
        self._written = 0
        self._saves = LEAST_SAVES
        in_row = {name: entry for name, entry in claimed.checkpoints.items() if name != LIST}
        self.entries: Entries = {**self._listed, **in_row}

    def save(self, entries: Entries, name: str, write: Callable[[Mapping[str, str]], object]) -> None:
        """Replace all entries; `name` is the one that is new. `write` writes the row's part under the fencing token.

        Raises what `write` raises, and the bucket's errors. Then `entries` has not changed.
        """
        reference, listed = self._reference, self._listed
        self._saves += 1
        in_row = _changed(entries, listed)
        removed = listed.keys() - entries.keys()
        if removed or self._is_too_large(in_row, name):
            listed = {known: entry for known, entry in entries.items() if known != name}
            reference = self._write(listed) if listed else None
            in_row = _changed(entries, listed)
        write({**({LIST: reference} if reference else {}), **in_row})
        self._saves = 0 if reference != self._reference else self._saves
        self._reference, self._listed, self.entries = reference, listed, entries

    def _is_too_large(self, in_row: Entries, name: str) -> bool:
        """Tell whether the row's entries but the new one take too much room, and enough were saved since the last list.

        The new entry stays in the row: that of a series changes with every item.
        """
        others = sum(len(known) + len(entry) + 1 for known, entry in in_row.items() if known != name)
        return others > self._room and self._saves >= LEAST_SAVES

    def _write(self, listed: Entries) -> str:
        self._written += 1
        reference = f"{self._fence}.{self._written}"
        body = json.dumps(listed, separators=(",", ":")).encode()
        self._artifacts.write(self._key(reference), body, "application/json")
        return reference

    def _read(self) -> Entries:
        if self._reference is None:
            return {}
        try:
            return dict(json.loads(self._artifacts.read(self._key(self._reference), MAX_PAYLOAD_BYTES)))
        except NotFound:
            self._reference = None
            return {}

    def _key(self, reference: str) -> str:
        return f"{self._folder}/list-{reference}.json"


def room(claimed: JobRecord) -> int:
    """Return how many bytes of entries the row may hold."""
    left = bytes_left(claimed) + sum(len(name) + len(entry) + 1 for name, entry in claimed.checkpoints.items())
    left %= _KB
    return left if left >= _LEAST_BYTES else left + _KB


def _changed(entries: Entries, listed: Entries) -> Entries:
    """Return the entries that are not in the list, or that are different there."""
    return {name: entry for name, entry in entries.items() if listed.get(name) != entry}
