"""The commands `prompts …`: list and store prompts, and choose the active versions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.text import Text

from analysis_jobs.base import audit
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.cli import environment
from analysis_jobs.cli.audited import on_record, stack_of_environment
from analysis_jobs.cli.options import DryRun, Json, opening, positive
from analysis_jobs.cli.screen import Screen, table
from analysis_jobs.cli.session import aws_extra, reported

if TYPE_CHECKING:
    from analysis_jobs.privacy.stack import StackNames
    from analysis_jobs.prompts.library import Change, Head, PromptLibrary
    from analysis_jobs.prompts.template import Prompt

app = typer.Typer(
    help="List prompts, store new versions, and choose the active version. Needs AWS credentials and the extra `aws`.",
    no_args_is_help=True,
)

_TEXTS = ("system_prompt", "user_prompt_template", "output_format")

Name: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the prompt: section/sub-section.", show_default=False)
]
TableName: TypeAlias = Annotated[
    str | None,
    typer.Option("--table", metavar="NAME", help=f"The prompt table. Default: {environment.PROMPT_TABLE_VARIABLE}."),
]


@dataclass(frozen=True)
class _Session:
    """One run of a command."""

    library: PromptLibrary
    screen: Screen
    stack: StackNames | None

    def record(self, action: str, name: str, versions: Mapping[str, int]) -> None:
        """Write a change into the audit trail of the stack, if the environment names it. `versions` are by category."""
        with on_record(self.stack, self.screen):
            audit.record(action, prompt=name, versions=dict(versions))


@contextmanager
def _session(table_name: TableName = None, json: Json = False) -> Iterator[_Session]:
    """Yield the prompts of the table, with the environment's AWS credentials. Prints errors, as `session` does."""
    screen = Screen(json)
    with reported(screen):
        name = table_name or environment.required(
            environment.PROMPT_TABLE_VARIABLE,
            "set it to the Terraform module's output `prompt_table_name`, or give --table",
        )
        with aws_extra():
            import boto3  # noqa: PLC0415 - slow, and other commands do not need it
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

            from analysis_jobs.privacy.stack import StackError  # noqa: PLC0415 - as above
            from analysis_jobs.prompts.library import PromptLibrary  # noqa: PLC0415 - as above
        try:
            stack = stack_of_environment()
            ours = stack if stack and stack.prompt_table_name == name else None
            library = PromptLibrary(boto3.client("dynamodb"), name, who=lambda: _caller(boto3.client("sts")))
            yield _Session(library, screen, ours)
        except (ConfigurationError, StackError, BotoCoreError, ClientError) as error:
            screen.note(str(error))
            raise typer.Exit(1) from error


def _caller(sts: Any) -> str:
    """Return the ARN of the principal. Every principal may ask for its own."""
    return str(sts.get_caller_identity()["Arn"])


_on_table = opening(_session)


@app.command("list")
@_on_table
def list_(now: _Session) -> None:
    """List all prompts and their active versions."""
    heads = now.library.heads()
    rows = [
        (head.name, category, _version_text(head.active.get(category, 0)), head.latest)
        for head in heads
        for category in sorted(head.active) or ("",)
    ]
    found = [{"name": head.name, "latest": head.latest, "active": dict(head.active)} for head in heads]
    now.screen.answer({"prompts": found}, [table(("prompt", "category", "active", "newest"), rows, whole=("prompt",))])


@app.command()
@_on_table
def show(
    now: _Session,
    name: Name,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of the version. Default: the active one, else the newest."),
    ] = None,
) -> None:
    """Show a version of a prompt."""
    head = now.library.head(name)
    versions = {version} if version else set(head.active.values()) or {head.latest}
    shown = [now.library.version(head.name, each) for each in sorted(versions)]
    answer = [_as_json(prompt, head) for prompt in shown]
    now.screen.answer({"versions": answer}, (Text(line) for prompt in shown for line in _lines(prompt, head)))


