"""The commands `erase …` and `export …`: remove or hand out all data of a job, a subject or a tenant."""

from __future__ import annotations

import hashlib
import json as json_
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.text import Text

from analysis_jobs.base import audit
from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.cli import environment
from analysis_jobs.cli.audited import on_record
from analysis_jobs.cli.options import DryRun, Json, opening
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


@dataclass(frozen=True)
class _Erase:
    """The options of `erase`, the same for each scope."""

    stack: Path | None
    reason: str
    receipt: Path | None
    dry_run: bool
    yes: bool
    wait: bool
    screen: Screen

    def run(self, **given: str) -> None:
        """Erase the scope, print the receipt, and write the audit line."""
        with _opened(given, self.stack, self.screen) as (wiring, names, scope):
            if not (self.dry_run or self.yes):
                what = " ".join(f"{name} {value}" for name, value in given.items())
                typer.confirm(f"Erase everything of {what} from {names.table_name}?", abort=True, err=True)
            receipt = self._erase(wiring, names, scope)
            shown = receipt.as_json()
            text = json_.dumps(shown, indent=2, ensure_ascii=False)
            if self.receipt:
                self.receipt.write_text(f"{text}\n", encoding="utf-8")
            if not self.dry_run:
                # No subject: it may be a person, and the trail outlives the erasure. The digest proves the receipt.
                with on_record(names, self.screen):
                    audit.record(
                        f"{_kind(scope)}.erased",
                        tenant=scope.tenant,
                        job_id=scope.job_id,
                        reason=self.reason or None,
                        complete=receipt.complete,
                        jobs=len(receipt.removed.get("jobs", ())),
                        receipt_sha256=hashlib.sha256(f"{text}\n".encode()).hexdigest(),
                    )
            self.screen.answer(shown, _shown(receipt))
        if not (receipt.complete or self.dry_run):
            raise typer.Exit(1)

    def _erase(self, wiring: Any, names: StackNames, scope: Scope) -> Receipt:
        erasure, by = wiring.erasure(names), wiring.caller_arn()
        receipt: Receipt = erasure.run(scope, by=by, reason=self.reason, dry_run=self.dry_run)
        while self.wait and receipt.again_at is not None:
            until = rfc3339(receipt.again_at)
            self.screen.note(f"Nothing is left. Waiting until {until}, when nobody can write any more.")
            clock: Clock = SystemClock()
            clock.sleep(receipt.again_at - clock.now())
            again = erasure.run(scope, by=by, reason=self.reason)
            for kind, ids in receipt.removed.items():
                again.removed[kind] = [*ids, *again.removed.get(kind, ())]
            again.started_at, receipt = receipt.started_at, again
        return receipt


@contextmanager
def _erasing(
    stack: Stack = None,
    reason: Reason = "",
    receipt: ReceiptFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: WaitForIt = False,
    json: Json = False,
) -> Iterator[_Erase]:
    yield _Erase(stack, reason, receipt, dry_run, yes, wait, Screen(json))


@dataclass(frozen=True)
class _Export:
    """The options of `export`, the same for each scope."""

    to: Path
    stack: Path | None
    as_zip: bool
    screen: Screen

    def run(self, **given: str) -> None:
        """Export the scope, and write an audit line for each job."""
        with _opened(given, self.stack, self.screen) as (wiring, names, scope):
            made = wiring.export(names).run(scope, self.to, by=wiring.caller_arn(), as_zip=self.as_zip)
            with on_record(names, self.screen):
                for path in made:
                    audit.record("job.exported", tenant=scope.tenant, job_id=path.name.removesuffix(".zip"))
            shown = [Text(str(path)) for path in made] or [Text("There are no jobs of this scope.")]
            self.screen.answer({"exports": [str(path) for path in made]}, shown)
        if not made and scope.job_id is not None:
            raise typer.Exit(1)


@contextmanager
def _exporting(to: Target, stack: Stack = None, as_zip: AsZip = False, json: Json = False) -> Iterator[_Export]:
    yield _Export(to, stack, as_zip, Screen(json))


_erases, _exports = opening(_erasing), opening(_exporting)


@erase.command("job")
@_erases
def erase_job(now: _Erase, tenant: Tenant, job: Job) -> None:
    """Erase one job."""
    now.run(tenant=tenant, job_id=job)


@erase.command("subject")
@_erases
def erase_subject(now: _Erase, tenant: Tenant, subject: Subject) -> None:
    """Erase all jobs of a subject."""
    now.run(tenant=tenant, subject=subject)


@erase.command("tenant")
@_erases
def erase_tenant(now: _Erase, tenant: Tenant) -> None:
    """Erase everything of a tenant, also uploads that no job used."""
    now.run(tenant=tenant)


@export.command("job")
@_exports
def export_job(now: _Export, tenant: Tenant, job: Job) -> None:
    """Export one job."""
    now.run(tenant=tenant, job_id=job)


@export.command("subject")
@_exports
def export_subject(now: _Export, tenant: Tenant, subject: Subject) -> None:
    """Export all jobs of a subject."""
    now.run(tenant=tenant, subject=subject)


@export.command("tenant")
@_exports
def export_tenant(now: _Export, tenant: Tenant) -> None:
    """Export all jobs of a tenant."""
    now.run(tenant=tenant)


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


def _kind(scope: Scope) -> str:
    if scope.job_id is not None:
        return "job"
    return "tenant" if scope.whole_tenant else "subject"


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
