"""The only module that reads the system time or sleeps. All other code gets a `Clock`."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_POLL_S = 0.001  # how often `ManualClock.wait` checks the clock


class Clock(Protocol):
    """The source of the current time. Tests pass a `ManualClock`."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""

    def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after `duration`."""


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""
        time.sleep(duration.total_seconds())

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after `duration`."""
        return event.wait(duration.total_seconds())


class ManualClock:
    """A clock for tests. `advance` and `sleep` move it; `wait` returns after another thread has moved it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the clock's time, aware, in UTC."""
        return self._now

    def advance(self, duration: timedelta) -> None:
        """Move the clock forward, or back if `duration` is negative."""
        self._now += duration

    def sleep(self, duration: timedelta) -> None:
        """Move the clock by `duration` and return at once."""
        self.advance(duration)

    def wait(self, event: Event, duration: timedelta) -> bool:
        """Return True as soon as `event` is set, False after the clock has moved by `duration`."""
        until = self._now + duration
        while self._now < until and not event.wait(_POLL_S):
            pass
        return event.is_set()


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the unit of every stored time. The result is exact, unlike a float."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC time that is `milliseconds` after 1970."""
    return _EPOCH + milliseconds * _MILLISECOND


def rfc3339(moment: datetime) -> str:
    """Return the RFC 3339 text of a time for requests and responses, for example `2026-11-22T01:02:03.456Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
