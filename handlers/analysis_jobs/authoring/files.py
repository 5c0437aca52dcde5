"""The named files of a job, which callers can download.

A file is an artifact. Its key contains the fencing token of the worker that saved it. The row lists the files of the
job. The list is written with the next fenced write, at the latest when the stage ends. So callers never see a file of
a worker that lost its lease, and a file costs no extra write of the row.
"""

import json
import re
from collections.abc import Mapping
from threading import Lock
from typing import Any

from pydantic_core import to_jsonable_python

from analysis_jobs.base.error_facts import reason
from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.documents import safe_filename
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord, StoredFile

# Every file is an entry of the row, and DynamoDB charges every write by the size of the row.
MAX_FILES = 25
MAX_FILE_BYTES = 50_000_000
# Stands for the fencing token of a file that `write_once` saved. Real tokens start at 1.
_WRITE_ONCE_FENCE = 0
_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}(; charset=[a-z0-9-]{1,20})?")


class Files:
    """The files of a job, as one attempt sees and saves them. It starts with the files of earlier attempts."""

    def __init__(self, claimed: JobRecord, artifacts: ArtifactStore) -> None:
        self._claimed = claimed
        self._artifacts = artifacts
        self._files = dict(claimed.files)
        self._changed = False
        self._saving = Lock()  # a stage may save files in threads

    def changes(self) -> Mapping[str, Any]:
        """Return the change for the row; nothing if this attempt saved no file."""
        return {"files": dict(self._files)} if self._changed else {}

    def save(self, name: str, content: bytes, content_type: str) -> None:
        """Save a file. It replaces a file of this name. It takes one request.

        Raises `Fail` (`file_name_invalid`, `file_too_large`, `files_too_many`), and `ConfigurationError` for an invalid
        content type.
        """
        self._check(name, content, content_type)
        stored = StoredFile(self._claimed.fence, len(content), content_type)
        self._artifacts.write(file_key(self._claimed, name, stored), content, content_type)
        self._add(name, stored)

    def save_once(self, name: str, content: bytes, content_type: str) -> bool:
        """Save a file unless an earlier call saved one of this name. Return whether it was saved. Raises as `save`.

        It takes one request; two if the artifact exists but the row does not list it.
        """
        self._check(name, content, content_type)
        stored = StoredFile(_WRITE_ONCE_FENCE, len(content), content_type)
        key = file_key(self._claimed, name, stored)
        if self._artifacts.write_once(key, content, content_type):
            self._add(name, stored)
            return True
        known = self._files.get(name)
        if known is None or known.fence != _WRITE_ONCE_FENCE:  # its worker died before it could write the row
            size = len(self._artifacts.read(key, MAX_FILE_BYTES))
            self._add(name, StoredFile(_WRITE_ONCE_FENCE, size, content_type))
        return False

    def _check(self, name: str, content: bytes, content_type: str) -> None:
        if (valid := safe_filename(name)) != name:
            raise Fail(
                "file_name_invalid",
                f"file name {name!r}: give up to 128 letters, digits, dots, hyphens and underscores, as {valid!r}",
            )
        if not _CONTENT_TYPE.fullmatch(content_type):
            raise ConfigurationError(f"file {name}: {content_type!r} is not a content type; give one like text/plain")
        if len(content) > MAX_FILE_BYTES:
            raise Fail("file_too_large", f"{name} has {len(content)} bytes; the limit is {MAX_FILE_BYTES}")
        if name not in self._files and len(self._files) >= MAX_FILES:
            raise Fail("files_too_many", f"{name}: a job has at most {MAX_FILES} files; put several into one archive")

    def _add(self, name: str, stored: StoredFile) -> None:
        with self._saving:
            self._files = {**self._files, name: stored}
            self._changed = True


def file_key(job: JobRecord, name: str, stored: StoredFile) -> str:
    """Return the key of a job's file in the bucket."""
    path = name if stored.fence == _WRITE_ONCE_FENCE else f"{stored.fence}/{name}"
    return f"{job_folder(job)}/files/{path}"


def json_file(name: str, value: Any) -> bytes:
    """Return a value (JSON, models, dates) as indented JSON. Raises `Fail` (`file_invalid`) if it is not JSON."""
    try:
        text = json.dumps(to_jsonable_python(value), ensure_ascii=False, allow_nan=False, indent=2)
        return f"{text}\n".encode()
    except ValueError as error:
        raise Fail("file_invalid", f"{name} is not JSON: {reason(error)}") from error
