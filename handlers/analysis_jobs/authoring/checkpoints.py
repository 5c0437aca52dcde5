"""Checkpoints: the finished work of an attempt, kept so that the next attempt does not repeat it.

A checkpoint is valid for one name, one input and one code version. With `survives_deploys` it is valid for every code
version. Its value is an artifact. The artifact's key contains the fencing token, so no two workers write the same
artifact. The row has the entries of the valid checkpoints, or names a list of them, and every write of the row is
fenced. A worker that lost its lease can therefore leave artifacts in the bucket, but nobody reads them.

DynamoDB charges every write, and so every heartbeat, by the size of the row. Therefore older entries move from the row
into a list in the bucket, and all items of a series share one entry. See `checkpoint_list` and `series_entry`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from analysis_jobs.authoring.checkpoint_list import CheckpointList
from analysis_jobs.authoring.outputs import MISSING, NOT_KEPT, Output, json_bytes
from analysis_jobs.authoring.series_entry import SeriesEntry
from analysis_jobs.base.errors import Fail
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, job_folder
from analysis_jobs.jobs.ports import ArtifactStore, NotFound
from analysis_jobs.jobs.record import JobRecord

MAX_NAMES = 100


class ItemKey(NamedTuple):
    """What identifies the checkpoint of an item of a series. `digest` is of the series, the number and the item."""

    series: str
    series_digest: str
    number: int
    digest: str


class Checkpoints:
    """The checkpoints of one attempt.

    `write` puts changes on the row under the fencing token. It raises `Stopped` if the lease is lost. A list that the
    row names is read at once. Raises the bucket's errors.
    """

    def __init__(
        self,
        claimed: JobRecord,
        artifacts: ArtifactStore,
        job_input: Any,
        write: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self._claimed = claimed
        self._artifacts = artifacts
        self._input = json.dumps(job_input, sort_keys=True)
        self._write = write
        self._list = CheckpointList(claimed, artifacts)
        self._at_claim = self._entries
        self._series: dict[str, SeriesEntry] = {}  # by digest
        self._claimed_series: dict[str, SeriesEntry] = {}  # by digest, as the job was claimed
        self._digests: dict[tuple[str, bool], str] = {}
        self._loaded_names: set[str] = set()
        self._saved = 0
        self._saving = Lock()  # a stage may save the items of a series in threads
        self.gained = 0
        """How many checkpoints are progress since the claim. See `_is_progress`."""

    def load(self, name: str, *, survives_deploys: bool = False) -> Any:
        """Return a checkpoint's value as JSON; `MISSING` if there is none for this input and code version."""
        reference = self._entries.get(name, "")
        if f"-{self._digest(name, survives_deploys=survives_deploys)}-" not in reference:
            return MISSING
        value = self._read(reference)
        if value is not MISSING:
            self._loaded_names.add(name)
        return value

    def save(self, name: str, value: Any, *, survives_deploys: bool = False, **changes: Any) -> None:
        """Save a value or an `Output`, and write `changes` to the row in the same write.

        It takes two requests, and a third one if older entries move into the list.

        A stage's own checkpoint replaces the checkpoints that were saved within the stage, unless the stage must run
        again because its output is not kept.

        Raises `Fail` (`checkpoint_invalid`, `checkpoint_too_large`, `checkpoints_too_many`), and `Stopped` if the lease
        is lost.
        """
        body = value.body if isinstance(value, Output) else json_bytes(name, value)
        content_digest = hashlib.sha256(body).hexdigest()[:16]
        digest = self._digest(name, survives_deploys=survives_deploys)
        with self._saving:
            self._saved += 1
            reference = f"{self._claimed.fence}.{self._saved}-{digest}-{content_digest}"
            replaces = "/" not in name and not (isinstance(value, Output) and not value.kept)
            entries = {
                known: entry
                for known, entry in self._entries.items()
                if not (replaces and known.startswith(f"{name}/"))
            }
            if name not in entries and len(entries) >= MAX_NAMES:
                raise Fail(
                    "checkpoints_too_many",
                    f"{name}: a job has at most {MAX_NAMES} checkpoints; use `job.each` for many items",
                )
            self._artifacts.write(self._key(reference), body, "application/json")
            self._write_entries({**entries, name: reference}, name, changes)
            self._series.clear()  # the stage may have replaced its series
            self.gained += self._is_progress(name, digest, content_digest)

    def load_item(self, series: str, number: int, item: Any, *, survives_deploys: bool = False) -> Any:
        """Return the output of an item of a series as JSON; `MISSING` if this item has no checkpoint.

        Raises `Fail` (`checkpoint_invalid`) if the item is not JSON.
        """
        return self.load_by_key(self.item_key(series, number, item, survives_deploys=survives_deploys))

    def save_item(self, series: str, number: int, item: Any, value: Any, *, survives_deploys: bool = False) -> None:
        """Save the output of an item of a series: JSON or an `Output`. The item is JSON. Raises as `save`."""
        self.save_by_key(self.item_key(series, number, item, survives_deploys=survives_deploys), value)

    def item_key(self, series: str, number: int, item: Any, *, survives_deploys: bool = False) -> ItemKey:
        """Return what identifies the checkpoint of an item, as the item is now: the work on it may change it.

        Raises `Fail` (`checkpoint_invalid`) if the item is not JSON.
        """
        series_digest = self._digest(series, survives_deploys=survives_deploys)
        body = json_bytes(f"item {number}", item).decode()
        return ItemKey(series, series_digest, number, _hash(f"{series_digest}\n{number}\n{body}"))

    def load_by_key(self, key: ItemKey) -> Any:
        """Return the output of an item as JSON; `MISSING` if this item has no checkpoint."""
        fence = self._finished(key.series, key.series_digest).fence(key.number)
        return MISSING if fence is None else self._read(f"{fence}-{key.digest}")

    def save_by_key(self, key: ItemKey, value: Any) -> None:
        """Save the output of an item: JSON or an `Output`. Raises as `save`."""
        series, series_digest, number, digest = key
        body = value.body if isinstance(value, Output) else json_bytes(f"{series} of item {number}", value)
        fence = self._claimed.fence
        self._artifacts.write(self._key(f"{fence}-{digest}"), body, "application/json")
        with self._saving:
            finished = self._finished(series, series_digest).with_item(number, fence)
            self._write_entries({**self._entries, series: str(finished)}, series, {})
            self._series[series_digest] = finished
            self.gained += not self._was_finished(series, number, series_digest)

    def item_numbers(self, series: str, *, survives_deploys: bool = False) -> list[int]:
        """Return the numbers of the items of a series that have a checkpoint, in order."""
        digest = self._digest(series, survives_deploys=survives_deploys)
        return self._finished(series, digest).numbers()

    def has_room_for(self, series: str) -> bool:
        """Tell whether the library may add the entry of this series. Half of the entries are for the analysis's own."""
        return series in self._entries or len(self._entries) < MAX_NAMES // 2

    def _finished(self, series: str, digest: str) -> SeriesEntry:
        """Return the finished items of a series. The entry of the row is parsed once."""
        if digest not in self._series:
            # `setdefault`, because another thread may have parsed the entry and saved an item meanwhile.
            self._series.setdefault(digest, SeriesEntry.parse(self._entries.get(series, ""), digest))
        return self._series[digest]

    def _was_finished(self, series: str, number: int, digest: str) -> bool:
        """Tell whether the item had a checkpoint when the job was claimed."""
        if digest not in self._claimed_series:
            claimed = self._at_claim.get(series, "")
            self._claimed_series[digest] = SeriesEntry.parse(claimed, digest)
        return self._claimed_series[digest].fence(number) is not None

    @property
    def _entries(self) -> dict[str, str]:
        """The entries of the row and of the list, by name."""
        return self._list.entries

    def _write_entries(self, entries: dict[str, str], name: str, changes: Mapping[str, Any]) -> None:
        """Write the entries, of which `name` is new, and the changes."""
        self._list.save(entries, name, lambda in_row: self._write({"checkpoints": in_row, **changes}))

    def _is_progress(self, name: str, digest: str, content_digest: str) -> bool:
        """Tell whether a saved checkpoint brings the job further than it was when it was claimed.

        It does if the row had no valid checkpoint of this name. It also does if this attempt loaded the old value and
        saved another one. Repeated work is not progress: a job that only repeats itself would otherwise continue in one
        paid invocation after the other until its deadline.
        """
        claimed = self._at_claim.get(name, "")
        if f"-{digest}-" not in claimed:
            return True
        return name in self._loaded_names and not claimed.endswith(f"-{content_digest}")

    def _read(self, reference: str) -> Any:
        try:
            value = json.loads(self._artifacts.read(self._key(reference), MAX_PAYLOAD_BYTES))
        except NotFound:
            return MISSING  # the bucket's lifecycle rule deleted it: repeat the work
        return MISSING if value == NOT_KEPT else value

    def _key(self, reference: str) -> str:
        return f"{job_folder(self._claimed)}/checkpoints/{reference}.json"

    def _digest(self, name: str, *, survives_deploys: bool) -> str:
        # The input can have megabytes: it is hashed once for a series, not once for each item.
        known = self._digests.get((name, survives_deploys))
        if known is None:
            version = "" if survives_deploys else self._claimed.code_version
            known = self._digests[name, survives_deploys] = _hash(f"{name}\n{version}\n{self._input}")
        return known


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
