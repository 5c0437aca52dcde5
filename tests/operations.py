"""docs/operations.md shows the exact log lines of the runs in the tests."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
# The fields of a log line that an operator needs.
_SHOWN = ("attempt", "step", "steps", "code")
_LONGEST = 180  # longer lines end in stack traces or names of roles
# A redelivery may or may not come within a run. The others are for queries, not for the story of a failure.
_NOISE = {"attempt.spent", "job.delivered_again", "stage.done"}


def require_shown(run: str, seen: Iterable[str]) -> None:
    """Fail if the page's block of a run, below `<!-- run: … -->`, differs from what was seen.

    With `SHOWN=write` in the environment the block is written anew instead.
    """
    lines = [_cut(line) for each in seen for line in each.splitlines()]
    page = PAGE.read_text("utf-8")
    block = re.compile(rf"(?<=<!-- run: {re.escape(run)} -->\n```text\n).*?(?=```)", re.DOTALL)
    shown = block.search(page)
    assert shown, f"docs/operations.md has no block of the run {run!r}"
    if os.environ.get("SHOWN") == "write":
        written = "".join(f"{line}\n" for line in lines)
        PAGE.write_text(page[: shown.start()] + written + page[shown.end() :], "utf-8")
    else:
        assert shown[0].splitlines() == lines


def as_the_caller_sees(job: Mapping[str, Any]) -> str:
    """Return a line that shows the answer of `GET /jobs/{job_id}`."""
    error = job["error"]
    why = f"  {error['code']} (retryable: {json.dumps(error['retryable'])}): {error['message']}" if error else ""
    return f"caller   {job['status']}, attempt {job['attempt']}{why}"


def as_logged(function: str, lines: Iterable[str], **wanted: str) -> Iterator[str]:
    """Yield a function's log as the page shows it: the lines with an `event` and the `wanted` fields."""
    for record in _records(lines):
        event = record.get("event", "")
        if event not in {"", *_NOISE} and not event.startswith("audit.") and wanted.items() <= record.items():
            fields = "".join(f" {name}={_text(record[name])}" for name in _SHOWN if name in record)
            said = f"{function:<8} {record['level']:<7} {record['event']}:{fields} {record['message']}"
            # Codes of a service may be in a cause. The place after ` at ` changes with each edit of the code.
            errors = [each.partition(" at ")[0] for each in (record.get("exception", ""), *record.get("causes", ()))]
            error = next((each for each in errors if "(" in each), errors[0])
            yield f"{said}\n{'':<16} {error}" if error else said


def counted(function: str, lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield a line for each value of a metric in a function's log."""
    for record in _records(lines):
        if "_aws" in record and name in record:
            yield f"{function:<8} METRIC  {name} {sum(record[name]):g}"


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("{"):
            yield json.loads(line)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
