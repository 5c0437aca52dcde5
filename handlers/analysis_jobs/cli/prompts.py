"""The commands `prompts …`: list and store prompts, and choose the active versions."""

import argparse
import difflib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.cli import environment
from analysis_jobs.cli.screen import Screen, table
from analysis_jobs.prompts.library import Change, Head, PromptLibrary
from analysis_jobs.prompts.template import Prompt

_TEXTS = ("system_prompt", "user_prompt_template", "output_format")


def run(screen: Screen, options: argparse.Namespace) -> int:
    """Run one of the commands with the environment's AWS credentials. Return 0, 1 on failure, 2 for wrong arguments."""
    try:
        name = options.table or environment.required(
            environment.PROMPT_TABLE_VARIABLE,
            "set it to the Terraform module's output `prompt_table_name`, or give --table",
        )
    except environment.SettingMissingError as error:
        screen.note(str(error))
        return 2
    try:
        _COMMANDS[options.prompts_command](PromptLibrary(boto3.client("dynamodb"), name), screen, options)
    except (ConfigurationError, BotoCoreError, ClientError, OSError) as error:
        screen.note(str(error))
        return 1
    return 0


def _list(library: PromptLibrary, screen: Screen, _: argparse.Namespace) -> None:
    heads = library.heads()
    rows = [
        (head.name, category, _version_text(head.active.get(category, 0)), head.latest)
        for head in heads
        for category in sorted(head.active) or ("",)
    ]
    answer = {"prompts": [{"name": head.name, "latest": head.latest, "active": dict(head.active)} for head in heads]}
    screen.answer(answer, table(("prompt", "category", "active", "newest"), rows))


def _show(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    head = library.head(options.name)
    versions = {options.version} if options.version else set(head.active.values()) or {head.latest}
    shown = [library.version(head.name, version) for version in sorted(versions)]
    answer = [_as_json(prompt, head) for prompt in shown]
    screen.answer({"versions": answer}, (line for prompt in shown for line in _lines(prompt, head)))


def _history(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    head = library.head(options.name)
    changes = list(islice(library.history(head.name), options.limit))
    rows = [(change.at, change.action, *move) for change in changes for move in _moves(change)]
    answer = {"name": head.name, "changes": [_change_as_json(change) for change in changes]}
    screen.answer(answer, table(("time", "action", "category", "before", "after"), rows))


def _put(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    given = Prompt.load(options.file)
    head = library.find(given.name) or Head(given.name)
    before = _in_use(library, head, given.categories)
    doubts = [*given.warnings(), *_doubts_about_change(library, head, given)]
    for doubt in doubts:
        screen.note(f"{options.file.name}: {doubt}")
    if options.dry_run:
        prompt, is_new = library.preview_put(given)
    else:
        prompt, is_new = library.put(given, activate=options.activate)
    stored = f"{prompt.name} v{prompt.version} {_put_result(is_new=is_new, dry_run=options.dry_run)}"
    active = f"active for {', '.join(prompt.categories)}" if options.activate else "not activated"
    names = ", ".join(prompt.placeholders) or "none"
    summary = f"{stored}; {active}; placeholders: {names}"
    _print_version(screen, options, _Outcome(prompt, is_new, before, summary, doubts))


def _activate(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    prompt = library.version(options.name, options.version)
    head = library.head(prompt.name)
    before = _in_use(library, head, prompt.categories)
    doubts = [*prompt.warnings(), *_doubts_about_change(library, head, prompt)]
    for doubt in doubts:
        screen.note(f"{prompt.name} v{prompt.version}: {doubt}")
    change = None if options.dry_run else library.activate(options.name, options.version)
    verb = "would be" if options.dry_run else "is" if change else "was already"
    summary = f"{prompt.name} v{prompt.version} {verb} active for {', '.join(prompt.categories)}"
    _print_version(screen, options, _Outcome(prompt, bool(change), before, summary, doubts))


def _rollback(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    change = library.preview_rollback(options.name) if options.dry_run else library.rollback(options.name)
    _print_change(screen, options, change)


def _deactivate(library: PromptLibrary, screen: Screen, options: argparse.Namespace) -> None:
    change = library.preview_deactivation(options.name) if options.dry_run else library.deactivate(options.name)
    _print_change(screen, options, change)


_COMMANDS: dict[str, Callable[[PromptLibrary, Screen, argparse.Namespace], None]] = {
    "list": _list,
    "show": _show,
    "history": _history,
    "put": _put,
    "activate": _activate,
    "rollback": _rollback,
    "deactivate": _deactivate,
}


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


def _print_version(screen: Screen, options: argparse.Namespace, outcome: _Outcome) -> None:
    prompt = outcome.prompt
    diff = _diff(outcome.before, prompt) if options.dry_run else []
    answer = {
        "name": prompt.name,
        "version": prompt.version,
        "changed": outcome.changed and not options.dry_run,
        "dry_run": options.dry_run,
        "placeholders": list(prompt.placeholders),
        "doubts": outcome.doubts,
    }
    screen.answer(answer | ({"diff": diff} if options.dry_run else {}), [*diff, outcome.summary])


def _print_change(screen: Screen, options: argparse.Namespace, change: Change | None) -> None:
    verb = "would change" if options.dry_run else "changed"
    lines = [
        f"{options.name} {category}: {verb} from {before} to {after}" for category, before, after in _moves(change)
    ] or [f"{options.name}: nothing to change"]
    moved = _change_as_json(change) if change else None
    screen.answer({"name": options.name, "dry_run": options.dry_run, "change": moved}, lines)


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
