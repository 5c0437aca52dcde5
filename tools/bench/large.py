"""Large work in one job: `job.each` over many items, and Excel files of 50,000 rows, written and read.

    python -m bench.large each 10000

Each measurement is a process of its own. It prints CPU seconds, those of a baseline,
and the most memory that the process had.
"""

import hashlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure
from bench.processes import report, result_of

ROWS = 50_000
RUNS = 3
ITEMS = (1_000, 10_000)
# 1 s for the items and 5 s for the rows, on a machine where the baselines take 0.034 s and 6.5 s.
_EACH_WANTED, _WRITE_WANTED = 29, 0.77
# openpyxl uses lxml if it finds it. A package of functions has none.
_AS_IN_A_PACKAGE = {"OPENPYXL_LXML": "False"}
_FIRST_DAY = date(2026, 1, 1)
_STATUS = Path("/proc/self/status")


def measure_each() -> list[Figure]:
    """Return the CPU of `job.each` as a ratio to its baseline, and how it grows with the number of items."""
    few, many = (_median("each", count) for count in ITEMS)
    ratio = many["cpu_s"] / many["baseline_s"]
    growth = (many["cpu_s"] / few["cpu_s"]) / (ITEMS[1] / ITEMS[0])
    return [
        Figure("each", f"{ITEMS[1]:,} items", ratio, "x", wanted=_EACH_WANTED, detail=_seconds(many)),
        Figure("each", f"CPU an item, {ITEMS[1]:,} against {ITEMS[0]:,} items", growth, "x", wanted=1.25),
    ]


def measure_excel() -> list[Figure]:
    """Return the CPU of Excel files as ratios to openpyxl's own fastest way, and the memory that they take."""
    found = []
    for name, title, wanted in (("write", "written", _WRITE_WANTED), ("read", "read", None)):
        one = _median(name, ROWS)
        ratio = one["cpu_s"] / one["baseline_s"]
        found += [
            Figure("excel", f"{ROWS:,} rows of 8 columns, {title}", ratio, "x", wanted=wanted, detail=_seconds(one)),
            Figure(
                "excel", f"{ROWS:,} rows of 8 columns, {title}: memory of the process", round(one["memory_mb"]), "MB"
            ),
        ]
    return found


def _seconds(one: dict[str, float]) -> str:
    return f"{one['cpu_s']:.2f} s; baseline {one['baseline_s']:.2f} s"


def _median(name: str, count: int) -> dict[str, float]:
    runs = [result_of("large", name, str(count), more=_AS_IN_A_PACKAGE) for _ in range(RUNS)]
    # The run with the median ratio: its times belong together.
    ratios = [run["cpu_s"] / run["baseline_s"] for run in runs]
    found: dict[str, float] = runs[ratios.index(sorted(ratios)[RUNS // 2])]
    return found | {"memory_mb": median(run["memory_mb"] for run in runs)}


# What runs in the other process.


def _each(count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Run a job over items, with stores in memory. The baseline encodes, hashes and keeps as many values."""
    from analysis_jobs import Job  # noqa: PLC0415 - only this measurement needs it
    from tests.handlers.attempts import run  # noqa: PLC0415 - as above
    from tests.handlers.builders import Book, Shop, Value  # noqa: PLC0415 - as above

    def work(job: Job[Book]) -> Value:
        return Value(text=str(len(job.each(range(count), str))))

    def plain() -> object:
        kept: dict[str, bytes] = {}
        for number in range(count):
            text = json.dumps({"item": number, "output": str(number)}).encode()
            kept[hashlib.sha256(text).hexdigest()] = text
        return kept

    shop = Shop([work])
    return lambda: run(shop, time=timedelta(minutes=10)), plain


def _table(count: int) -> Any:  # noqa: ANN401 - a model that is made here
    from pydantic import BaseModel  # noqa: PLC0415 - only this measurement needs it

    class Device(BaseModel):
        device: str
        kind: str
        floor: int
        price: Decimal
        day: date
        note: str
        spare: bool
        share: float

    return [
        Device(
            device=f"D-{number}",
            kind=f"kind {number % 7}",
            floor=number % 30,
            price=Decimal(number) / 100,
            day=_FIRST_DAY + timedelta(number % 300),
            note="Mounted at the door",
            spare=number % 2 == 0,
            share=number / 7,
        )
        for number in range(count)
    ]


def _write(count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Write a workbook. The baseline writes the same values without any style, row by row."""
    from openpyxl import Workbook  # noqa: PLC0415 - only this measurement needs it

    import analysis_jobs.tables.workbook  # noqa: F401, PLC0415 - its import is not measured
    from analysis_jobs.tables.spreadsheets import excel_file  # noqa: PLC0415 - only this measurement needs it

    rows = _table(count)

    def plain() -> object:
        book = Workbook(write_only=True)
        page = book.create_sheet()
        for row in rows:
            page.append([getattr(row, name) for name in type(row).model_fields])
        content = io.BytesIO()
        book.save(content)
        return content

    return lambda: excel_file(rows), plain


def _read(count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Read a workbook that the library has written. The baseline is openpyxl's read-only way, without formats."""
    from openpyxl import load_workbook  # noqa: PLC0415 - only this measurement needs it

    from analysis_jobs.tables.spreadsheets import excel_file  # noqa: PLC0415 - as above
    from document_reader.excel.sheets import read  # noqa: PLC0415 - as above
    from document_reader.task import Limits, Task  # noqa: PLC0415 - as above

    content = _in_another_process(lambda: excel_file(_table(count)))
    task = Task("read", "rows.xlsx", Limits(pages=100, pixels=1, characters=10**9))

    def plain() -> object:
        book = load_workbook(io.BytesIO(content), read_only=True)
        return sum(1 for _ in book.worksheets[0].iter_rows(values_only=True))

    def emit(**_: object) -> None:
        """Drop a page: the text is not kept here."""

    return lambda: read(content, task, emit), plain


def _in_another_process(take: Callable[[], bytes]) -> bytes:
    """Return bytes that a fork makes, so that their making leaves no memory here."""
    out, into = os.pipe()
    if os.fork() == 0:
        with os.fdopen(into, "wb") as file:
            file.write(take())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as file:
        content = file.read()
    os.wait()
    return content


def _memory_mb() -> float:
    """Return the most memory that this process had.

    On Linux `ru_maxrss` does not tell it: it is at least the memory of the process that started this one.
    """
    if not _STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024**2  # macOS counts bytes
    most = next(line for line in _STATUS.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
    return int(most.split()[1]) / 1_024


def main(name: str, count: int) -> None:
    """Measure once, and print the figures."""
    work, baseline = {"each": _each, "write": _write, "read": _read}[name](count)
    begun = time.process_time()
    work()
    worked = time.process_time()
    memory = _memory_mb()
    again = time.process_time()
    baseline()
    report({"cpu_s": worked - begun, "baseline_s": time.process_time() - again, "memory_mb": memory})


if __name__ == "__main__":
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - the log lines of the work
    main(sys.argv[1], int(sys.argv[2]))
