"""Describes a plan in Markdown, for the person who approves it: the comment of a pull request, for example."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from analysis_jobs_dev.environments.model import Environment
from analysis_jobs_dev.environments.package import Package

__all__ = ["code_hashes", "markdown"]

# Changes of these come with the new version of a function: callers meet them when the alias `live` moves.
_WITH_THE_VERSION = {"aws_lambda_function", "aws_lambda_alias"}
# Terraform writes them itself with each new version.
_FOLLOWS = {"last_modified", "qualified_arn", "qualified_invoke_arn", "source_code_size", "version", "tags_all"}
_VERBS = {
    ("create",): "create",
    ("update",): "change",
    ("delete",): "**delete**",
    ("create", "delete"): "**replace** (a new one first)",
    ("delete", "create"): "**replace** (the old one is deleted first)",
    ("forget",): "leave to itself",
}
# These hold jobs, documents or results: their deletion loses data.
_WITH_DATA = {"aws_dynamodb_table", "aws_s3_bucket", "aws_sqs_queue"}
_LONGEST_VALUE = 60
_MOST_ROWS = 60


@dataclass(frozen=True)
class Change:
    """One planned change: the address and the type of the resource, what happens, and the attributes that change."""

    address: str
    kind: str
    verb: str
    attributes: tuple[str, ...]

    @classmethod
    def of(cls, planned: Mapping[str, Any]) -> Self:
        """Return a change of a plan, as `terraform show -json` has it."""
        change = planned["change"]
        verb = _VERBS.get(tuple(change["actions"]), " and ".join(change["actions"]))
        is_update = change["actions"] not in (["create"], ["delete"])
        return cls(planned["address"], planned["type"], verb, tuple(_attributes(change)) if is_update else ())

    @property
    def loses_data(self) -> bool:
        """Whether jobs, documents or results are lost."""
        return self.kind in _WITH_DATA and "**" in self.verb

    @property
    def comes_with_the_version(self) -> bool:
        """Whether callers meet it only when the alias `live` moves."""
        return self.kind in _WITH_THE_VERSION and "**" not in self.verb

    def row(self) -> str:
        """Return a row of the table."""
        return f"| {self.verb} | `{self.address}` | {', '.join(self.attributes) or ' '} |"


def markdown(environment: Environment, package: Package, plan: Mapping[str, Any]) -> str:
    """Return the summary of a plan, as `terraform show -json` has it. Sensitive values are left out."""
    planned = [each for each in plan.get("resource_changes", []) if each["mode"] == "managed"]
    changes = [Change.of(each) for each in planned if each["change"]["actions"] not in (["no-op"], ["read"])]
    stack = environment.stack or environment.project.name
    what = f"`{environment.project.name}` {package.version} as `{stack}` in {environment.region}"
    lines = [f"## Plan of {environment.name}", "", what, ""]
    if not changes:
        return "\n".join([*lines, "Nothing changes.", ""])
    if lost := [each for each in changes if each.loses_data]:
        lines += ["> [!CAUTION]", "> This plan deletes what holds jobs, documents or results:"]
        lines += [f"> - `{each.address}`" for each in lost]
        lines.append("")
    at_once = [each for each in changes if not each.comes_with_the_version]
    later = [each for each in changes if each.comes_with_the_version]
    lines += _section("At once, when the plan is applied", at_once)
    lines += _section("With the new version, when its callers move to it", later)
    if drifted := [each["address"] for each in plan.get("resource_drift", []) if each["mode"] == "managed"]:
        lines += ["### Changed by somebody else since the last deployment", ""]
        lines += [f"- `{address}`" for address in sorted(drifted)[:_MOST_ROWS]]
        lines.append("")
    return "\n".join(lines)


def code_hashes(plan: Mapping[str, Any]) -> set[str]:
    """Return the hashes of the code that the functions have after a plan, in base64."""
    functions = (each for each in plan.get("resource_changes", []) if each["type"] == "aws_lambda_function")
    after = (each["change"].get("after") or {} for each in functions)
    return {each["source_code_hash"] for each in after if each.get("source_code_hash")}


def _section(title: str, changes: Iterable[Change]) -> list[str]:
    ordered = sorted(changes, key=lambda each: ("**" not in each.verb, each.address))
    if not ordered:
        return []
    rows = [each.row() for each in ordered[:_MOST_ROWS]]
    more = [f"| … | and {len(ordered) - _MOST_ROWS} more |  |"] if len(ordered) > _MOST_ROWS else []
    return [f"### {title}", "", "| what | resource | attributes |", "| --- | --- | --- |", *rows, *more, ""]


def _attributes(change: Mapping[str, Any]) -> list[str]:
    """Return the attributes that change, with their values where these are short and not sensitive."""
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    hidden = [change.get("before_sensitive") or {}, change.get("after_sensitive") or {}]
    found = []
    for name in sorted({*before, *after, *unknown} - _FOLLOWS):
        is_hidden = any(isinstance(each, dict) and each.get(name) for each in hidden)
        if unknown.get(name) is True:
            found.append(f"{name} (known after the apply)")
        elif before.get(name) != after.get(name):
            texts = [_short(before.get(name)), _short(after.get(name))]
            found.append(f"{name}: {texts[0]} → {texts[1]}" if all(texts) and not is_hidden else name)
    return found


def _short(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as code; empty for one that is too long for a table."""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= _LONGEST_VALUE and not set(text) & set("|`\n") else ""
