"""The commands `erase …` and `export …`: remove or hand out all data of a job, a subject or a tenant."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.text import Text

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.cli import environment
from analysis_jobs.cli.options import DryRun, Json
from analysis_jobs.cli.screen import Screen, table
from analysis_jobs.cli.session import aws_extra, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from analysis_jobs.jobs.erasing import Scope
    from analysis_jobs.privacy.receipt import Receipt
    from analysis_jobs.privacy.stack import StackNames

erase = typer.Typer(
    help="Erase all data of a job, a subject or a tenant, with a receipt. Needs AWS credentials and the extra `aws`.",
    no_args_is_help=True,
)
export = typer.Typer(
    help="Export jobs with all that they have. Needs AWS credentials and the extra `aws`.", no_args_is_help=True
)

Tenant: TypeAlias = Annotated[str, typer.Argument(metavar="TENANT", help="Name of the tenant.", show_default=False)]
Job: TypeAlias = Annotated[str, typer.Argument(metavar="JOB", help="ID of the job.", show_default=False)]
Subject: TypeAlias = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="Subject of the jobs, as it was submitted.", show_default=False)
]
Stack: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The output of `terraform output -json deployment`; `-` reads standard input. "
        f"Default: the file that {environment.STACK_VARIABLE} names.",
    ),
]
Reason: TypeAlias = Annotated[str, typer.Option(metavar="TEXT", help="A reference for the receipt, such as a ticket.")]
ReceiptFile: TypeAlias = Annotated[
    Path | None, typer.Option("--receipt", metavar="FILE", help="Also write the receipt to this file.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
WaitForIt: TypeAlias = Annotated[
    bool, typer.Option("--wait", help="Wait until nobody can write any more, then look again. It takes up to an hour.")
]
Target: TypeAlias = Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where the exports are written.")]
AsZip: TypeAlias = Annotated[bool, typer.Option("--zip", help="Write one zip file for each job.")]


@erase.command("job")
def erase_job(
    tenant: Tenant,
    job: Job,
    stack: Stack = None,
    reason: Reason = "",
    receipt: ReceiptFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: WaitForIt = False,
    json: Json = False,
) -> None:
    """Erase one job."""
    _erase({"tenant": tenant, "job_id": job}, stack, reason, receipt, dry_run=dry_run, yes=yes, wait=wait, json=json)


@erase.command("subject")
def erase_subject(
    tenant: Tenant,
    subject: Subject,
    stack: Stack = None,
    reason: Reason = "",
    receipt: ReceiptFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: WaitForIt = False,
    json: Json = False,
) -> None:
    """Erase all jobs of a subject."""
    given = {"tenant": tenant, "subject": subject}
    _erase(given, stack, reason, receipt, dry_run=dry_run, yes=yes, wait=wait, json=json)


@erase.command("tenant")
def erase_tenant(
    tenant: Tenant,
    stack: Stack = None,
    reason: Reason = "",
    receipt: ReceiptFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: WaitForIt = False,
    json: Json = False,
) -> None:
    """Erase everything of a tenant, also uploads that no job used."""
    _erase({"tenant": tenant}, stack, reason, receipt, dry_run=dry_run, yes=yes, wait=wait, json=json)


@export.command("job")
def export_job(
    tenant: Tenant, job: Job, to: Target, stack: Stack = None, as_zip: AsZip = False, json: Json = False
) -> None:
    """Export one job."""
    _export({"tenant": tenant, "job_id": job}, stack, to, as_zip=as_zip, json=json)


@export.command("subject")
def export_subject(
    tenant: Tenant,
    subject: Subject,
    to: Target,
    stack: Stack = None,
    as_zip: AsZip = False,
    json: Json = False,
) -> None:
    """Export all jobs of a subject."""
    _export({"tenant": tenant, "subject": subject}, stack, to, as_zip=as_zip, json=json)


@export.command("tenant")
def export_tenant(tenant: Tenant, to: Target, stack: Stack = None, as_zip: AsZip = False, json: Json = False) -> None:
    """Export all jobs of a tenant."""
    _export({"tenant": tenant}, stack, to, as_zip=as_zip, json=json)


@contextmanager
def _opened(given: dict[str, str], stack: Path | None, screen: Screen) -> Iterator[tuple[Any, StackNames, Scope]]:
    """Yield the wiring, the stack and the scope. Prints errors, as `session` does."""
    with reported(screen):
        with aws_extra():
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - slow, and rarely needed

            from analysis_jobs import wiring  # noqa: PLC0415 - as above
        from analysis_jobs.jobs.erasing import Scope  # noqa: PLC0415 - as above
        from analysis_jobs.privacy.stack import StackError, read_stack  # noqa: PLC0415 - as above

        path = stack or Path(
            environment.required(
                environment.STACK_VARIABLE,
                "set it to a file with the output of `terraform output -json deployment`, or give --stack",
            )
        )
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
            yield wiring, read_stack(text), Scope(**given)
        except (StackError, BotoCoreError, ClientError, ValueError) as error:
            screen.note(str(error))
            raise typer.Exit(1) from error


def _erase(
    given: dict[str, str],
    stack: Path | None,
    reason: str,
    receipt_file: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
    json: bool,
) -> None:
    screen = Screen(json)
    with _opened(given, stack, screen) as (wiring, names, scope):
        if not (dry_run or yes):
            what = " ".join(f"{name} {value}" for name, value in given.items())
            typer.confirm(f"Erase everything of {what} from {names.table_name}?", abort=True, err=True)
        erasure, by = wiring.erasure(names), wiring.caller_arn()
        receipt = erasure.run(scope, by=by, reason=reason, dry_run=dry_run)
        while wait and receipt.again_at is not None:
            screen.note(f"Nothing is left. Waiting until {rfc3339(receipt.again_at)}, when nobody can write any more.")
            clock: Clock = SystemClock()
            clock.sleep(receipt.again_at - clock.now())
            again = erasure.run(scope, by=by, reason=reason)
            for kind, ids in receipt.removed.items():
                again.removed[kind] = [*ids, *again.removed.get(kind, ())]
            again.started_at, receipt = receipt.started_at, again
        if receipt_file:
            text = json_.dumps(receipt.as_json(), indent=2, ensure_ascii=False)
            receipt_file.write_text(f"{text}\n", encoding="utf-8")
        screen.answer(receipt.as_json(), _shown(receipt))
    if not (receipt.complete or dry_run):
        raise typer.Exit(1)


def _export(given: dict[str, str], stack: Path | None, to: Path, *, as_zip: bool, json: bool) -> None:
    screen = Screen(json)
    with _opened(given, stack, screen) as (wiring, names, scope):
        made = wiring.export(names).run(scope, to, by=wiring.caller_arn(), as_zip=as_zip)
        shown = [Text(str(path)) for path in made] or [Text("There are no jobs of this scope.")]
        screen.answer({"exports": [str(path) for path in made]}, shown)
    if not made and scope.job_id is not None:
        raise typer.Exit(1)


def _shown(receipt: Receipt) -> Iterator[RenderableType]:
    shown = receipt.as_json()
    what = "found" if receipt.dry_run else "removed"
    yield table((what, "number"), [(kind.replace("_", " "), each["count"]) for kind, each in shown[what].items()])
    yield ""
    yield from (Text(f"kept: {each['kind']} {each['id']}: {each['why']}") for each in shown["kept"])
    yield from (Text(f"left: {each['count']} {kind.replace('_', ' ')}") for kind, each in shown["left"].items())
    yield from (Text(f"out of reach: {each['where']}, until: {each['until']}") for each in shown["out_of_reach"])
    if receipt.dry_run:
        yield Text("Nothing was changed.")
    elif receipt.again_at:
        yield Text(f"Run this command again after {rfc3339(receipt.again_at)}: until then a stopped worker may write.")
    else:
        yield Text("Complete." if receipt.complete else "Not complete: run this command again.")
