"""The command `redrive`: runs it, and prints its report."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from analysis_jobs.base.clock import SystemClock
from analysis_jobs.cli import options
from analysis_jobs.cli.audited import on_record, stack_of_environment
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.cli.options import Since, Until
from analysis_jobs.cli.redrive import Filters, Outcome, Redrive, StoppedError, code_of
from analysis_jobs.cli.reports import QueueReport
from analysis_jobs.cli.screen import INTERRUPTED, Screen, table
from analysis_jobs.cli.session import Session, aws_extra, calls_api
from analysis_jobs.cli.tokens import tenant_of

_FIRST = 5


@calls_api
def redrive(
    now: Session,
    analysis: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only jobs of this analysis. Repeatable.")
    ] = None,
    error_code: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Only jobs that failed with this error code. Repeatable.")
    ] = None,
    dead_letter_queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Also clean up this queue, with your AWS credentials: delete each message that its job no longer "
            "needs. Repeatable.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=options.positive,
            help="Run at most N jobs again, including those recorded in --state.",
        ),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Make the changes. Without it, this is a dry run that only reports.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to record progress in. Give the same file to continue a redrive that was stopped.",
        ),
    ] = None,
    rate: Annotated[float, typer.Option(metavar="N", callback=options.rate, help="Jobs per second.")] = 5.0,
    tenant_claim: Annotated[
        str, typer.Option(metavar="NAME", help="The claim of the token that names the tenant.")
    ] = "tenant",
) -> None:
    """Run many failed jobs again, and clean up dead-letter queues.

    The exit status is 0 only if every selected job was run again.
    """
    # A dry run reads an existing state file, but never creates one.
    path = state if apply or (state and state.exists()) else None
    with Ledger(path, now.client.url) as ledger:
        run = Redrive(
            now.client,
            Filters(frozenset(analysis or ()), frozenset(error_code or ()), since, until),
            ledger,
            SystemClock(),
            apply=apply,
            limit=limit,
            spacing=timedelta(seconds=1 / rate),
            on_progress=now.screen.live,
        )
        queues = [QueueReport(queue) for queue in dead_letter_queue or ()]
        stopped, code = _run(run, queues, tenant_of(now.token, tenant_claim), now.screen)
    now.screen.live("")
    now.screen.answer(_as_json(run, queues, stopped), _shown(run, queues))
    if stopped:
        now.screen.note(stopped)
    if code or run.troubles:
        raise typer.Exit(code or 1)


def _run(run: Redrive, queues: list[QueueReport], tenant: str | None, screen: Screen) -> tuple[str, int]:
    """Run it all. Return why it stopped early ("" if it did not), and the exit status."""
    try:
        run.run()
        if queues:
            with aws_extra():
                from analysis_jobs.cli.dead_letters import clean_up  # noqa: PLC0415 - slow, and rarely needed
                from analysis_jobs.privacy.stack import StackError  # noqa: PLC0415 - as above

            try:
                stack = stack_of_environment()
            except StackError as error:
                raise StoppedError(str(error)) from error
            # Deletions are of messages that their jobs do not need, so they go on without a trail.
            known = stack and {report.queue_url for report in queues} <= set(stack.dead_letter_queues)
            with on_record(stack if known and run.apply else None, screen):
                clean_up(queues, run, tenant)
    except StoppedError as error:
        return f"Stopped: {error}", 1
    except KeyboardInterrupt:
        return "Stopped: interrupted", INTERRUPTED
    return "", 0


def _as_json(run: Redrive, queues: list[QueueReport], stopped: str) -> dict[str, Any]:
    return {
        "applied": run.apply,
        **_counts(run),
        "groups": [
            {"analysis": analysis, "error_code": code, "jobs": jobs} for (analysis, code), jobs in _groups(run).items()
        ],
        "troubles": [asdict(trouble) for trouble in run.troubles],
        "dead_letters": [
            {
                "queue_url": report.queue_url,
                "hidden": report.hidden,
                "accounted_for": {str(fate): number for fate, number in report.fates.items() if fate.accounted_for},
                "left": report.left,
            }
            for report in queues
        ],
        "stopped": stopped or None,
    }


def _counts(run: Redrive) -> dict[str, int]:
    return {
        "found": len(run.found),
        "run_again": run.count(Outcome.RUN_AGAIN),
        "already_running": run.count(Outcome.ALREADY_RUNNING),
        "refused": run.count(Outcome.REFUSED),
        "failed": run.count(Outcome.FAILED),
        "run_again_before": run.done_before,
    }


def _groups(run: Redrive) -> Counter[tuple[str, str]]:
    return Counter((job.analysis, code_of(job)) for job in run.found.values())


def _shown(run: Redrive, queues: list[QueueReport]) -> Iterator[RenderableType]:
    groups = _groups(run).most_common()
    yield table(("analysis", "error code", "jobs"), [(*group, number) for group, number in groups])
    yield ""
    if first := list(run.found.values())[:_FIRST]:
        rows = [(job.job_id, job.raw.get("created_at"), code_of(job), job.error and job.error.message) for job in first]
        yield table(("first jobs", "submitted", "error code", "message"), rows, whole=("first jobs",))
        yield ""
    yield Text(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in _counts(run).items()))
    yield from (Text(f"{trouble.outcome}: {trouble.job_id}: {trouble.why}") for trouble in run.troubles)
    for report in queues:
        yield from _queue_shown(report, applied=run.apply)
    if not run.apply:
        yield Text(
            "Nothing was changed. Add --apply to run these jobs again and to delete the dead letters marked above."
        )


def _queue_shown(report: QueueReport, *, applied: bool) -> Iterator[RenderableType]:
    yield Text(f"\nDead letters of {report.queue_url}: {report.fates.total()}")
    gone = "deleted" if applied else "would be deleted"
    rows = [(fate, number, gone if fate.accounted_for else "left") for fate, number in report.fates.most_common()]
    if rows:
        yield table(
            ("state of the job", "messages", "action"), [(str(fate).replace("_", " "), *row) for fate, *row in rows]
        )
    for message in report.left:
        yield Text(
            f"left in the queue: {message['message_id']} {message['why'].replace('_', ' ')}: {message['body']!r}"
        )
    if report.hidden:
        yield Text(
            f"About {report.hidden} more messages are in flight: another consumer holds them, or a redrive that was"
            " killed. A redrive's messages become visible within 5 minutes: run this command again then."
        )
