"""Writes the figures into docs/benchmarks.md and docs/scale.md, between their markers."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import sweeps, walls
from bench.figures import Run, shown
from bench.processes import REPOSITORY
from bench.topics import TOPICS

FIGURES = REPOSITORY / "docs" / "benchmarks.json"
BENCHMARKS = REPOSITORY / "docs" / "benchmarks.md"
SCALE = REPOSITORY / "docs" / "scale.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_UNITS = "units: "


def write(run: Run) -> list[Path]:
    """Write the figures into both documents. Return their paths."""
    for path, section in ((BENCHMARKS, benchmarks(run)), (SCALE, scale(run))):
        path.write_text(replaced(path.read_text(encoding="utf-8"), section), encoding="utf-8")
    return [BENCHMARKS, SCALE]


def benchmarks(run: Run) -> str:
    """Return the section of docs/benchmarks.md: a table for each topic."""
    lines = [f"Taken with CPython {run.python}, on {run.processors} processors.", ""]
    for topic in TOPICS:
        figures = list(run.of(topic.name).values())
        if topic.name == "walls" or not figures:
            continue
        wanted = any(figure.wanted is not None for figure in figures)
        head = ["figure", "value", *(["wanted"] if wanted else []), topic.details]
        rows = [
            [
                figure.name,
                figure.text,
                *([_wanted(figure.wanted, figure.higher_is_better)] if wanted else []),
                figure.detail,
            ]
            for figure in figures
        ]
        lines += [f"### {topic.title}", "", *wrapped(topic.method), "", *table(head, rows), ""]
        lines += [f"Commit `{run.commits[topic.name]}`.", ""]
    return "\n".join(lines).rstrip()


def _wanted(wanted: float | None, higher: bool) -> str:  # noqa: FBT001 - a member of the figure
    if wanted is None:
        return ""
    return f"{'at least' if higher else 'at most'} {shown(wanted)}"


def scale(run: Run) -> str:
    """Return the section of docs/scale.md: the walls, and the simulation of 10,000 jobs a second."""
    taken = {name.removeprefix(_UNITS): f.value for name, f in run.of("walls").items() if name.startswith(_UNITS)}
    if not taken:
        return "There are no figures yet: run `make bench ONLY=walls`."
    living = next(
        (f.value for name, f in run.of("sweeper").items() if name.startswith(f"{sweeps.LIVING:,} living rows: rows")),
        None,
    )
    found = walls.walls(taken, living)
    split = ", ".join(f"{index} {units:g}" for index, units in taken.items())
    return "\n".join(
        [
            f"A job of five minutes takes these write units: {split}. Counted on commit `{run.commits['walls']}`.",
            "",
            *table(
                ("part", "jobs a second", "formula", "limit", "alarm", "what to do"),
                [
                    (wall.name, shown(round(wall.jobs_per_s, 1)), wall.formula, wall.source, wall.alarm, wall.remedy)
                    for wall in found
                ],
            ),
            "",
            "### 10,000 jobs a second",
            "",
            *wrapped(
                f"What the partitions of the table take of {walls.PER_S:,} jobs a second, for {walls.SECONDS} s. Each "
                "partition is a token bucket of 1,000 write units a second, which begins with the 300 s that DynamoDB "
                "saves. What it refuses is lost in the simulation; in the system, it is sent again. Written by "
                "`make bench ONLY=walls`."
            ),
            "",
            *table(
                ("part", "partitions", "taken", "most asked of one, units/s", "first refusal after"),
                [
                    (name, str(partitions), f"{share:.0%}", f"{most:,.0f}", "never" if full is None else f"{full} s")
                    for name, partitions, share, most, full in walls.simulation(taken)
                ],
            ),
        ]
    )


def wrapped(text: str) -> list[str]:
    """Return the lines of a paragraph."""
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def replaced(text: str, new: str) -> str:
    """Replace the part of `text` between the markers. If `text` has no markers, add them at its end."""
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n".lstrip()
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{rest.partition(END)[2]}"
