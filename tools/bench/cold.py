"""The CPU time of a cold start, as a ratio to importing boto3 and making one client."""

import statistics

from bench.figures import Figure
from bench.processes import cpu_ms

HANDLERS = ("api", "worker", "sweeper", "events")
RUNS = 7
BASELINE = "boto3 and one client"
_BASELINE = "import boto3; boto3.client('dynamodb')"
# What a backend and a module with a declaration import.
OTHERS = {
    "a client of the API": "import analysis_jobs.client",
    "all names of an analysis": "from analysis_jobs import *",
}
_WANTED = {"api, ready": 1.3, "worker, ready": 1.3}


def milliseconds() -> dict[str, float]:
    """Return the median CPU milliseconds of each program. The programs take turns."""
    programs = {BASELINE: _BASELINE} | OTHERS
    for handler in HANDLERS:
        programs[f"{handler}, imported"] = f"import {handler}"
        programs[f"{handler}, ready"] = f"import {handler}; {handler}._{handler}()"
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for run in range(RUNS + 1):
        for name, program in programs.items():
            found = cpu_ms(program)
            if run:  # the first run writes the bytecode, and does not count
                taken[name].append(found)
    return {name: statistics.median(each) for name, each in taken.items()}


def measure() -> list[Figure]:
    """Return the ratio of each program to the baseline."""
    found = milliseconds()
    baseline = found.pop(BASELINE)
    return [
        Figure("cold", name, each / baseline, "x", wanted=_WANTED.get(name), detail=f"{each:.0f} ms")
        for name, each in found.items()
    ]
