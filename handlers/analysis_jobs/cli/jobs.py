"""The commands for single jobs: submit, status, download, list, cancel, retry."""

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.cli.screen import Bar, Screen, table
from analysis_jobs.client.http import CallError, Client, Job

_PAGE = 100
# The files have lines of their own. The client has read the result from its URL.
_NOT_DESCRIBED = {"files", "result_url", "result_url_expires_at"}
_LISTED = ("job_id", "analysis", "status", "progress", "created_at", "subject", "error")


def submit(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Submit a job. With `--wait`, wait for its end: only `completed` is a success then."""
    document = {"document": client.upload(options.document)} if options.document else {}
    names = ("subject", "priority", "trigger", "client", "project")
    members = {name: value for name in names if (value := getattr(options, name)) is not None}
    # If the answer is lost, the client sends the request again: with the same key, it finds the job of the first try.
    key = options.idempotency_key or str(uuid4())
    job = client.submit(options.analysis, options.input | document, idempotency_key=key, **members)
    why = f"{job['outcome']}: {reason['message']}" if (reason := job.get("reason")) else ""
    if job["job_id"] is None:
        screen.answer(job, [why])
        return 1
    if not options.wait:
        screen.answer(job, [f"{job['job_id']} {job['status']}  {why}".rstrip()])
        return 0
    screen.note(f"Submitted {options.analysis} as job {job['job_id']}")
    return _follow(client, screen, job["job_id"], options.timeout_s)


def status(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Show a job. With `--wait`, wait for its end: only `completed` is a success then."""
    if options.wait:
        return _follow(client, screen, options.job_id, options.timeout_s)
    job = client.job(options.job_id)
    screen.answer(job, _described(job))
    return 0


def download(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Save a job's files, or one named file, in a folder."""
    names = [options.name] if options.name else sorted(client.job(options.job_id)["files"])
    if not names:
        screen.note(f"Job {options.job_id} has no files.")
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    done = []
    for name in names:
        content = client.download(options.job_id, name)
        target = options.to / Path(name).name  # the server's answer must not choose the folder
        target.write_bytes(content)
        done.append({"name": name, "path": str(target), "size": len(content)})
    screen.answer({"files": done}, (f"{file['path']}  {file['size']} bytes" for file in done))
    return 0


def list_(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Show jobs, newest first."""
    filters = {
        "status": options.status,
        "client": options.client,
        "subject": options.subject,
        "from": rfc3339(options.since) if options.since else None,
        "to": rfc3339(options.until) if options.until else None,
        "limit": min(options.limit, _PAGE),
    }
    jobs = list(islice(client.jobs(**filters), options.limit))
    rows = [[_error_text(job) if name == "error" else job.get(name) for name in _LISTED] for job in jobs]
    screen.answer({"jobs": jobs}, table(_LISTED, rows))
    return 0


def cancel(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Cancel jobs. The worker of a running job is asked to stop."""
    return _each(client.cancel, screen, options.job_id)


def retry(client: Client, screen: Screen, options: argparse.Namespace) -> int:
    """Run failed or cancelled jobs again."""
    return _each(client.retry, screen, options.job_id)


def _each(ask: Callable[[str], Job], screen: Screen, job_ids: list[str]) -> int:
    """Send one request per job. A refusal does not stop the rest."""
    done: list[dict[str, Any]] = []
    for job_id in job_ids:
        try:
            done.append(ask(job_id))
        except CallError as error:
            done.append({"job_id": job_id, "status": "refused", "detail": str(error)})
    screen.answer({"jobs": done}, (f"{job['job_id']} {job['status']}{_why(job)}" for job in done))
    return int(any(job["status"] == "refused" for job in done))


def _why(job: Job) -> str:
    return f": {job['detail']}" if "detail" in job else ""


def _follow(client: Client, screen: Screen, job_id: str, timeout_s: float) -> int:
    bar = Bar(screen)
    try:
        job = client.ended(job_id, timeout_s=timeout_s, poll_s=1, on_status=bar.update)
    finally:
        bar.close()
    screen.answer(job, _described(job))
    return int(job["status"] != "completed")


def _described(job: Job) -> list[str]:
    shown = {name: value for name, value in job.items() if name not in _NOT_DESCRIBED}
    rows = [(name, value) for name, value in _leaves(shown) if name != "history"]
    rows += [("file", f"{name}  {file['size']} bytes") for name, file in (job.get("files") or {}).items()]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {value}" for name, value in rows]


def _leaves(value: Job, above: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path, such as `error.code`, and value of each field that is set. A list is one value."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{above}{name}.")
        elif item not in (None, []):
            yield f"{above}{name}", item


def _error_text(job: Job) -> str:
    error = job.get("error") or {}
    return f"{error.get('code')}: {error.get('message')}" if error else ""
