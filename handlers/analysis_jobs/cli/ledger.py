"""The state file of a redrive. A redrive that was killed continues with it, and retries no failure twice.

Each retry writes one line before the request and one after the answer. The first line records when the job failed
(`finished_at`). If the second line is missing, the job's present state tells whether the request arrived.
"""

import json
import os
from pathlib import Path
from typing import IO, Self

from analysis_jobs.client import JobInfo


class LedgerError(Exception):
    """The file is not the state file of a redrive of this API."""


class Ledger:
    """Records which jobs were requested to run again, and which were confirmed. Without a path, in memory only."""

    def __init__(self, path: Path | None, api: str) -> None:
        """Open or create the state file for the API at this URL. Raises `LedgerError` and `OSError`."""
        self._requested: dict[str, str | None] = {}
        self._done: set[str] = set()
        self._file: IO[bytes] | None = None
        if path:
            self._open(path, api)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    @property
    def done(self) -> int:
        """The number of jobs that were run again."""
        return len(self._done)

    @property
    def unconfirmed(self) -> list[str]:
        """The jobs with a request that got no answer: the API may or may not have received it."""
        return [job_id for job_id in self._requested if job_id not in self._done]

    def has_done(self, job_id: str) -> bool:
        """Tell whether the job was already run again."""
        return job_id in self._done

    def was_run(self, job: JobInfo) -> bool:
        """Tell whether an unconfirmed request arrived: the job has changed since the failure that was recorded."""
        return job.status != "failed" or _finished_at(job) != self._requested[job.job_id]

    def record_request(self, job: JobInfo) -> None:
        """Record that the retry of a failed job is about to be requested."""
        finished_at = self._requested[job.job_id] = _finished_at(job)
        self._write({"asked": job.job_id, "finished_at": finished_at})

    def record_success(self, job_id: str) -> None:
        """Record that the job was run again."""
        self._done.add(job_id)
        self._write({"run_again": job_id})

    def record_refusal(self, job_id: str) -> None:
        """Record that the job was not run again. It may be requested again."""
        self._requested.pop(job_id, None)
        self._write({"not_run_again": job_id})

    def _write(self, entry: dict[str, str | None]) -> None:
        if self._file:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _open(self, path: Path, api: str) -> None:
        heading = json.dumps({"redrive_of": api}).encode() + b"\n"
        written = path.read_bytes() if path.exists() else b""
        if not heading.startswith(written) and not written.startswith(heading):
            raise LedgerError(f"{path} was not written by a redrive of {api}: give another --state")
        # Drop an unfinished last line: the redrive was killed while it wrote. An unconfirmed request is resolved later.
        whole = written[: written.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines()[1:], 2):
            try:
                self._apply(json.loads(line))
            except ValueError as error:
                raise LedgerError(f"{path}, line {number}: not written by a redrive; give another --state") from error
        self._file = path.open("ab")
        self._file.truncate(len(whole))
        if not whole:
            self._file.write(heading)

    def _apply(self, entry: object) -> None:
        match entry:
            case {"asked": str(job_id), "finished_at": str() | None as finished_at}:
                self._requested[job_id] = finished_at
            case {"run_again": str(job_id)}:
                self._done.add(job_id)
            case {"not_run_again": str(job_id)}:
                self._requested.pop(job_id, None)
            case _:
                raise ValueError("not an entry")


def _finished_at(job: JobInfo) -> str | None:
    """Return the time as the API writes it. Two failures of a job differ in it."""
    return job.raw.get("finished_at")
