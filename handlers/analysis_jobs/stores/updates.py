"""Renders a transition as a DynamoDB update expression, and its guards as the condition."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from analysis_jobs.base.clock import to_ms
from analysis_jobs.jobs.record import Changes, HistoryEntry, JobKey, JobRecord, trimmed_history
from analysis_jobs.jobs.transitions import Guard, Transition
from analysis_jobs.stores.items import attributes, history_item

_CONDITIONS: dict[Guard, str] = {
    Guard.TOKEN: "#fence = :fence",
    Guard.LEASE_EXPIRED: "(attribute_not_exists(#lease_until) OR #lease_until <= :now)",
    Guard.ATTEMPTS_LEFT: "#attempt < #max_attempts",
    Guard.ATTEMPTS_SPENT: "#attempt >= #max_attempts",
    Guard.WAITED: "(attribute_not_exists(#not_before) OR #not_before <= :now)",
    Guard.IN_TIME: "#deadline > :now",
    Guard.PAST_DEADLINE: "#deadline <= :now",
    Guard.UNCHANGED: "#version = :version",
    Guard.CANCEL_ASKED: "attribute_exists(#cancel_asked_at)",
    Guard.NOT_CANCELLED: "attribute_not_exists(#cancel_asked_at)",
    Guard.SHARED: "attribute_exists(#shared)",
    Guard.UNSHARED: "attribute_not_exists(#shared)",
    Guard.MAY_SHARE: "attribute_not_exists(#alone)",
}


class Update:
    """One transition as the arguments of `UpdateItem`. With `if_version` the row must also have this version."""

    def __init__(  # noqa: PLR0913 - the parts of a write
        self,
        key: JobKey,
        transition: Transition,
        changes: Changes,
        now: datetime,
        read: JobRecord | None,
        *,
        if_version: int | None = None,
    ) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        for name, value in ({"status": str(transition.target)} | dict(changes.values)).items():
            for attribute, serialized in attributes(key, name, value).items():
                self._assign(attribute, serialized)
        for name, step in {"version": 1, **transition.counters}.items():
            self._sets.append(f"{self._name(name)} = {self._name(name)} + {self._value(f'add_{name}', _number(step))}")
        if transition.recorded:
            self._append_history(HistoryEntry(now, transition.name, transition.target), transition, read)
        self._if_version = if_version
        self._condition = " OR ".join(
            self._source_condition(str(status), guards, now, read) for status, guards in transition.sources.items()
        )

    def arguments(self) -> dict[str, Any]:
        """Return the expressions with their attribute names and values."""
        remove = f" REMOVE {', '.join(self._removes)}" if self._removes else ""
        return {
            "UpdateExpression": f"SET {', '.join(self._sets)}{remove}",
            "ConditionExpression": self._condition,
            "ExpressionAttributeNames": self._names,
            "ExpressionAttributeValues": self._values,
        }

    def _assign(self, name: str, value: Any) -> None:
        if value is None:
            self._removes.append(self._name(name))
        else:
            self._sets.append(f"{self._name(name)} = {self._value(name, value)}")

    def _append_history(self, entry: HistoryEntry, transition: Transition, read: JobRecord | None) -> None:
        history = self._name("history")
        whole = trimmed_history(transition, entry, read)
        added = self._value("history", {"L": [history_item(entry) for entry in whole or (entry,)]})
        self._sets.append(f"{history} = {added if whole else f'list_append({history}, {added})'}")

    def _source_condition(self, status: str, guards: frozenset[Guard], now: datetime, read: JobRecord | None) -> str:
        conditions, names = _rendered(guards)
        for name in names:
            self._name(name)
        if Guard.TOKEN in guards and read:
            self._value("fence", _number(read.fence))
        if Guard.UNCHANGED in guards and read:
            self._value("version", _number(read.version))
        if ":now" in conditions:
            self._value("now", _number(to_ms(now)))
        if self._if_version is not None:
            conditions += f" AND {self._name('version')} = {self._value('version', _number(self._if_version))}"
        return f"({self._name('status')} = {self._value(f'from_{status}', {'S': status})}{conditions})"

    def _name(self, name: str) -> str:
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _value(self, name: str, value: Any) -> str:
        self._values[f":{name}"] = value
        return f":{name}"


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


@cache
def _rendered(guards: frozenset[Guard]) -> tuple[str, Sequence[str]]:
    """Return the conditions of guards, each after an AND, and the names of the attributes in them."""
    conditions = "".join(f" AND {_CONDITIONS[guard]}" for guard in sorted(guards, key=lambda guard: guard.name))
    return conditions, re.findall(r"#(\w+)", conditions)
