"""The command line `analysis-jobs`: its commands and options."""

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

# Tries per call while the API answers 429 or 5xx, or does not answer. The pauses take half a minute on average.
_TRIES = 6
_EPILOG = f"""
Environment variables: {environment.URL_VARIABLE} is the URL of the API. {environment.TOKEN_VARIABLE} is a bearer token
for it. {environment.CA_BUNDLE_VARIABLE} is a file of trusted CA certificates. {environment.PROMPT_TABLE_VARIABLE} is
the prompt table of the `prompts` commands. The `prompts` commands and `redrive --dead-letter-queue` also need AWS
credentials, as boto3 reads them.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return 0 on success, 1 on failure, 2 for wrong arguments, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    screen = Screen(options.json)
    if options.command == "prompts":
        from analysis_jobs.cli import prompts  # noqa: PLC0415 - imports boto3, which is slow

        return prompts.run(screen, options)
    try:
        token = environment.required(environment.TOKEN_VARIABLE, "set it to a bearer token for the API")
        url = options.url or environment.required(
            environment.URL_VARIABLE, "set it to the URL of the API, or give --url"
        )
        ca_bundle = environment.existing_file(options.ca_bundle) if options.ca_bundle else environment.ca_bundle()
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
        from analysis_jobs.cli.bulk import redrive  # noqa: PLC0415 - imports boto3, which is slow

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
    common.add_argument("--json", action="store_true", help="print the answer as one JSON document")
    common.add_argument("--url", help=f"URL of the API (default: {environment.URL_VARIABLE})")
    help_ = f"PEM file of trusted CA certificates (default: {environment.CA_BUNDLE_VARIABLE}, else the system's)"
    common.add_argument("--ca-bundle", metavar="FILE", help=help_)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=help_, description=help_)

    _submit_options(command("submit", "submit a job"))
    status = command("status", "show a job")
    status.add_argument("job_id", help="id of the job")
    _wait_options(status)
    download = command("download", "save a job's files")
    download.add_argument("job_id", help="id of the job")
    download.add_argument("name", nargs="?", help="name of one file (default: all files)")
    help_ = "folder to save in (default: the current folder)"
    download.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help=help_)
    _list_options(command("list", "show jobs, newest first"))
    for name, help_ in (("cancel", "cancel jobs"), ("retry", "run failed or cancelled jobs again")):
        command(name, help_).add_argument("job_id", nargs="+", help="id of a job; give one or more")
    _redrive_options(command("redrive", "run many failed jobs again, and clean up dead-letter queues"))
    help_ = "list prompts, store new versions, and choose the active version (needs AWS credentials)"
    prompt_options.add_commands(commands.add_parser("prompts", help=help_, description=help_))
    return parser


def _submit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("analysis", help="name of the analysis, for example rfp-analysis")
    help_ = "file to upload; it becomes the input's field `document`"
    parser.add_argument("--document", type=Path, metavar="FILE", help=help_)
    help_ = "the input as a JSON object; with --document, its other fields"
    parser.add_argument("--input", type=_object, default={}, metavar="JSON", help=help_)
    parser.add_argument("--subject", help="what the job analyses, for example books/42")
    parser.add_argument("--priority", help="queue of the job, for example high (default: medium)")
    parser.add_argument("--trigger", help="name of the trigger, for an analysis that declares triggers")
    parser.add_argument("--client", help="client to file the job under; `list --client` finds it")
    parser.add_argument("--project", help="project to file the job under")
    help_ = "key of this request: for a day, the same key and input return the same job (default: a random key)"
    parser.add_argument("--idempotency-key", metavar="KEY", help=help_)
    _wait_options(parser)


def _wait_options(parser: argparse.ArgumentParser) -> None:
    help_ = "wait until the job has ended; exit with 1 unless it completed"
    parser.add_argument("--wait", action="store_true", help=help_)
    help_ = "with --wait: give up after so many seconds (default: 3600)"
    parser.add_argument("--timeout-s", type=float, default=3600, metavar="S", help=help_)


def _time_options(parser: argparse.ArgumentParser) -> None:
    help_ = "only jobs submitted {} this time, in RFC 3339 (UTC unless it names a zone)"
    parser.add_argument("--from", dest="since", type=_moment, metavar="TIME", help=help_.format("at or after"))
    parser.add_argument("--to", dest="until", type=_moment, metavar="TIME", help=help_.format("before"))


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=[str(status) for status in Status], help="only jobs with this status")
    parser.add_argument("--client", help="only jobs filed under this client")
    parser.add_argument("--subject", help="only jobs with this subject, for example books/42")
    _time_options(parser)
    parser.add_argument("--limit", type=_positive, default=50, metavar="N", help="show at most N jobs (default: 50)")


def _redrive_options(parser: argparse.ArgumentParser) -> None:
    for name, metavar, help_ in (
        ("--analysis", "NAME", "only jobs of this analysis"),
        ("--error-code", "CODE", "only jobs that failed with this error code"),
        ("--dead-letter-queue", "URL", "also clean up this queue: delete each message that its job no longer needs"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=f"{help_}; repeatable")
    _time_options(parser)
    help_ = "run at most N jobs again, including those recorded in --state"
    parser.add_argument("--limit", type=_positive, metavar="N", help=help_)
    parser.add_argument("--apply", action="store_true", help="make the changes (default: a dry run that only reports)")
    help_ = "file to record progress in; give the same file to continue a redrive that was stopped"
    parser.add_argument("--state", type=Path, metavar="FILE", help=help_)
    parser.add_argument("--rate", type=_rate, default=5.0, metavar="N", help="jobs per second (default: 5)")
    help_ = "the token's claim that names the tenant (default: tenant)"
    parser.add_argument("--tenant-claim", default="tenant", metavar="NAME", help=help_)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"this is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('give a JSON object, for example {"title": "Faust"}')
    return value


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"give a time such as 2026-11-22T01:02:03Z: {error}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a whole number of at least 1")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"give a number of jobs per second: {error}") from error
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError("give a number greater than 0")
    return rate
