"""Manages the prompts of a deployment. Versions are immutable, and each category has at most one active version.

Items of the table, by the keys `prompt` and `item`:

    section/sub_section#category   active    the active version; workers read it
    section/sub_section            head      the active version of each category, and the newest version
    section/sub_section            v000003   a version, never changed
    section/sub_section            c000012   a change: its time, its action, and the active versions before and after it

Every change is one transaction. Its condition is that the head still has the revision that was read. So concurrent
changes are serialised, and a reader always finds either the old version or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass
from analysis_jobs.prompts.store import ACTIVE, kept_for, prompt_key, version_item
from analysis_jobs.prompts.template import Prompt, parse

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_TRIES = 8
# DynamoDB limits an item to 400 KB (409,600 bytes) and a transaction to 4 MB. The active version of each category is a
# copy of the prompt. Names, times and keys need less than 10 KB.
_MAX_ITEM_BYTES = 400_000
_MAX_TRANSACTION_BYTES = 4_000_000
_HEAD = "head"
_IF_NEW: dict[str, Any] = {
    "ConditionExpression": "attribute_not_exists(#item)",
    "ExpressionAttributeNames": {"#item": "item"},
}
_CONFLICTS = {"ConditionalCheckFailed", "TransactionConflict"}


class PromptError(ConfigurationError):
    """A change of prompts is not possible. The message says why, and what to do instead."""


@dataclass(frozen=True)
class Head:
    """The state of a prompt. `active` maps a category to its active version. `latest` is the newest version."""

    name: str
    latest: int = 0
    revision: int = 0
    active: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A change of active versions. `before` and `after` map each changed category to a version; 0 means none.

    `by` is the ARN of the principal that made it, None for changes of older versions of this library.
    """

    number: int
    at: str
    action: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    by: str | None = None


