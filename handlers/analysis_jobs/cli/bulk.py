"""The command `redrive`: runs it, and prints its report."""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from analysis_jobs.base.clock import SystemClock
from analysis_jobs.cli.dead_letters import DeadLetters, QueueReport, region_of
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.cli.redrive import Filters, Outcome, Redrive, StoppedError, code_of
from analysis_jobs.cli.screen import INTERRUPTED, Screen, table
from analysis_jobs.client.http import Client

_FIRST = 5


def redrive(client: Client, screen: Screen, options: argparse.Namespace, tenant: str | None) -> int:
    """Run failed jobs again, then clean up the dead-letter queues. Return 0 only if every selected job was retried."""
    # A dry run reads an existing state file, but never creates one.
    path = options.state if options.apply or (options.state and options.state.exists()) else None
    with Ledger(path, client.url) as ledger:
        run = Redrive(
            client,
            Filters(frozenset(options.analysis), frozenset(options.error_code), options.since, options.until),
            ledger,
            SystemClock(),
            apply=options.apply,
            limit=options.limit,
            spacing=timedelta(seconds=1 / options.rate),
            on_progress=screen.live,
        )
        queues = [QueueReport(url) for url in options.dead_letter_queue]
        stopped, code = _run(run, queues, tenant)
    screen.live("")
    screen.answer(_as_json(run, queues, stopped), _lines(run, queues))
    if stopped:
        screen.note(stopped)
    return code or int(bool(run.troubles))


def _run(run: Redrive, queues: list[QueueReport], tenant: str | None) -> tuple[str, int]:
    """Run it all. Return why it stopped early ("" if it did not), and the exit status."""
    try:
        run.run()
        for report in queues:
            sqs = boto3.client("sqs", region_name=region_of(report.queue_url))
            DeadLetters(sqs, run, tenant).clean_up(report)
    except (StoppedError, BotoCoreError) as error:
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
    return Counter((job["analysis"], code_of(job)) for job in run.found.values())


def _lines(run: Redrive, queues: list[QueueReport]) -> Iterator[str]:
    groups = _groups(run).most_common()
    yield from table(("analysis", "error code", "jobs"), [(*group, number) for group, number in groups])
    yield ""
    if first := list(run.found.values())[:_FIRST]:
        rows = [(job["job_id"], job["created_at"], code_of(job), (job["error"] or {}).get("message")) for job in first]
        yield from table(("first jobs", "submitted", "error code", "message"), rows)
        yield ""
    yield ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in _counts(run).items())
    yield from (f"{trouble.outcome}: {trouble.job_id}: {trouble.why}" for trouble in run.troubles)
    for report in queues:
        yield from _queue_lines(report, applied=run.apply)
    if not run.apply:
        yield "Nothing was changed. Add --apply to run these jobs again and to delete the dead letters marked above."


def _queue_lines(report: QueueReport, *, applied: bool) -> Iterator[str]:
    yield f"\nDead letters of {report.queue_url}: {report.fates.total()}"
    gone = "deleted" if applied else "would be deleted"
    rows = [(fate, number, gone if fate.accounted_for else "left") for fate, number in report.fates.most_common()]
    if rows:
        yield from table(
            ("state of the job", "messages", "action"), [(str(fate).replace("_", " "), *row) for fate, *row in rows]
        )
    for message in report.left:
        yield f"left in the queue: {message['message_id']} {message['why'].replace('_', ' ')}: {message['body']!r}"
    if report.hidden:
        yield (
            f"About {report.hidden} more messages are in flight: another consumer holds them, or a redrive that was"
            " killed. A redrive's messages become visible within 5 minutes: run this command again then."
        )
