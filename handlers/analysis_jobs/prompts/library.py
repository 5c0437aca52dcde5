"""The prompts of a deployment: versions that are written once, of which one is active for each category.

Items of the table, by `prompt` and `item`:

    section/sub_section#category   active    the active version, as a worker reads it
    section/sub_section            head      which version is active for each category, and which is the newest
    section/sub_section            v000003   a version: written once
    section/sub_section            c000012   a change: when, what, and what was active before

Whatever is written is one transaction, under the condition that the head is still the revision that was read: two
changes at once come one after the other, and whoever reads a prompt meanwhile finds the old one or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.prompts.store import ACTIVE, prompt_key
from analysis_jobs.prompts.template import Prompt, parse

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_TRIES = 8
_HEAD = "head"
_NEW: dict[str, Any] = {
    "ConditionExpression": "attribute_not_exists(#item)",
    "ExpressionAttributeNames": {"#item": "item"},
}
_OVERTAKEN = {"ConditionalCheckFailed", "TransactionConflict"}


class PromptError(ConfigurationError):
    """What was asked for cannot be done; the message says why, and what to do instead."""


@dataclass(frozen=True)
class Head:
    """A prompt as it is now: `active` maps a category to a version, `latest` is the newest version."""

    name: str
    latest: int = 0
    revision: int = 0
    active: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A change of what is active: `before` and `after` map each category that it was about to a version, 0 for none."""

    number: int
    at: str
    action: str
    before: Mapping[str, int]
    after: Mapping[str, int]


