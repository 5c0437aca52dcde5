"""Writes the figures of `make faults` into docs/reliability.md, between its markers.

    python tools/reliability.py                             prints the section
    python tools/reliability.py --write docs/reliability.md replaces the section in the file

The tests in tests/faults record the figures in .local/faults/figures.jsonl. For each name, the last record counts.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
FIGURES = REPOSITORY / ".local" / "faults" / "figures.jsonl"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"

type Figures = Mapping[str, Any]

# Names with a table of their own. All other figures are listed as they were recorded.
_CRASH = "Crash points: "
_STORM = "storm"
_WAIT = "wait after a kill, by the "
_CANCEL = "cancel, model "
_LONG = "long work, "
_COST = "cost of a job of 5 minutes"
_STORM_ROWS = (
    ("jobs accepted", "jobs"),
    ("jobs lost", "lost"),
    ("jobs with two results", "double_results"),
    ("completed", "completed"),
    ("failed, by code", "failed"),
    ("processes killed by SIGKILL", "processes_killed"),
    ("workers paused past their lease", "processes_paused"),
    ("attempts that a kill cut off", "jobs_hit_by_a_kill"),
    ("outages of AWS", "outages"),
    ("AWS requests, by what befell them", "mishaps"),
    ("model calls that were troubled", "troubles"),
    ("messages delivered again", "delivered_again"),
    ("stale workers that were stopped", "stale_writes_refused"),
    ("model calls a job: median", "calls_median"),
    ("model calls a job: most", "calls_max"),
    ("model calls a job: bound, without waits", "calls_bound"),
    ("wait from a kill to the next attempt: median, s", "wait_median_s"),
    ("wait from a kill to the next attempt: 99 %, s", "wait_p99_s"),
    ("wait from a kill to the next attempt: most, s", "wait_max_s"),
    ("took, s", "took_s"),
)


def read(file: Path) -> dict[str, Figures]:
    """Return the recorded figures by name."""
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {str(line["name"]): {key: value for key, value in line.items() if key != "name"} for line in lines}


def section(figures: Mapping[str, Figures]) -> str:
    """Return the Markdown section."""
    parts: list[tuple[str, list[str]]] = []
    crashes = [values for name, values in figures.items() if name.startswith(_CRASH)]
    totals = {key: sum(values.get(key, 0) for values in crashes) for key in ("aws_calls", "crash_points")}
    others = [name for name in figures if not name.startswith((_STORM, _WAIT, _CANCEL, _LONG, _COST))]
    listed = {name: figures[name] for name in others} | ({"Crash points, in all": totals} if crashes else {})
    parts.append(("Interleavings, crash points, stale workers", _listed(listed)))
    if storm := figures.get(_STORM):
        rows = [(label, _text(storm[key])) for label, key in _STORM_ROWS if key in storm]
        parts.append((f"The storm, with a lease of {storm['lease_s']:g} s", _table(("what", "figure"), rows)))
    parts.append(("From the kill to the next attempt", _compared(figures, _WAIT, "found by")))
    parts.append(("Long work", _compared(figures, _LONG, "analysis")))
    parts.append(("From the cancel to the end", _compared(figures, _CANCEL, "the model's stream")))
    if cost := figures.get(_COST):
        rows = [(name.replace("_", " "), _text(value)) for name, value in cost.items()]
        parts.append((_COST.capitalize(), _table(("what", "figure"), rows)))
    return "\n\n".join(f"### {title}\n\n" + "\n".join(lines) for title, lines in parts if lines)


def _listed(figures: Mapping[str, Figures]) -> list[str]:
    rows = [
        (name, ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in values.items()))
        for name, values in figures.items()
    ]
    return _table(("proof", "figures"), rows) if rows else []


def _compared(figures: Mapping[str, Figures], prefix: str, head: str) -> list[str]:
    """Return a table with one row for each name that begins with `prefix`."""
    found = {name.removeprefix(prefix): values for name, values in figures.items() if name.startswith(prefix)}
    columns = list(dict.fromkeys(key for values in found.values() for key in values))
    rows = [(name, *(_text(values.get(key, "")) for key in columns)) for name, values in found.items()]
    return _table((head, *(key.replace("_", " ") for key in columns)), rows) if rows else []


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return ", ".join(f"{name or 'nothing'} {_text(each)}" for name, each in sorted(value.items()))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def replaced(text: str, new: str) -> str:
    """Replace the part of `text` between the markers. Raises `ValueError` if a marker is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the file lacks the markers: add {BEGIN} and {END} where the figures belong")
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print or write the section."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--figures", type=Path, default=FIGURES, help="the recorded figures (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the section between the markers in FILE")
    given = parser.parse_args(arguments)
    if not given.figures.exists():
        raise SystemExit(f"{given.figures} does not exist: run `make faults`, which writes it.")
    written = section(read(given.figures))
    if given.write is None:
        print(written)
    else:
        given.write.write_text(replaced(given.write.read_text(encoding="utf-8"), written), encoding="utf-8")
        print(f"{given.write}: written")


if __name__ == "__main__":
    main()
