"""What a check found, and how it can be corrected."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a finding is. `UNKNOWN`: it could not be checked from here."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One result of a check. `fix` is empty for `Level.OK`."""

    level: Level
    check: str
    message: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(Level.OK, check, message)


def unknown(check: str, message: str, fix: str) -> Finding:
    """Return a finding of a check that could not be made. `fix` says how it can be made."""
    return Finding(Level.UNKNOWN, check, message, fix)


def warning(check: str, message: str, fix: str) -> Finding:
    """Return a finding that can harm jobs under load or later."""
    return Finding(Level.WARNING, check, message, fix)


def problem(check: str, message: str, fix: str) -> Finding:
    """Return a finding that makes jobs fail."""
    return Finding(Level.PROBLEM, check, message, fix)
