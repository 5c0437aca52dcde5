"""The commands for single jobs: submit, status, download, list, cancel, retry."""

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from analysis_jobs.cli import readable
from analysis_jobs.cli.analyses import require_analysis
from analysis_jobs.cli.options import (
    JobId,
    JobIds,
    Since,
    TimeoutS,
    Until,
    Wait,
    json_object,
    positive,
)
from analysis_jobs.cli.screen import Bar, Screen, status_text, table
from analysis_jobs.cli.session import Session, calls_api
from analysis_jobs.client import Client, ClientError, JobInfo, NotAdmitted, SubmitOptions, Unauthorized
from analysis_jobs.client.results import whole_answer
from analysis_jobs.jobs.transitions import Status

_LISTED = ("job_id", "analysis", "status", "progress", "created_at", "subject", "error")


@calls_api
def submit(
    now: Session,
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
) -> None:
    """Submit a job."""
    options: SubmitOptions = {
        "subject": subject,
        "priority": priority,
        "trigger": trigger,
        "client": client,
        "project": project,
        "idempotency_key": idempotency_key,
    }
    given = input_ or {}
    if document:
        # A wrong name must not cost the time of an upload.
        require_analysis(now.client, analysis)
        given = given | {"document": now.client.upload(document)}
    _end(_submit(now.client, now.screen, analysis, given, options, timeout_s if wait else None))


@calls_api
def status(
    now: Session,
    job_id: JobId,
    wait: Wait = False,
    timeout_s: TimeoutS = 3600,
) -> None:
    """Show a job, with its result and its files."""
    if wait:
        _end(_follow(now.client, now.screen, job_id, timeout_s))
    job = whole_answer(now.client, now.client.status(job_id))
    now.screen.answer(job, readable.job(job))


@calls_api
def download(
    now: Session,
    job_id: JobId,
    name: Annotated[str | None, typer.Argument(help="Name of one file. Default: all files.")] = None,
    to: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to save in. Default: the current one.", show_default=False)
    ] = Path(),
) -> None:
    """Save a job's files."""
    names = [name] if name else sorted(file.name for file in now.client.files(job_id))
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


@calls_api
def list_(
    now: Session,
    status: Annotated[Status | None, typer.Option(help="Only jobs with this status.")] = None,
    client: Annotated[str | None, typer.Option(help="Only jobs filed under this client.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only jobs with this subject, for example books/42.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(metavar="N", callback=positive, help="Show at most N jobs.")] = 50,
) -> None:
    """Show jobs, newest first."""
    found = now.client.list(
        status=str(status) if status else None, client=client, subject=subject, since=since, until=until
    )
    jobs = [job.raw for job in islice(found, limit)]
    rows = [[readable.error_text(job) if name == "error" else job.get(name) for name in _LISTED] for job in jobs]
    now.screen.answer({"jobs": jobs}, [table(_LISTED, rows, whole=("job_id", "status"))])


@calls_api
def cancel(now: Session, job_id: JobIds) -> None:
    """Cancel jobs. The worker of a running job is asked to stop."""
    _end(_each(now.client.cancel, now.screen, job_id))


@calls_api
def retry(now: Session, job_id: JobIds) -> None:
    """Run failed or cancelled jobs again."""
    _end(_each(now.client.retry, now.screen, job_id))


def _end(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _submit(
    client: Client,
    screen: Screen,
    analysis: str,
    job_input: dict[str, Any],
    options: SubmitOptions,
    timeout_s: float | None,
) -> int:
    """Submit a job, and show it. With `timeout_s`, wait for its end: only `completed` is a success then."""
    try:
        job = client.submit(analysis, job_input, **options)
    except NotAdmitted as error:
        answer = {"job_id": None, "status": None, "outcome": "skipped", "reason": error.reason}
        screen.answer(answer, [Text(f"skipped: {error}")])
        return 1
    if timeout_s is None:
        why = f"{job.outcome}: {job.reason['message']}" if job.reason else ""
        screen.answer(job.raw, [Text(f"{job.job_id} ").append_text(status_text(job.status)).append(f"  {why}")])
        return 0
    screen.note(f"Submitted {analysis} as job {job.job_id}")
    return _follow(client, screen, job.job_id, timeout_s)


def _each(ask: Callable[[str], JobInfo], screen: Screen, job_ids: list[str]) -> int:
    """Send one request per job. A refusal does not stop the rest."""
    done: list[Mapping[str, Any]] = []
    for job_id in job_ids:
        try:
            done.append(ask(job_id).raw)
        except Unauthorized:
            raise  # the token, not the job
        except ClientError as error:
            done.append({"job_id": job_id, "status": "refused", "detail": str(error)})
    screen.answer({"jobs": done}, map(_outcome, done))
    return int(any(job["status"] == "refused" for job in done))


def _outcome(job: Mapping[str, Any]) -> Text:
    shown = Text(f"{job['job_id']} ").append_text(status_text(job["status"]))
    return shown.append(f": {job['detail']}") if "detail" in job else shown


def _follow(client: Client, screen: Screen, job_id: str, timeout_s: float) -> int:
    bar = Bar(screen)
    try:
        job = client.wait(job_id, timeout_s=timeout_s, on_status=bar.update)
    finally:
        bar.close()
    answer = whole_answer(client, job)
    screen.answer(answer, readable.job(answer))
    return int(job.status != "completed")
