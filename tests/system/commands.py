"""Helpers that run the commands of the local cloud and find its processes."""

import contextlib
import os
import sys
from pathlib import Path

from analysis_jobs_dev.cloud import ports, state

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "analysis_jobs_dev.cloud", *map(str, arguments)]


def processes_of(folder: Path) -> dict[int, str]:
    """Return the command line of each other process that names the folder in it, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return {process: line for process, line in found.items() if str(folder) in line and process != os.getpid()}


def nothing_runs(folder: Path) -> bool:
    kept = state.read(folder)
    assert kept
    return not processes_of(folder) and ports.is_free(kept.cloud_port) and ports.is_free(kept.stand_in_port)
