"""The figures that the fault tests measure, one JSON line each. `make faults` prints them for docs/reliability.md."""

import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / ".local" / "faults" / "figures.jsonl"


class Recording:
    """Whether figures are recorded. The short runs in `make test` record none."""

    on = False


def record(name: str, **values: Any) -> None:
    """Record figures under a name. For each name, the last record counts."""
    if Recording.on:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        with FILE.open("a") as lines:
            lines.write(json.dumps({"name": name, **values}) + "\n")


def read(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """Return the recorded figures by name."""
    if not file.exists():
        return {}
    figures = [json.loads(line) for line in file.read_text().splitlines()]
    return {str(values.pop("name")): values for values in figures}


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return the figures as a text table, one line for each value."""
    rows = [
        (name if first else "", field.replace("_", " "), _text(value))
        for name, values in figures.items()
        for first, (field, value) in zip([True] + [False] * len(values), values.items(), strict=False)
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {field:<{widths[1]}}  {value}" for name, field, value in rows)


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    print(table(read()) or "no figures were recorded")
    sys.exit()
