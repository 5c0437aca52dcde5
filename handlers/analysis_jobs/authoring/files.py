"""The named files of a job: what a caller downloads.

A file is an artifact under the fencing token of whoever made it; that it is the job's is said by the row, in the next
fenced write, which is at the latest the one that ends its stage. So what a stale worker leaves in the bucket is never
shown, a file is there as soon as its stage counts as done, and none costs a write of the row for itself.
"""

import json
import re
from collections.abc import Mapping
from threading import Lock
from typing import Any

from pydantic_core import to_jsonable_python

from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.documents import safe_filename
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord, StoredFile

# Each is an entry of the row, and every write of a row pays for its size.
MAX_FILES = 25
MAX_FILE_BYTES = 50_000_000
# The token of a file that stays whoever writes next; claims count from 1.
ONCE = 0
_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}(; charset=[a-z0-9-]{1,20})?")


class Files:
    """The files of one attempt, those of earlier ones included."""

    def __init__(self, claimed: JobRecord, artifacts: ArtifactStore) -> None:
        self._claimed = claimed
        self._artifacts = artifacts
        self._kept = dict(claimed.files)
        self._changed = False
        self._saving = Lock()  # a stage may save in threads

    def changes(self) -> Mapping[str, Any]:
        """Return what a write of the row must say of the files."""
        return {"files": dict(self._kept)} if self._changed else {}

    def save(self, name: str, content: bytes, content_type: str) -> None:
        """Keep a file; one of this name that was kept before is replaced. One request.

        Raises `Fail`: `file_name_invalid`, `file_too_large`, `files_too_many`.
        """
        self._check(name, content, content_type)
        stored = StoredFile(self._claimed.fence, len(content), content_type)
        self._artifacts.write(file_key(self._claimed, name, stored), content, content_type)
        self._keep(name, stored)

    def save_once(self, name: str, content: bytes, content_type: str) -> bool:
        """Keep a file unless there is one; return whether there was none. One request, two where there was one."""
        self._check(name, content, content_type)
        stored = StoredFile(ONCE, len(content), content_type)
        key = file_key(self._claimed, name, stored)
        if self._artifacts.write_once(key, content, content_type):
            self._keep(name, stored)
            return True
        known = self._kept.get(name)
        if known is None or known.fence != ONCE:  # whoever wrote it was gone before the row could say so
            size = len(self._artifacts.read(key, MAX_FILE_BYTES))
            self._keep(name, StoredFile(ONCE, size, content_type))
        return False

    def _check(self, name: str, content: bytes, content_type: str) -> None:
        if safe_filename(name) != name:
            raise Fail("file_name_invalid", f"{name!r}: give letters, digits, dot, hyphen and underscore")
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise ConfigurationError(f"file {name}: {content_type!r} is no content type, as text/plain is one")
        if len(content) > MAX_FILE_BYTES:
            raise Fail("file_too_large", f"{name} has {len(content)} bytes; at most {MAX_FILE_BYTES} are kept")
        if name not in self._kept and len(self._kept) >= MAX_FILES:
            raise Fail("files_too_many", f"{name}: a job keeps {MAX_FILES} files; put them into one archive")

    def _keep(self, name: str, stored: StoredFile) -> None:
        with self._saving:
            self._kept = {**self._kept, name: stored}
            self._changed = True


def file_key(job: JobRecord, name: str, stored: StoredFile) -> str:
    """Return where a file of a job is in the bucket."""
    within = name if stored.fence == ONCE else f"{stored.fence}/{name}"
    return f"{job_folder(job)}/files/{within}"


def json_file(name: str, value: Any) -> bytes:
    """Return a value (JSON, models, dates) as a text that a person can read. Raises `Fail` for what is no JSON."""
    try:
        text = json.dumps(to_jsonable_python(value), ensure_ascii=False, allow_nan=False, indent=2)
        return f"{text}\n".encode()
    except ValueError as error:
        raise Fail("file_invalid", f"{name} is no JSON: {error}") from error