@app.command()
@_on_table
def history(
    now: _Session,
    name: Name,
    limit: Annotated[int, typer.Option(metavar="N", callback=positive, help="Show at most N changes.")] = 20,
) -> None:
    """Show the changes of the active version and who made them, newest first."""
    head = now.library.head(name)
    changes = list(islice(now.library.history(head.name), limit))
    rows = [(change.at, change.action, *move, change.by or "") for change in changes for move in _moves(change)]
    answer = {"name": head.name, "changes": [_change_as_json(change) for change in changes]}
    now.screen.answer(answer, [table(("time", "action", "category", "before", "after", "by"), rows, whole=("time",))])


@app.command()
@_on_table
def put(
    now: _Session,
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The prompt as a TOML file.", show_default=False)],
    activate: Annotated[
        bool, typer.Option("--activate", help="Also make it the active version for its categories.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Store a new version of a prompt. A stored version never changes."""
    from analysis_jobs.prompts.library import Head  # noqa: PLC0415 - imports boto3
    from analysis_jobs.prompts.template import Prompt  # noqa: PLC0415 - as above

    given = Prompt.load(file)
    head = now.library.find(given.name) or Head(given.name)
    before = _in_use(now.library, head, given.categories)
    doubts = [*given.warnings(), *_doubts_about_change(now.library, head, given)]
    for doubt in doubts:
        now.screen.note(f"{file.name}: {doubt}")
    prompt, is_new = now.library.preview_put(given) if dry_run else now.library.put(given, activate=activate)
    if not dry_run:
        versions = dict.fromkeys(prompt.categories, prompt.version)
        if is_new:
            now.record("prompt.stored", prompt.name, versions)
        if activate:
            now.record("prompt.activated", prompt.name, versions)
    stored = f"{prompt.name} v{prompt.version} {_put_result(is_new=is_new, dry_run=dry_run)}"
    active = f"active for {', '.join(prompt.categories)}" if activate else "not activated"
    names = ", ".join(prompt.placeholders) or "none"
    summary = f"{stored}; {active}; placeholders: {names}"
    _print_version(now.screen, _Outcome(prompt, is_new, before, summary, doubts), dry_run=dry_run)


@app.command()
@_on_table
def activate(
    now: _Session,
    name: Name,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Number of the version.", show_default=False)],
    dry_run: DryRun = False,
) -> None:
    """Make a version the active one for its categories."""
    prompt = now.library.version(name, version)
    head = now.library.head(prompt.name)
    before = _in_use(now.library, head, prompt.categories)
    doubts = [*prompt.warnings(), *_doubts_about_change(now.library, head, prompt)]
    for doubt in doubts:
        now.screen.note(f"{prompt.name} v{prompt.version}: {doubt}")
    change = None if dry_run else now.library.activate(name, version)
    if change:
        now.record("prompt.activated", prompt.name, change.after)
    verb = "would be" if dry_run else "is" if change else "was already"
    summary = f"{prompt.name} v{prompt.version} {verb} active for {', '.join(prompt.categories)}"
    _print_version(now.screen, _Outcome(prompt, bool(change), before, summary, doubts), dry_run=dry_run)


@app.command()
@_on_table
def rollback(now: _Session, name: Name, dry_run: DryRun = False) -> None:
    """Undo the last change that was not undone yet."""
    change = now.library.preview_rollback(name) if dry_run else now.library.rollback(name)
    if change and not dry_run:
        now.record("prompt.rolled_back", name, change.after)
    _print_change(now.screen, name, change, dry_run=dry_run)


@app.command()
@_on_table
def deactivate(now: _Session, name: Name, dry_run: DryRun = False) -> None:
    """Leave no version active. Jobs then use the prompt in the code."""
    change = now.library.preview_deactivation(name) if dry_run else now.library.deactivate(name)
    if change and not dry_run:
        now.record("prompt.deactivated", name, change.after)
    _print_change(now.screen, name, change, dry_run=dry_run)


def _in_use(library: PromptLibrary, head: Head, categories: Iterable[str]) -> Prompt | None:
    """Return the version to compare with: the active one of the first category that has one, else the newest."""
    versions = [head.active[category] for category in categories if category in head.active]
    version = versions[0] if versions else head.latest
    return library.version(head.name, version) if version else None


def _doubts_about_change(library: PromptLibrary, head: Head, given: Prompt) -> list[str]:
    """Return warnings about a new version, compared with each version that it would replace."""
    versions = {head.active[category] for category in given.categories if category in head.active}
    found = [given.warnings_about_change(library.version(head.name, version)) for version in sorted(versions)]
    return list(dict.fromkeys(doubt for doubts in found for doubt in doubts))


@dataclass(frozen=True)
class _Outcome:
    """The outcome of a command for one version. `before` is the version to compare with."""

    prompt: Prompt
    changed: bool
    before: Prompt | None
    summary: str
    doubts: list[str]


def _print_version(screen: Screen, outcome: _Outcome, *, dry_run: bool) -> None:
    prompt = outcome.prompt
    diff = _diff(outcome.before, prompt) if dry_run else []
    answer = {
        "name": prompt.name,
        "version": prompt.version,
        "changed": outcome.changed and not dry_run,
        "dry_run": dry_run,
        "placeholders": list(prompt.placeholders),
        "doubts": outcome.doubts,
    }
    screen.answer(answer | ({"diff": diff} if dry_run else {}), map(Text, [*diff, outcome.summary]))


def _print_change(screen: Screen, name: str, change: Change | None, *, dry_run: bool) -> None:
    verb = "would change" if dry_run else "changed"
    lines = [f"{name} {category}: {verb} from {before} to {after}" for category, before, after in _moves(change)]
    moved = _change_as_json(change) if change else None
    screen.answer(
        {"name": name, "dry_run": dry_run, "change": moved}, map(Text, lines or [f"{name}: nothing to change"])
    )


def _moves(change: Change | None) -> list[tuple[str, str, str]]:
    if change is None:
        return []
    return [
        (category, _version_text(change.before[category]), _version_text(to))
        for category, to in sorted(change.after.items())
    ]


def _version_text(version: int) -> str:
    return f"v{version}" if version else "the default"


def _put_result(*, is_new: bool, dry_run: bool) -> str:
    if not is_new:
        return "is already stored"
    return "would be stored" if dry_run else "is stored"


def _as_json(prompt: Prompt, head: Head) -> dict[str, Any]:
    active = [category for category, version in sorted(head.active.items()) if version == prompt.version]
    fields = asdict(prompt) | {"categories": list(prompt.categories), "is_active": bool(active)}
    return fields | {"name": prompt.name, "active_for": active, "placeholders": list(prompt.placeholders)}


def _change_as_json(change: Change) -> dict[str, Any]:
    return asdict(change) | {"before": dict(change.before), "after": dict(change.after)}


def _lines(prompt: Prompt, head: Head) -> list[str]:
    shown = _as_json(prompt, head)
    lines = [
        f"{prompt.name} v{prompt.version}",
        f"categories    {', '.join(prompt.categories)}",
        f"active for    {', '.join(shown['active_for']) or 'none'}",
        f"placeholders  {', '.join(prompt.placeholders) or 'none'}",
    ]
    for name in _TEXTS:
        if text := getattr(prompt, name):
            lines += ["", f"{name}:", *text.strip("\n").splitlines()]
    return [*lines, ""]


def _diff(before: Prompt | None, after: Prompt) -> list[str]:
    """Return the lines that differ between two versions, as `diff -u` shows them."""
    lines: list[str] = []
    for name in ("categories", *_TEXTS):
        old, new = ("" if prompt is None else _text(prompt, name) for prompt in (before, after))
        origin = f"{name} v{before.version}" if before else "nothing"
        lines += difflib.unified_diff(
            old.splitlines(), new.splitlines(), origin, f"{name} v{after.version}", lineterm=""
        )
    return lines


def _text(prompt: Prompt, name: str) -> str:
    value = getattr(prompt, name)
    return value if isinstance(value, str) else "\n".join(value)
