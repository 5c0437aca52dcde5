"""The command line `analysis-jobs`: its words, and what each of them calls."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis_jobs.cli import environment, jobs, prompt_options
from analysis_jobs.cli.ledger import LedgerError
from analysis_jobs.cli.screen import INTERRUPTED, Screen
from analysis_jobs.cli.tenants import tenant_of
from analysis_jobs.client.http import CallError, Client
from analysis_jobs.jobs.transitions import Status

# A call is tried this often while the API says 429 or 5xx, or nothing: for half a minute on average.
_TRIES = 6
_EPILOG = f"""
environment: {environment.URL_VARIABLE} the API's URL, {environment.TOKEN_VARIABLE} a token for it,
{environment.CA_BUNDLE_VARIABLE} a file of who is trusted; {environment.PROMPT_TABLE_VARIABLE} the table of prompts;
for prompts and dead-letter queues also what boto3 reads
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns 0 where it did what it was asked, 1 where not, 2 where the question was wrong."""
    options = _parser().parse_args(arguments)
    screen = Screen(options.json)
    if options.command == "prompts":
        from analysis_jobs.cli import prompts  # noqa: PLC0415 - boto3 takes longer to import than the rest to run

        return prompts.run(screen, options)
    try:
        token = environment.required(environment.TOKEN_VARIABLE, "the API wants a token")
        url = options.url or environment.required(environment.URL_VARIABLE, "where is the API? Or give --url")
        ca_bundle = environment.existing(options.ca_bundle) if options.ca_bundle else environment.ca_bundle()
    except environment.SettingMissingError as error:
        screen.note(str(error))
        return 2
    try:
        return _run(Client(url, token, ca_bundle=ca_bundle, tries=_TRIES), screen, options, token)
    except (CallError, LedgerError, TimeoutError, OSError) as error:
        screen.note(str(error))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(client: Client, screen: Screen, options: argparse.Namespace, token: str) -> int:
    if options.command == "redrive":
        from analysis_jobs.cli.bulk import redrive  # noqa: PLC0415 - boto3 takes longer to import than the rest to run

        return redrive(client, screen, options, tenant_of(token, options.tenant_claim))
    commands = {
        "submit": jobs.submit,
        "status": jobs.status,
        "download": jobs.download,
        "list": jobs.list_,
        "cancel": jobs.cancel,
        "retry": jobs.retry,
    }
    return commands[options.command](client, screen, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="analysis-jobs", description="Calls an analysis-jobs API.", epilog=_EPILOG)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with one JSON document")
    common.add_argument("--url", help=f"the API; else {environment.URL_VARIABLE}")
    common.add_argument("--ca-bundle", metavar="FILE", help=f"who is trusted; else {environment.CA_BUNDLE_VARIABLE}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=help_, description=help_)

    _submit_options(command("submit", "hand in a job"))
    status = command("status", "show a job")
    status.add_argument("job_id")
    _wait_options(status)
    download = command("download", "save a job's files")
    download.add_argument("job_id")
    download.add_argument("name", nargs="?", help="one file (default: all)")
    download.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where to (default: here)")
    _list_options(command("list", "show jobs, newest first"))
    for name, help_ in (("cancel", "cancel jobs"), ("retry", "run failed or cancelled jobs again")):
        command(name, help_).add_argument("job_id", nargs="+")
    _redrive_options(command("redrive", "run failed and dead-lettered jobs again, many at once"))
    help_ = "show prompts, keep versions of them, and say which is active (with AWS credentials)"
    prompt_options.add_commands(commands.add_parser("prompts", help=help_, description=help_))
    return parser


def _submit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("analysis")
    parser.add_argument("--document", type=Path, metavar="FILE", help="a file to upload: the input's `document`")
    parser.add_argument("--input", type=_object, default={}, metavar="JSON", help="the input, or the rest of it")
    parser.add_argument("--subject", help="what is analysed, as books/42")
    parser.add_argument("--priority", help="the lane")
    parser.add_argument("--trigger", help="the reason, of an analysis that has triggers")
    parser.add_argument("--client")
    parser.add_argument("--project")
    parser.add_argument("--idempotency-key", help="the same key and input answer the same job, for a day")
    _wait_options(parser)


def _wait_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="until it has ended; exit 1 where it has not completed")
    parser.add_argument("--timeout-s", type=float, default=3600, metavar="S", help="wait no longer (default: 3600)")


def _time_options(parser: argparse.ArgumentParser) -> None:
    help_ = "submitted {} this moment, RFC 3339 (UTC where it names no zone)"
    parser.add_argument("--from", dest="since", type=_moment, metavar="TIME", help=help_.format("at or after"))
    parser.add_argument("--to", dest="until", type=_moment, metavar="TIME", help=help_.format("before"))


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=[str(status) for status in Status])
    parser.add_argument("--client")
    parser.add_argument("--subject")
    _time_options(parser)
    parser.add_argument("--limit", type=_positive, default=50, metavar="N", help="at most so many (default: 50)")


def _redrive_options(parser: argparse.ArgumentParser) -> None:
    for name, metavar, help_ in (
        ("--analysis", "NAME", "only jobs of this one"),
        ("--error-code", "CODE", "only jobs that failed with this"),
        ("--dead-letter-queue", "URL", "account for its messages"),
    ):
        parser.add_argument(
            name, action="append", default=[], metavar=metavar, help=f"{help_}; may be given more than once"
        )
    _time_options(parser)
    parser.add_argument("--limit", type=_positive, metavar="N", help="at most so many, those in --state included")
    parser.add_argument("--apply", action="store_true", help="do it; without this it is only counted and shown")
    parser.add_argument("--state", type=Path, metavar="FILE", help="remembers what was done: killed, it goes on there")
    parser.add_argument("--rate", type=_rate, default=5.0, metavar="N", help="jobs per second (default: 5)")
    parser.add_argument("--tenant-claim", default="tenant", metavar="NAME", help="the token's claim of its tenant")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"this is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("give a JSON object")
    return value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"give a time as 2026-11-22T01:02:03Z: {error}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a whole number from 1 on")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError("give a number over 0")
    return rate