class PromptLibrary:
    """Reads and changes the prompt table. Every change is atomic. It is tried 8 times if others come first.

    `who` returns the ARN of the caller, which each version and each change records. It is called once, for a change.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        clock: Clock | None = None,
        who: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock or SystemClock()
        self._who = cache(who)

    def heads(self) -> list[Head]:
        """Return the state of every prompt, sorted by name. It scans the table, which is small."""
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="#item = :head",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":head": {"S": _HEAD}},
        )
        heads = [_parse_head(_plain(item)) for page in pages for item in page["Items"]]
        return sorted(heads, key=lambda head: head.name)

    def head(self, name: str) -> Head:
        """Return the state of a prompt. Raises `PromptError` if there is no prompt of this name."""
        head = self.find(name)
        if head is None:
            raise PromptError(f"there is no prompt {name!r}: `analysis-jobs prompts list` shows all names")
        return head

    def find(self, name: str) -> Head | None:
        """Return the state of a prompt; None if there is no prompt of this name."""
        item = self._get(name, _HEAD)
        return _parse_head(item) if item else None

    def version(self, name: str, version: int) -> Prompt:
        """Return a version of a prompt. Raises `PromptError` if it does not exist."""
        prompt = self._find_version(name, version)
        if prompt is None:
            latest = self.head(name).latest
            raise PromptError(f"{name} has no version {version}; its newest version is {latest}")
        return prompt

    def versions(self, name: str) -> list[Prompt]:
        """Return all versions of a prompt, newest first."""
        return [parse(item, f"{name} in the table") for item in self._newest_first(name, "v")]

    def history(self, name: str) -> Iterator[Change]:
        """Yield the changes of a prompt (activate, rollback, deactivate), newest first."""
        for item in self._newest_first(name, "c"):
            before, after = ({c: int(v) for c, v in item[side].items()} for side in ("before", "after"))
            yield Change(int(item["number"]), item["at"], item["action"], before, after, item.get("by"))

    def put(self, prompt: Prompt, *, activate: bool = False) -> tuple[Prompt, bool]:
        """Store a version. With `activate`, make it the active version of its categories.

        Version 0 means the next version, or the newest one if its content is the same. Returns the stored version, and
        whether it is new.

        Raises `PromptError` if the version exists with other content. A version never changes, because jobs refer to
        the versions that they used. Also raised for a prompt that is too large for DynamoDB.
        """
        _check_size(prompt, copies=1 + (len(prompt.categories) if activate else 0))
        for _ in range(_TRIES):
            head = self.find(prompt.name) or Head(prompt.name)
            version, is_new = self._assign_version(prompt, head)
            after = dict.fromkeys(version.categories, version.version) if activate else {}
            changed = {category: to for category, to in after.items() if head.active.get(category) != to}
            if not is_new and not changed:
                return version, False
            writes: list[Any] = [{"Put": self._put_version(version)}] if is_new else []
            change = self._change_of(head, "activate", changed)
            writes += self._activations(change, head.name, {version.version: version})
            if self._write(replace(head, latest=max(head.latest, version.version)), change, writes):
                return version, is_new
        raise _contention(prompt.name)

    def activate(self, name: str, version: int, *, except_for: str = "") -> Change | None:
        """Make a version the active one of all its categories. Return the change; None if it was active already.

        `except_for` is a version of the code that keeps the versions that are active now: its jobs still run while a
        deployment puts other code and its prompts in service. Raises `PromptError` if the version does not exist.
        """
        prompt = self.version(name, version)
        return self._change_active(name, "activate", lambda _: dict.fromkeys(prompt.categories, version), except_for)

    def rollback(self, name: str) -> Change | None:
        """Undo the last change that was not undone yet. Return the new change.

        The versions that were active before are active again. A category without one uses the default of the code.
        Raises `PromptError` if there is no change to undo.
        """
        return self._change_active(name, "rollback", self._undo_last)

    def restore(self, name: str, active: Mapping[str, int], *, is_undo: bool, except_for: str = "") -> Change | None:
        """Make versions active by category; 0 means none. Return the change; None if they were active already.

        With `is_undo` it counts as a rollback of the last change: a later `rollback` undoes an earlier change. See
        `activate` for `except_for`. Raises `PromptError` if a version does not exist.
        """
        return self._change_active(name, "rollback" if is_undo else "activate", lambda _: active, except_for)

    def deactivate(self, name: str) -> Change | None:
        """Deactivate all versions. Jobs use the default of the code then. Return the change; None if none was active.

        Raises `PromptError` if there is no prompt of this name.
        """
        return self._change_active(name, "deactivate", _deactivate_all)

    def preview_rollback(self, name: str) -> Change | None:
        """Return the change that `rollback` would make now."""
        return self._next_change(self.head(name), "rollback", self._undo_last)

    def preview_deactivation(self, name: str) -> Change | None:
        """Return the change that `deactivate` would make now."""
        return self._next_change(self.head(name), "deactivate", _deactivate_all)

    def preview_put(self, prompt: Prompt) -> tuple[Prompt, bool]:
        """Return the version that `put` would store now, and whether it would be new. Raises `PromptError` as `put`."""
        return self._assign_version(prompt, self.find(prompt.name) or Head(prompt.name))

    def _change_active(
        self, name: str, action: str, wanted: Callable[[Head], Mapping[str, int]], except_for: str = ""
    ) -> Change | None:
        for _ in range(_TRIES):
            head = self.head(name)
            change = self._next_change(head, action, wanted)
            if change is None:
                return None
            prompts = {to: self.version(name, to) for to in set(change.after.values()) - {0}}
            if self._write(head, change, self._activations(change, head.name, prompts, except_for)):
                return change
        raise _contention(name)

    def _next_change(self, head: Head, action: str, wanted: Callable[[Head], Mapping[str, int]]) -> Change | None:
        after = {category: to for category, to in wanted(head).items() if head.active.get(category, 0) != to}
        return self._change_of(head, action, after) if after else None

    def _undo_last(self, head: Head) -> Mapping[str, int]:
        return self._last_effective_change(head.name).before

    def _assign_version(self, prompt: Prompt, head: Head) -> tuple[Prompt, bool]:
        """Return the prompt with its version number, and whether it must be written."""
        prompt = replace(prompt, is_active=True)
        version = prompt.version or head.latest
        existing = self._find_version(prompt.name, version) if version else None
        if existing and replace(prompt, version=version) == existing:
            return existing, False
        if existing and prompt.version:
            raise PromptError(
                f"version: {prompt.name} v{version} exists with other content, and a version never changes. "
                f"Give version = {head.latest + 1}, or leave version out"
            )
        return replace(prompt, version=prompt.version or head.latest + 1), True

    def _last_effective_change(self, name: str) -> Change:
        undone = 0
        for change in self.history(name):
            if change.action == "rollback":
                undone += 1
            elif undone:
                undone -= 1
            else:
                return change
        raise PromptError(f"{name}: there is no change left to roll back")

    def _change_of(self, head: Head, action: str, after: Mapping[str, int]) -> Change:
        before = {category: head.active.get(category, 0) for category in after}
        return Change(head.revision + 1, rfc3339(self._clock.now()), action, before, dict(after))

    def _write(self, head: Head, change: Change, writes: list[Any]) -> bool:
        """Write a change and its items in one transaction, if the head has not changed. Return whether it was written.

        A change without categories is not recorded: it only stores a version.
        """
        active = {category: to for category, to in {**head.active, **change.after}.items() if to}
        put = self._put(head.name, _HEAD, asdict(replace(head, revision=change.number, active=active)))
        if head.revision:
            if_unchanged: dict[str, Any] = {
                "ConditionExpression": "#revision = :revision",
                "ExpressionAttributeNames": {"#revision": "revision"},
                "ExpressionAttributeValues": {":revision": {"N": str(head.revision)}},
            }
        else:
            if_unchanged = _IF_NEW
        written = asdict(replace(change, by=self._who()))
        record = [{"Put": self._put(head.name, f"c{change.number:06}", written)}] if change.after else []
        return self._commit([{"Put": put | if_unchanged}, *record, *writes])

    def _commit(self, transaction: list[Any]) -> bool:
        try:
            self._client.transact_write_items(TransactItems=transaction)
        except self._client.exceptions.TransactionCanceledException as error:
            if _CONFLICTS & {reason.get("Code") for reason in error.response["CancellationReasons"]}:
                return False
            raise
        return True

    def _activations(
        self, change: Change, name: str, prompts: Mapping[int, Prompt], except_for: str = ""
    ) -> list[dict[str, Any]]:
        writes: list[dict[str, Any]] = []
        for category, to in change.after.items():
            section, _, sub_section = name.partition("/")
            hash_key = prompt_key(section, sub_section, category)
            if to:
                kept = kept_for(except_for, change.before[category]) if except_for else {}
                writes.append({"Put": self._put(hash_key, ACTIVE, _fields(prompts[to]) | kept)})
            else:
                writes.append({"Delete": {"TableName": self._table, "Key": _key(hash_key, ACTIVE)}})
        return writes

    def _put_version(self, prompt: Prompt) -> dict[str, Any]:
        written = _fields(prompt) | {"written_at": rfc3339(self._clock.now()), "written_by": self._who()}
        return self._put(prompt.name, version_item(prompt.version), written) | _IF_NEW

    def _put(self, hash_key: str, item: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        serialized = {name: TypeSerializer().serialize(value) for name, value in fields.items() if value is not None}
        return {"TableName": self._table, "Item": serialized | _key(hash_key, item)}

    def _find_version(self, name: str, version: int) -> Prompt | None:
        item = self._get(name, version_item(version))
        return parse(item, f"{name} v{version} in the table") if item else None

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


def _deactivate_all(head: Head) -> Mapping[str, int]:
    return dict.fromkeys(head.active, 0)


def _fields(prompt: Prompt) -> dict[str, Any]:
    return asdict(replace(prompt, is_active=True)) | {"categories": list(prompt.categories)}


def _key(hash_key: str, item: str) -> dict[str, Any]:
    return {"prompt": {"S": hash_key}, "item": {"S": item}}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def _parse_head(item: Mapping[str, Any]) -> Head:
    active = {category: int(version) for category, version in item["active"].items()}
    return Head(item["name"], int(item["latest"]), int(item["revision"]), active)


def _contention(name: str) -> PromptError:
    return PromptError(f"{name}: other changes came first {_TRIES} times; try again")


def _check_size(prompt: Prompt, copies: int) -> None:
    """Raise `PromptError` if DynamoDB cannot store the prompt, or not this many copies in one transaction."""
    texts = (prompt.system_prompt, prompt.user_prompt_template, prompt.output_format, *prompt.categories)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    limit = min(_MAX_ITEM_BYTES, _MAX_TRANSACTION_BYTES // copies)
    if size > limit:
        raise PromptError(f"{prompt.name}: the texts have {size} bytes in UTF-8; at most {limit} are allowed here")
