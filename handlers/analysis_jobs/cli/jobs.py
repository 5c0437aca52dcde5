"""The commands for single jobs: submit, status, download, list, cancel, retry."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.text import Text

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.cli import readable
from analysis_jobs.cli.analyses import require_analysis
from analysis_jobs.cli.options import (
    CaBundle,
    JobId,
    JobIds,
    Json,
    Since,
    TimeoutS,
    Until,
    Url,
    Wait,
    json_object,
    positive,
)
from analysis_jobs.cli.screen import Bar, Screen, status_text, table
from analysis_jobs.cli.session import session
from analysis_jobs.client.http import ApiError, CallError, Client, Job
from analysis_jobs.jobs.transitions import Status

_PAGE = 100
_UNAUTHORIZED = 401
_LISTED = ("job_id", "analysis", "status", "progress", "created_at", "subject", "error")


def submit(
    analysis: Annotated[str, typer.Argument(help="Name of the analysis.", show_default=False)],
    document: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to upload. It becomes the input's field `document`.")
    ] = None,
    input_: Annotated[
        dict[str, Any] | None,
        typer.Option(
            "--input",
            metavar="JSON",
            parser=json_object,
            help="The input as a JSON object. With --document: its other fields.",
        ),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="What the job analyses, for example books/42.")] = None,
    priority: Annotated[str | None, typer.Option(help="Queue of the job, for example high. Default: medium.")] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Name of the trigger, for an analysis that declares triggers.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="Client to file the job under. `list --client` finds it.")] = None,
    project: Annotated[str | None, typer.Option(help="Project to file the job under.")] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Key of this request. For a day, the same key and input return the same job. Default: a random key.",
        ),
    ] = None,
    wait: Wait = False,
    timeout_s: TimeoutS = 3600,
    json: Json = False,
    url: Url = None,
    ca_bundle: CaBundle = None,
) -> None:
    """Submit a job."""
    members = {"subject": subject, "priority": priority, "trigger": trigger, "client": client, "project": project}
    with session(url, ca_bundle, as_json=json) as now:
        given = input_ or {}
        if document:
            # A wrong name must not cost the time of an upload.
            require_analysis(now.client, analysis)
            given = given | {"document": now.client.upload(document)}
        # If the answer is lost, the client sends the request again. With the same key, it finds the first job.
        job = now.client.submit(
            analysis,
            given,
            idempotency_key=idempotency_key or str(uuid4()),
            **{name: value for name, value in members.items() if value is not None},
        )
        _end(_submitted(now.client, now.screen, job, analysis, timeout_s if wait else None))


def status(
    job_id: JobId,
    wait: Wait = False,
    timeout_s: TimeoutS = 3600,
    json: Json = False,
    url: Url = None,
    ca_bundle: CaBundle = None,
) -> None:
    """Show a job, with its result and its files."""
    with session(url, ca_bundle, as_json=json) as now:
        if wait:
            _end(_follow(now.client, now.screen, job_id, timeout_s))
        job = now.client.job(job_id)
        now.screen.answer(job, readable.job(job))


def download(
    job_id: JobId,
    name: Annotated[str | None, typer.Argument(help="Name of one file. Default: all files.")] = None,
    to: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to save in. Default: the current one.", show_default=False)
    ] = Path(),
    json: Json = False,
    url: Url = None,
    ca_bundle: CaBundle = None,
) -> None:
    """Save a job's files."""
    with session(url, ca_bundle, as_json=json) as now:
        names = [name] if name else sorted(now.client.job(job_id)["files"])
        if not names:
            now.screen.note(f"Job {job_id} has no files.")
            raise typer.Exit(1)
        to.mkdir(parents=True, exist_ok=True)
        done = []
        for each in names:
            content = now.client.download(job_id, each)
            target = to / Path(each).name  # the server's answer must not choose the folder
            target.write_bytes(content)
            done.append({"name": each, "path": str(target), "size": len(content)})
        now.screen.answer({"files": done}, (Text(f"{file['path']}  {file['size']} bytes") for file in done))


def list_(
    status: Annotated[Status | None, typer.Option(help="Only jobs with this status.")] = None,
    client: Annotated[str | None, typer.Option(help="Only jobs filed under this client.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only jobs with this subject, for example books/42.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(metavar="N", callback=positive, help="Show at most N jobs.")] = 50,
    json: Json = False,
    url: Url = None,
    ca_bundle: CaBundle = None,
) -> None:
    """Show jobs, newest first."""
    with session(url, ca_bundle, as_json=json) as now:
        filters = {
            "status": str(status) if status else None,
            "client": client,
            "subject": subject,
            "from": rfc3339(since) if since else None,
            "to": rfc3339(until) if until else None,
            "limit": min(limit, _PAGE),
        }
        jobs = list(islice(now.client.jobs(**filters), limit))
        rows = [[readable.error_text(job) if name == "error" else job.get(name) for name in _LISTED] for job in jobs]
        now.screen.answer({"jobs": jobs}, [table(_LISTED, rows, whole=("job_id", "status"))])


def cancel(job_id: JobIds, json: Json = False, url: Url = None, ca_bundle: CaBundle = None) -> None:
    """Cancel jobs. The worker of a running job is asked to stop."""
    with session(url, ca_bundle, as_json=json) as now:
        _end(_each(now.client.cancel, now.screen, job_id))


def retry(job_id: JobIds, json: Json = False, url: Url = None, ca_bundle: CaBundle = None) -> None:
    """Run failed or cancelled jobs again."""
    with session(url, ca_bundle, as_json=json) as now:
        _end(_each(now.client.retry, now.screen, job_id))


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _submitted(client: Client, screen: Screen, job: Job, analysis: str, timeout_s: float | None) -> int:
    """Show a submission. With `timeout_s`, wait for the job's end: only `completed` is a success then."""
    why = f"{job['outcome']}: {reason['message']}" if (reason := job.get("reason")) else ""
    if job["job_id"] is None:
        screen.answer(job, [Text(why)])
        return 1
    if timeout_s is None:
        screen.answer(job, [Text(f"{job['job_id']} ").append_text(status_text(job["status"])).append(f"  {why}")])
        return 0
    screen.note(f"Submitted {analysis} as job {job['job_id']}")
    return _follow(client, screen, job["job_id"], timeout_s)


def _each(ask: Callable[[str], Job], screen: Screen, job_ids: list[str]) -> int:
    """Send one request per job. A refusal does not stop the rest."""
    done: list[dict[str, Any]] = []
    for job_id in job_ids:
        try:
            done.append(ask(job_id))
        except CallError as error:
            if isinstance(error, ApiError) and error.status == _UNAUTHORIZED:
                raise  # the token, not the job
            done.append({"job_id": job_id, "status": "refused", "detail": str(error)})
    screen.answer({"jobs": done}, map(_outcome, done))
    return int(any(job["status"] == "refused" for job in done))


def _outcome(job: Job) -> Text:
    shown = Text(f"{job['job_id']} ").append_text(status_text(job["status"]))
    return shown.append(f": {job['detail']}") if "detail" in job else shown


def _follow(client: Client, screen: Screen, job_id: str, timeout_s: float) -> int:
    bar = Bar(screen)
    try:
        job = client.ended(job_id, timeout_s=timeout_s, poll_s=1, on_status=bar.update)
    finally:
        bar.close()
    screen.answer(job, readable.job(job))
    return int(job["status"] != "completed")