class PromptLibrary:
    """Reads and changes the table of prompts. Every method that changes something does all of it, or nothing."""

    def __init__(self, client: DynamoDBClient, table: str, clock: Clock | None = None) -> None:
        self._client = client
        self._table = table
        self._clock = clock or SystemClock()

    def heads(self) -> list[Head]:
        """Return every prompt by name. A scan: the table is small, and only people ask for this."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="#item = :head",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":head": {"S": _HEAD}},
        )
        found = [_head(_plain(item)) for page in pages for item in page["Items"]]
        return sorted(found, key=lambda head: head.name)

    def head(self, name: str) -> Head:
        """Return a prompt as it is now. Raises `PromptError` where there is none of this name."""
        found = self.find(name)
        if found is None:
            raise PromptError(f"there is no prompt {name!r}: `analysis-jobs prompts list` shows which there are")
        return found

    def find(self, name: str) -> Head | None:
        """Return a prompt as it is now, None where there is none of this name."""
        found = self._get(name, _HEAD)
        return _head(found) if found else None

    def version(self, name: str, version: int) -> Prompt:
        """Return a version. Raises `PromptError` where there is none."""
        found = self._find_version(name, version)
        if found is None:
            latest = self.head(name).latest
            raise PromptError(f"{name} has no version {version}; its newest is {latest}")
        return found

    def versions(self, name: str) -> list[Prompt]:
        """Return all versions, newest first."""
        return [parse(item, f"{name} in the table") for item in self._newest_first(name, "v")]

    def history(self, name: str) -> Iterator[Change]:
        """Yield what was activated, rolled back and deactivated, newest first."""
        for item in self._newest_first(name, "c"):
            before, after = ({c: int(v) for c, v in item[side].items()} for side in ("before", "after"))
            yield Change(int(item["number"]), item["at"], item["action"], before, after)

    def put(self, prompt: Prompt, *, activate: bool = False) -> tuple[Prompt, bool]:
        """Keep a version, and make it the active one of its categories if told so; return it, and whether it is new.

        Version 0 stands for the next one, or for the newest where that says the same. Raises `PromptError` where the
        version is there and says something else: what jobs were asked with stays what it was.
        """
        for _ in range(_TRIES):
            head = self.find(prompt.name) or Head(prompt.name)
            version, is_new = self._numbered(prompt, head)
            after = dict.fromkeys(version.categories, version.version) if activate else {}
            moved = {category: to for category, to in after.items() if head.active.get(category) != to}
            if not is_new and not moved:
                return version, False
            writes: list[Any] = [{"Put": self._put_version(version)}] if is_new else []
            change = self._change_of(head, "activate", moved)
            writes += self._activations(change, head.name, {version.version: version})
            if self._write(replace(head, latest=max(head.latest, version.version)), change, writes):
                return version, is_new
        raise _too_many(prompt.name)

    def activate(self, name: str, version: int) -> Change | None:
        """Make a version the active one of all its categories; None where it is already. Raises `PromptError`."""
        prompt = self.version(name, version)
        return self._move(name, "activate", lambda _: dict.fromkeys(prompt.categories, version))

    def rollback(self, name: str) -> Change | None:
        """Take the last change back that was not taken back yet. Raises `PromptError` where there is none.

        What was active before is active again; where nothing was, the code's default is used.
        """
        return self._move(name, "rollback", self._back)

    def deactivate(self, name: str) -> Change | None:
        """Leave no version active, so that the code's default is used. Raises `PromptError`."""
        return self._move(name, "deactivate", _none)

    def next_rollback(self, name: str) -> Change | None:
        """Return what `rollback` would do now."""
        return self._next(self.head(name), "rollback", self._back)

    def next_deactivation(self, name: str) -> Change | None:
        """Return what `deactivate` would do now."""
        return self._next(self.head(name), "deactivate", _none)

    def numbered(self, prompt: Prompt) -> tuple[Prompt, bool]:
        """Return a prompt as `put` would keep it now, and whether that would be new. Raises `PromptError`."""
        return self._numbered(prompt, self.find(prompt.name) or Head(prompt.name))

    def _move(self, name: str, action: str, wanted: Callable[[Head], Mapping[str, int]]) -> Change | None:
        for _ in range(_TRIES):
            head = self.head(name)
            change = self._next(head, action, wanted)
            if change is None:
                return None
            prompts = {to: self.version(name, to) for to in set(change.after.values()) - {0}}
            if self._write(head, change, self._activations(change, head.name, prompts)):
                return change
        raise _too_many(name)

    def _next(self, head: Head, action: str, wanted: Callable[[Head], Mapping[str, int]]) -> Change | None:
        after = {category: to for category, to in wanted(head).items() if head.active.get(category, 0) != to}
        return self._change_of(head, action, after) if after else None

    def _back(self, head: Head) -> Mapping[str, int]:
        return self._last_change(head.name).before

    def _numbered(self, prompt: Prompt, head: Head) -> tuple[Prompt, bool]:
        """Return the prompt under its version, and whether that must be written."""
        prompt = replace(prompt, is_active=True)
        version = prompt.version or head.latest
        there = self._find_version(prompt.name, version) if version else None
        if there and replace(prompt, version=version) == there:
            return there, False
        if there and prompt.version:
            raise PromptError(
                f"version: {prompt.name} v{version} is there and says something else; a version is never changed. "
                f"Give version = {head.latest + 1}, or none for the next one"
            )
        return replace(prompt, version=prompt.version or head.latest + 1), True

    def _last_change(self, name: str) -> Change:
        taken_back = 0
        for change in self.history(name):
            if change.action == "rollback":
                taken_back += 1
            elif taken_back:
                taken_back -= 1
            else:
                return change
        raise PromptError(f"{name}: there is no change left to take back")

    def _change_of(self, head: Head, action: str, after: Mapping[str, int]) -> Change:
        before = {category: head.active.get(category, 0) for category in after}
        return Change(head.revision + 1, rfc3339(self._clock.now()), action, before, dict(after))

    def _write(self, head: Head, change: Change, writes: list[Any]) -> bool:
        """Write a change with what belongs to it, if the head is as it was read; return whether it was.

        A change of nothing that is active is not kept: a version was put, no more.
        """
        active = {category: to for category, to in {**head.active, **change.after}.items() if to}
        put = self._put(head.name, _HEAD, asdict(replace(head, revision=change.number, active=active)))
        if head.revision:
            as_read: dict[str, Any] = {
                "ConditionExpression": "#revision = :revision",
                "ExpressionAttributeNames": {"#revision": "revision"},
                "ExpressionAttributeValues": {":revision": {"N": str(head.revision)}},
            }
        else:
            as_read = _NEW
        kept = [{"Put": self._put(head.name, f"c{change.number:06}", asdict(change))}] if change.after else []
        return self._landed([{"Put": put | as_read}, *kept, *writes])

    def _landed(self, transaction: list[Any]) -> bool:
        try:
            self._client.transact_write_items(TransactItems=transaction)
        except self._client.exceptions.TransactionCanceledException as error:
            if _OVERTAKEN & {reason.get("Code") for reason in error.response["CancellationReasons"]}:
                return False
            raise
        return True

    def _activations(self, change: Change, name: str, prompts: Mapping[int, Prompt]) -> list[dict[str, Any]]:
        writes: list[dict[str, Any]] = []
        for category, to in change.after.items():
            section, _, sub_section = name.partition("/")
            hash_key = prompt_key(section, sub_section, category)
            if to:
                writes.append({"Put": self._put(hash_key, ACTIVE, _fields(prompts[to]))})
            else:
                writes.append({"Delete": {"TableName": self._table, "Key": _key(hash_key, ACTIVE)}})
        return writes

    def _put_version(self, prompt: Prompt) -> dict[str, Any]:
        written = _fields(prompt) | {"written_at": rfc3339(self._clock.now())}
        return self._put(prompt.name, f"v{prompt.version:06}", written) | _NEW

    def _put(self, hash_key: str, item: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        serialized = {name: TypeSerializer().serialize(value) for name, value in fields.items()}
        return {"TableName": self._table, "Item": serialized | _key(hash_key, item)}

    def _find_version(self, name: str, version: int) -> Prompt | None:
        found = self._get(name, f"v{version:06}")
        return parse(found, f"{name} v{version} in the table") if found else None

    def _get(self, hash_key: str, item: str) -> dict[str, Any] | None:
        response = self._client.get_item(TableName=self._table, Key=_key(hash_key, item), ConsistentRead=True)
        return _plain(response["Item"]) if "Item" in response else None

    def _newest_first(self, name: str, kind: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#prompt = :prompt AND begins_with(#item, :kind)",
            ExpressionAttributeNames={"#prompt": "prompt", "#item": "item"},
            ExpressionAttributeValues={":prompt": {"S": name}, ":kind": {"S": kind}},
            ScanIndexForward=False,
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_plain, page["Items"])


def _none(head: Head) -> Mapping[str, int]:
    return dict.fromkeys(head.active, 0)


def _fields(prompt: Prompt) -> dict[str, Any]:
    return asdict(replace(prompt, is_active=True)) | {"categories": list(prompt.categories)}


def _key(hash_key: str, item: str) -> dict[str, Any]:
    return {"prompt": {"S": hash_key}, "item": {"S": item}}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _head(found: Mapping[str, Any]) -> Head:
    active = {category: int(version) for category, version in found["active"].items()}
    return Head(found["name"], int(found["latest"]), int(found["revision"]), active)


def _too_many(name: str) -> PromptError:
    return PromptError(f"{name} is being changed by others all the time: try again")
