"""What docs/operations.md shows of a failure is what its run showed, line by line."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
# Of a log line's fields, those that an operator looks for; the rest are the job's names and where the line comes from.
_SHOWN = ("attempt", "step", "steps", "code")
_LONGEST = 180  # beyond it stand stack traces and names of roles
# A second message of the same job, as every redelivery is: whether it comes within a run is a matter of seconds.
_NOISE = {"job.delivered_again"}


def require_shown(run: str, seen: Iterable[str]) -> None:
    """Fail where the page's block of a run, below `<!-- run: … -->`, is not what was seen.

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
    """Return the line that shows what `GET /jobs/{job_id}` says."""
    error = job["error"]
    why = f"  {error['code']} (retryable: {json.dumps(error['retryable'])}): {error['message']}" if error else ""
    return f"caller   {job['status']}, attempt {job['attempt']}{why}"


def as_logged(function: str, lines: Iterable[str], **wanted: str) -> Iterator[str]:
    """Return a function's log as the page shows it: the lines with an `event`, and with the `wanted` fields."""
    for record in _records(lines):
        if record.get("event", "") not in {"", *_NOISE} and wanted.items() <= record.items():
            fields = "".join(f" {name}={_text(record[name])}" for name in _SHOWN if name in record)
            said = f"{function:<8} {record['level']:<7} {record['event']}:{fields} {record['message']}"
            trace = record.get("exception", "").splitlines()[-1:]
            yield "\n".join([said, *(f"{'':<16} {line}" for line in trace if record["message"] not in line)])


def counted(function: str, lines: Iterable[str], name: str) -> Iterator[str]:
    """Return a counter of a function's log, each time that it was written."""
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
