"""What a release did, step by step: printed while it runs, and as JSON at its end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from analysis_jobs.base.clock import Clock
from analysis_jobs_dev.release.canaries import CanaryResult


class Outcome(StrEnum):
    """How a release ended.

    `failed` is a release without an earlier version to go back to: a first deployment, or one that changed nothing in
    service.
    """

    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    WENT_BACK = "went back"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"


@dataclass
class Step:
    """A step of a release, and how long it took."""

    name: str
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)


@dataclass
class Report:
    """The report of a release. `failure` says why it failed; `details` are lines that help to find the cause."""

    clock: Clock
    say: Callable[[str], None] = lambda _: None
    outcome: Outcome = Outcome.FAILED
    code_version: str = ""
    steps: list[Step] = field(default_factory=list)
    canaries: Sequence[CanaryResult] = ()
    failure: str = ""
    details: Sequence[str] = ()
    undone: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the release did what was asked for."""
        return self.outcome in {Outcome.DEPLOYED, Outcome.UNCHANGED, Outcome.ROLLED_BACK}

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Report a step: its name at its begin, its lines while it runs, and its time at its end."""
        step, since = Step(name), self.clock.now()
        self.steps.append(step)
        self.say(f"{name} …")
        try:
            yield step
        finally:
            step.seconds = round((self.clock.now() - since).total_seconds(), 1)
        self.say(f"{name}: {step.seconds:g} s")

    def note(self, line: str) -> None:
        """Add a line to the current step."""
        self.steps[-1].lines.append(line)
        self.say(f"  {line}")

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "outcome": str(self.outcome),
            "code_version": self.code_version,
            "steps": [asdict(step) for step in self.steps],
            "canaries": [asdict(canary) for canary in self.canaries],
            "failure": self.failure,
            "details": list(self.details),
            "undone": list(self.undone),
        }

    def conclusion(self) -> list[str]:
        """Return the last lines for people: the outcome, and why."""
        version = f" {self.code_version}" if self.code_version else ""
        if not self.failure:
            return [f"{self.outcome.capitalize()}{version}."]
        lines = [self.failure, *(f"  {line}" for line in self.details)]
        if self.outcome is Outcome.WENT_BACK:
            undone = self.undone or ["callers never reached the new version"]
            return [*lines, f"Went back: {'; '.join(undone)}."]
        return [*lines, f"{self.outcome.capitalize()}."]
