"""Why a release does not go on."""

from collections.abc import Sequence


class ReleaseError(Exception):
    """A release cannot begin, or has failed. `details` are further lines: expectations, log lines, alarms."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


class ReleaseRunningError(ReleaseError):
    """Another release holds the record."""


class RecordLostError(ReleaseError):
    """Another process has taken over the record, and has put `live` in order. Nothing may be changed any more."""
