"""The only module that asks the machine for the time, or sleeps. Everything else is handed a `Clock`."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; tests hand in one that they move by hand."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after `duration`."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""
        time.sleep(duration.total_seconds())

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after `duration`."""
        return event.wait(duration.total_seconds())


class ManualClock:
    """A clock that moves only when told to: sleeping moves it, and nothing waits."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the moment that was last set."""
        return self._now

    def advance(self, duration: timedelta) -> None:
        """Move the clock forward, or back where `duration` is negative."""
        self._now += duration

    def sleep(self, duration: timedelta) -> None:
        """Move the clock by `duration` and return at once."""
        self.advance(duration)

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Move the clock by `duration` unless `event` is set already."""
        if not event.is_set():
            self.advance(duration)
        return event.is_set()


def to_ms(moment: datetime) -> int:
    """Return milliseconds since 1970, the unit of every stored time."""
    return round(moment.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the moment of `milliseconds` since 1970, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def rfc3339(moment: datetime) -> str:
    """Return `2026-11-22T01:02:03.456Z`: how a time is written on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
