"""The gate of a package: what must not reach production, found in the sources and in the finished zip.

Each check yields problems: a rule, a place and the fix. A project can allow one with a reason:

    [[tool.analysis-jobs.allow]]
    rule = "stub"
    file = "letters.py"
    reason = "the notice of receipt is the same for every letter"
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.project import Allowed, Project

Rule = Literal["development", "file", "native", "secret", "stub"]
RULES: tuple[str, ...] = get_args(Rule)


@dataclass(frozen=True)
class Problem:
    """Something that must not be deployed. `line` is None if it concerns the whole file."""

    rule: Rule
    file: str
    line: int | None
    message: str
    fix: str

    def __str__(self) -> str:
        """Return the problem in one line."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message} ({self.rule}). {self.fix}"


def refuse(project: Project, problems: Iterable[Problem]) -> None:
    """Raise `PackageError` for the problems that the project does not allow. The message has a line for each."""
    left = [each for each in problems if not any(_allows(allowed, each) for allowed in project.allow)]
    if left:
        lines = "\n".join(f"  {each}" for each in left)
        raise PackageError(f"The package of {project.name} must not be deployed:\n{lines}")


def refuse_unused(project: Project, problems: Iterable[Problem]) -> None:
    """Raise `PackageError` for an exception that the project does not need any more."""
    found = list(problems)
    for allowed in project.allow:
        if not any(_allows(allowed, each) for each in found):
            raise PackageError(
                f"{project.file}: allow names {allowed.file!r} for the rule {allowed.rule!r}, and there is no such "
                "problem: remove the entry."
            )


def _allows(allowed: Allowed, problem: Problem) -> bool:
    return (allowed.rule, allowed.file) == (problem.rule, problem.file)
