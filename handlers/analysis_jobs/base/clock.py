"""The only module that asks the machine for the time, or sleeps. Everything else is handed a `Clock`."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_GLANCE_S = 0.001  # how often one who waits on a manual clock looks at it


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
    """A clock that moves only when told to. Sleeping moves it; who waits, waits for somebody else to move it."""

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
        """Return True as soon as `event` is set, False once the clock was moved by `duration`."""
        until = self._now + duration
        while self._now < until and not event.wait(_GLANCE_S):
            pass
        return event.is_set()


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the unit of every stored time; exact, where a float is not."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment of `milliseconds` since 1970, in UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


def rfc3339(moment: datetime) -> str:
    """Return `2026-11-22T01:02:03.456Z`: how a time is written on the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
