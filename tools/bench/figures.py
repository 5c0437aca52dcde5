"""The figures of a run, the file that keeps them, and their comparison with an earlier run."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A larger change than this is named.
TOLERANCE = 0.10


@dataclass(frozen=True)
class Figure:
    """One figure of a topic.

    A counted figure is the same in every run of the same code. Any other one varies with the machine. A throughput has
    `higher_is_better`. `wanted` is the goal, if there is one. `detail` explains the figure, and is not compared.
    """

    topic: str
    name: str
    value: float
    unit: str
    counted: bool = False
    higher_is_better: bool = False
    wanted: float | None = None
    detail: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The name of the figure among all figures."""
        return self.topic, self.name

    @property
    def text(self) -> str:
        """The value with its unit, as the tables show it."""
        return f"{shown(self.value)} {self.unit}".strip()

    def better(self, other: "Figure") -> "Figure":
        """Return the better one of two values of the same figure."""
        values = sorted((self, other), key=lambda figure: figure.value)
        return values[-1] if self.higher_is_better else values[0]


@dataclass(frozen=True)
class Run:
    """Figures, the commit of each topic, and with which Python and on how many processors they were taken."""

    commits: Mapping[str, str]
    python: str
    processors: int
    figures: tuple[Figure, ...]

    def of(self, topic: str) -> dict[str, Figure]:
        """Return the figures of a topic by name, in the order in which they were measured."""
        return {figure.name: figure for figure in self.figures if figure.topic == topic}


@dataclass(frozen=True)
class Change:
    """A figure that differs from the kept one. `share` is how much worse it is: 0.2 is 20 %; below 0 it is better."""

    before: Figure
    after: Figure
    share: float

    @property
    def is_regression(self) -> bool:
        """Whether the figure is worse by more than the tolerance."""
        return self.share > TOLERANCE

    def __str__(self) -> str:
        return f"{self.after.topic}: {self.after.name}: {self.before.text} before, {self.after.text} now ({self._how})"

    @property
    def _how(self) -> str:
        if math.isinf(self.share):
            return "was 0"
        return f"{abs(self.share):.0%} {'worse' if self.share > 0 else 'better'}"


def compared(kept: Iterable[Figure], measured: Iterable[Figure]) -> list[Change]:
    """Return the changes of figures that both runs have, the worst first."""
    before = {figure.key: figure for figure in kept}
    changes = [
        Change(before[figure.key], figure, _worse_by(before[figure.key], figure))
        for figure in measured
        if figure.key in before and figure.value != before[figure.key].value
    ]
    return sorted(changes, key=lambda change: -change.share)


def _worse_by(before: Figure, after: Figure) -> float:
    if before.value == 0:
        return -math.inf if after.higher_is_better else math.inf
    share = (after.value - before.value) / before.value
    return -share if after.higher_is_better else share


def best_of(first: Sequence[Figure], second: Sequence[Figure]) -> list[Figure]:
    """Return the better value of each figure of two runs. What only one of them has is kept."""
    others = {figure.key: figure for figure in second}
    return [figure.better(others.get(figure.key, figure)) for figure in first]


def shown(value: float) -> str:
    """Return a number with about three digits: 1,234, 12.3, 1.23 or 0.0123."""
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    digits = 2 if abs(value) >= 0.1 else 4  # noqa: PLR2004 - USD for a thousand jobs
    return f"{value:.{digits}f}"


def load(path: Path) -> Run:
    """Return the kept figures. Without a file there are none."""
    if not path.exists():
        return Run({}, "", 0, ())
    kept: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    figures = tuple(Figure(**figure) for figure in kept["figures"])
    return Run(kept["commits"], kept["python"], kept["processors"], figures)


def merged(kept: Run, measured: Run) -> Run:
    """Return the measured figures, and the kept ones of the topics that were not measured."""
    topics = {figure.topic for figure in measured.figures}
    others = tuple(figure for figure in kept.figures if figure.topic not in topics)
    commits = {**kept.commits, **measured.commits}
    return Run(commits, measured.python, measured.processors, (*measured.figures, *others))


def dumped(run: Run, order: Sequence[str]) -> str:
    """Return the text of the file. The topics have the given order, so that a new run changes few lines."""
    ranks = {topic: number for number, topic in enumerate(order)}
    figures = sorted(run.figures, key=lambda figure: ranks.get(figure.topic, len(ranks)))
    commits = dict(sorted(run.commits.items(), key=lambda pair: ranks.get(pair[0], len(ranks))))
    head = {"commits": commits, "python": run.python, "processors": run.processors}
    lines = ",\n    ".join(json.dumps(_plain(figure), ensure_ascii=False) for figure in figures)
    return f'{json.dumps(head, indent=2)[:-2]},\n  "figures": [\n    {lines}\n  ]\n}}\n'


def _plain(figure: Figure) -> dict[str, Any]:
    """Return the members of a figure that are not the default. Values are rounded: more digits are noise."""
    value = figure.value if figure.counted else float(f"{figure.value:.4g}")
    plain = {"topic": figure.topic, "name": figure.name, "value": value, "unit": figure.unit}
    flags = {name: True for name in ("counted", "higher_is_better") if getattr(figure, name)}
    more = {"wanted": figure.wanted, "detail": figure.detail}
    return plain | flags | {name: value for name, value in more.items() if value not in (None, "")}
