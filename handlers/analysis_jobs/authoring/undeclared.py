"""Stands for an analysis that is known by its name only: its code is in another package.

A backend submits such jobs. The worker validates their input.
"""

from datetime import timedelta
from typing import Any

from pydantic import JsonValue, RootModel

from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.base.values import dataclass


class AnyInput(RootModel[dict[str, JsonValue]]):
    """Any JSON object."""


class AnyResult(RootModel[JsonValue]):
    """Any JSON value."""


def _unknown_stage(_: Any) -> AnyResult:
    raise NotImplementedError("the code of this analysis is in another package")


@dataclass(frozen=True)
class UndeclaredAnalysis:
    """The name of an analysis, and the settings of its declaration that a submission needs.

    Give the values of the declaration if it changes the defaults. An analysis with an admission policy, with tiers,
    with triggers or with a subject from its input needs its whole declaration: without it, these are not applied.
    """

    name: str
    max_attempts: int = 3
    deadline: timedelta = timedelta(hours=6)
    estimated_time: timedelta = timedelta(minutes=2)

    def declaration(self) -> Analysis[AnyInput, AnyResult]:
        """Return a declaration that accepts every input. Raises `ConfigurationError` for a wrong name or value."""
        return Analysis(
            self.name,
            request=AnyInput,
            result=AnyResult,
            stages=[_unknown_stage],
            max_attempts=self.max_attempts,
            deadline=self.deadline,
            estimated_time=self.estimated_time,
        )


def first_stage(analysis: Analysis[Any, Any]) -> str | None:
    """Return the name of the first stage, None if only the name of the analysis is known."""
    stage = analysis.stages[0]
    return None if stage is _unknown_stage else stage.__name__
