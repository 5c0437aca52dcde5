"""What a redrive has done, in a file: one that is killed goes on where it was, and runs no job again twice.

A line is written before a job is asked to run again, and one after. What is remembered is not the job but its failure,
named by the moment at which it ended: where only the first line is there, the job tells whether it was asked.
"""

import json
import os
from pathlib import Path
from typing import IO, Self

from analysis_jobs.client.http import Job


class LedgerError(Exception):
    """The file is not what a redrive has written."""


class Ledger:
    """The jobs that were asked to run again, and those known to have been; without a path in memory only."""

    def __init__(self, path: Path | None, api: str) -> None:
        """Open, or begin, the file of a redrive of the API at this URL. Raises LedgerError, OSError."""
        self._asked: dict[str, str | None] = {}
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
        """How many jobs were run again."""
        return len(self._done)

    @property
    def unsettled(self) -> list[str]:
        """The jobs of which nobody knows whether the API heard that they should run again."""
        return [job_id for job_id in self._asked if job_id not in self._done]

    def has_done(self, job_id: str) -> bool:
        """Tell whether the job was run again already."""
        return job_id in self._done

    def was_run(self, job: Job) -> bool:
        """Tell whether a job that was asked has heard it: it no longer is the failed job that it was."""
        return job["status"] != "failed" or job.get("finished_at") != self._asked[job["job_id"]]

    def ask(self, job: Job) -> None:
        """Note that a failed job is about to be asked."""
        self._asked[job["job_id"]] = job.get("finished_at")
        self._write({"asked": job["job_id"], "finished_at": job.get("finished_at")})

    def finish(self, job_id: str) -> None:
        """Note that the job was run again."""
        self._done.add(job_id)
        self._write({"run_again": job_id})

    def drop(self, job_id: str) -> None:
        """Note that the job was not run again: it may be asked another time."""
        self._asked.pop(job_id, None)
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
        # A line without its end: killed while it was written. What it says was not yet begun, or is found out.
        whole = written[: written.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines()[1:], 2):
            try:
                self._take(json.loads(line))
            except ValueError as error:
                raise LedgerError(f"{path}, line {number}: not written by a redrive") from error
        self._file = path.open("ab")
        self._file.truncate(len(whole))
        if not whole:
            self._file.write(heading)

    def _take(self, entry: object) -> None:
        match entry:
            case {"asked": str(job_id), "finished_at": str() | None as finished_at}:
                self._asked[job_id] = finished_at
            case {"run_again": str(job_id)}:
                self._done.add(job_id)
            case {"not_run_again": str(job_id)}:
                self._asked.pop(job_id, None)
            case _:
                raise ValueError("not an entry")
