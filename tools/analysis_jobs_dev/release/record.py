"""The record of a stack's releases: one row in the job table, with a lock that expires.

Terraform's lock covers an apply. This one covers a whole release. The holder renews it while it lives. If its machine
dies, the next release or rollback finds what it had begun, and undoes it.
"""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from analysis_jobs.base.clock import Clock, from_ms, rfc3339, to_ms
from analysis_jobs_dev.release.errors import RecordLostError, ReleaseRunningError

# No tenant has this name.
KEY = {"tenant": {"S": "_release"}, "item": {"S": "release"}}
LIFE = timedelta(minutes=2)
_RENEWAL_S = 20.0


@dataclass(frozen=True)
class Begun:
    """What a release has begun: the versions in service before it, and the prompts that it activates.

    `prompts` are in the form of `prompts.PromptChange.as_json`.
    """

    before: Mapping[str, str]
    prompts: list[dict[str, Any]] = field(default_factory=list)
    step: str = ""


@dataclass(frozen=True)
class Finished:
    """The last finished release: when, by whom, the versions before and after it, and its prompts.

    `digests` has a digest of each prompt file of the release, by the name of the prompt.
    """

    at: str
    who: str
    code_version: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    prompts: list[dict[str, Any]] = field(default_factory=list)
    digests: Mapping[str, str] = field(default_factory=dict)
    action: str = "deploy"


class Record:
    """Holds the record: `with Record(client, table, who, clock) as record`. Raises `ReleaseRunningError`.

    `interrupted` is what a release had begun that ended without a word; None if there is none.
    """

    def __init__(self, client: Any, table: str, who: str, clock: Clock) -> None:  # noqa: ANN401 - a client of boto3
        self.interrupted: Begun | None = None
        self.last: Finished | None = None
        self._client = client
        self._table = table
        self._who = who
        self._clock = clock
        self._owner = uuid4().hex
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name="release-record", daemon=True)

    def __enter__(self) -> Self:
        """Take the lock."""
        now = self._clock.now()
        try:
            taken = self._update(
                "SET lock_owner = :me, lock_who = :who, lock_until = :until, lock_since = :now",
                "attribute_not_exists(lock_owner) OR lock_until < :now OR lock_owner = :me",
                {":who": {"S": self._who}, **self._number(":until", now + LIFE), **self._number(":now", now)},
                returned="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise self._running() from None
        self.interrupted = Begun(**json.loads(taken["begun"]["S"])) if "begun" in taken else None
        self.last = Finished(**json.loads(taken["finished"]["S"])) if "finished" in taken else None
        self._renewal.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back. What was begun and not cleared stays, for the next release."""
        self._ended.set()
        self._renewal.join()
        try:
            self._update("REMOVE lock_owner, lock_who, lock_until, lock_since", "lock_owner = :me", {})
        except self._client.exceptions.ConditionalCheckFailedException:
            self._lost.set()

    def check(self) -> None:
        """Raise `RecordLostError` if another process has taken over."""
        if self._lost.is_set():
            raise RecordLostError("Another release has taken over, because this one did not renew its lock in time.")

    def begin(self, begun: Begun) -> None:
        """Write down what will be undone if this process dies."""
        text = json.dumps({"before": dict(begun.before), "prompts": begun.prompts, "step": begun.step})
        self._write("SET begun = :begun", {":begun": {"S": text}})

    def clear(self) -> None:
        """Forget what was begun: it has been undone."""
        self._write("REMOVE begun", {})

    def finish(self, finished: Finished) -> None:
        """Write down a finished release, and forget what was begun, in one write."""
        text = json.dumps({**finished.__dict__, "before": dict(finished.before), "after": dict(finished.after)})
        self._write("SET finished = :finished REMOVE begun", {":finished": {"S": text}})
        self.last = finished

    def _write(self, expression: str, values: Mapping[str, Any]) -> None:
        self.check()
        try:
            self._update(expression, "lock_owner = :me", values)
        except self._client.exceptions.ConditionalCheckFailedException:
            self._lost.set()
            self.check()

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWAL_S):
            until = self._number(":until", self._clock.now() + LIFE)
            try:
                self._update("SET lock_until = :until", "lock_owner = :me", until)
            except self._client.exceptions.ConditionalCheckFailedException:
                self._lost.set()
                return
            except Exception:  # noqa: BLE001, S112 - the network may be down for a moment; the lock lives longer
                continue

    def _running(self) -> ReleaseRunningError:
        found = self._client.get_item(TableName=self._table, Key=KEY, ConsistentRead=True).get("Item", {})
        who = found.get("lock_who", {}).get("S", "somebody")
        since, until = (int(found.get(name, {}).get("N", "0")) for name in ("lock_since", "lock_until"))
        left = max(0, round((until - to_ms(self._clock.now())) / 1000))
        return ReleaseRunningError(
            f"Another release is running, by {who} since {rfc3339(from_ms(since))}. Wait for its end, or stop it: it "
            f"then goes back. If its machine has died, its lock ends in {left} s."
        )

    def _update(
        self, expression: str, condition: str, values: Mapping[str, Any], returned: str = "NONE"
    ) -> dict[str, Any]:
        answer = self._client.update_item(
            TableName=self._table,
            Key=KEY,
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=_used({":me": {"S": self._owner}, **values}, f"{expression} {condition}"),
            ReturnValues=returned,
        )
        found: dict[str, Any] = answer.get("Attributes", {})
        return found

    @staticmethod
    def _number(name: str, moment: Any) -> dict[str, Any]:  # noqa: ANN401 - a time
        return {name: {"N": str(to_ms(moment))}}


def _used(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the values that an expression uses. DynamoDB refuses others."""
    used = set(re.findall(r":\w+", text))
    return {name: value for name, value in values.items() if name in used}
