"""What the adapters of `analysis_jobs.moving` have in common: an item of work, its phase, and the port `Source`."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, Self

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.client import SubmitOptions


class Phase(StrEnum):
    """Where an item is. `MOVING` was begun by `move` and not ended, for example because the process was killed."""

    QUEUED = "queued"
    RUNNING = "running"
    MOVING = "moving"
    MOVED = "moved"
    ENDED = "ended"


@dataclass(frozen=True)
class NewJob:
    """The submission for an item. `options` are those of `Jobs.submit`, without the idempotency key."""

    analysis: str
    input: Mapping[str, Any]
    options: SubmitOptions = field(default_factory=SubmitOptions)


@dataclass(frozen=True)
class Claim:
    """A move that has begun. It is stored before the submission, so that a second run submits the same request.

    `at` is when it began, `was` the state of the item before it.
    """

    at: datetime
    was: str
    job: NewJob

    def to_json(self) -> str:
        """Return the stored text. Raises `TypeError` or `ValueError` if the input is not JSON."""
        request = {"analysis": self.job.analysis, "input": dict(self.job.input), "options": dict(self.job.options)}
        return json.dumps({"at": rfc3339(self.at), "was": self.was, "request": request}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the claim of a stored text. Raises `ValueError`, `KeyError` or `TypeError` for any other text."""
        stored = json.loads(text)
        return cls(datetime.fromisoformat(stored["at"]), stored["was"], NewJob(**stored["request"]))


@dataclass(frozen=True)
class Item:
    """A piece of work in the older system.

    `status` is the older system's own word, `row` its row with plain JSON types. `since` is the last sign of life.
    `wait` says why the item cannot be moved now; it is empty if it can. `message` and `receipt` are for queues only.
    `raw_since` is the stored value of `since`, which a claim compares.
    """

    old_id: str
    status: str
    phase: Phase
    row: Mapping[str, Any]
    since: datetime | None = None
    raw_since: Any = None
    claim: Claim | None = None
    moved_to: str | None = None
    wait: str = ""
    message: Mapping[str, Any] = field(default_factory=dict)
    receipt: str | None = None


@dataclass(frozen=True)
class Problem:
    """Something that the adapter cannot interpret, and leaves. `old_id` is its id, or where it was found."""

    old_id: str
    message: str


class Rows(Protocol):
    """A table with the state of each item. Every write is conditional."""

    name: str

    def open_work(self, now: datetime, *, take: bool) -> Generator[Item | Problem, None, None]:
        """Yield the items that have not ended, also those that cannot be moved now.

        With `take`, a queue may receive messages. Without it, nothing in the older system changes.
        """

    def look(self, old_id: str, now: datetime) -> Item | Problem | None:
        """Return the item of an id, in any phase. None if there is no such item."""

    def claim(self, item: Item, claim: Claim) -> bool:
        """Mark the item as moving. Return False, and write nothing, if it has changed since it was read."""

    def release(self, item: Item) -> None:
        """Undo `claim`: the item has its old state again."""

    def settle(self, item: Item, job_id: str) -> bool:
        """Mark the item as moved to a job. Return False if something else has written its state meanwhile."""


class Source(Rows, Protocol):
    """The older system, as `move` uses it."""

    def forget(self, item: Item) -> None:
        """Remove what would start the work again, after `settle`: the message, where there is one."""

    def notes(self) -> list[str]:
        """Return sentences for the report, for example how many messages are in flight."""


@dataclass(frozen=True)
class States:
    """The words and times of the older system.

    Args:
        queued: The states of waiting work.
        running: The states of work that a worker has.
        since: The column or attribute with the last sign of life: the heartbeat, or when the state was written. A
            time, ISO 8601 text (UTC if it names no offset), or seconds since 1970.
        dead_after: A running item without a sign of life for so long has no worker any more. At least the longest
            time that a worker can run, with its retries.
        queued_after: A queued item waits for so long before it is moved (default: not at all).
        moving, moved: The states that a move writes.
    """

    queued: tuple[str, ...]
    running: tuple[str, ...]
    since: str
    dead_after: timedelta
    queued_after: timedelta = timedelta()
    moving: str = "moving"
    moved: str = "moved"

    @property
    def open(self) -> tuple[str, ...]:
        """The states of everything that a move looks at."""
        return (*self.queued, *self.running, self.moving)

    def item(  # noqa: PLR0913, PLR0917 - what a row has
        self, old_id: str, status: Any, row: Mapping[str, Any], claim: Any, moved_to: Any, now: datetime
    ) -> Item | Problem:
        """Return the item of a row, or what is wrong with the row."""
        raw_since = row.get(self.since)
        try:
            since = moment(raw_since)
            begun = Claim.from_json(claim) if claim and status == self.moving else None
        except (ValueError, KeyError, TypeError) as error:
            return Problem(old_id, f"its row cannot be read: {error!r}")
        phase = self._phase(str(status))
        if phase is Phase.MOVING and begun is None:
            return Problem(old_id, f"its state is {self.moving!r}, but no move is stored with it")
        if phase in {Phase.QUEUED, Phase.RUNNING} and since is None and self._age_matters(phase):
            return Problem(old_id, f"it is {status}, but {self.since} has no time: nobody can tell whether it is alive")
        wait = self._wait(phase, since, now, moved_to)
        to = str(moved_to) if moved_to else None
        return Item(old_id, str(status), phase, plain(row), since, raw_since, begun, to, wait)

    def _phase(self, status: str) -> Phase:
        if status in self.queued:
            return Phase.QUEUED
        if status in self.running:
            return Phase.RUNNING
        return {self.moving: Phase.MOVING, self.moved: Phase.MOVED}.get(status, Phase.ENDED)

    def _age_matters(self, phase: Phase) -> bool:
        return phase is Phase.RUNNING or self.queued_after > timedelta()

    def _wait(self, phase: Phase, since: datetime | None, now: datetime, moved_to: Any) -> str:
        if phase in {Phase.QUEUED, Phase.RUNNING} and moved_to:
            return f"job {moved_to} has this work, but an old worker has written the row since: stop that worker"
        age = timedelta() if since is None else now - since
        if phase is Phase.RUNNING and age < self.dead_after:
            return "its old worker may be alive"
        if phase is Phase.QUEUED and age < self.queued_after:
            return "its old worker may still start"
        return ""


def moment(value: Any) -> datetime | None:
    """Return the time of a stored value. Raises `ValueError` or `TypeError` if it is none. A naive time is in UTC."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float | Decimal):
        return datetime.fromtimestamp(float(value), UTC)
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def plain(value: Any) -> Any:
    """Return a value with JSON types: numbers for `Decimal`, lists for sets, text for times and other types."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case set() | frozenset():
            return sorted((plain(each) for each in value), key=str)
        case datetime():
            return value.isoformat()
    return str(value)
