"""The defaults of the modules that decide what a job costs, read from their files."""

import re
from dataclasses import dataclass

from bench.packing import Worker
from bench.processes import REPOSITORY

_MODULES = REPOSITORY / "modules"


@dataclass(frozen=True)
class Defaults:
    """What a stack has that sets nothing, with a package that has no OCR and whose analyses mostly wait."""

    memory_mb: int
    worker: Worker


def defaults() -> Defaults:
    """Return the defaults. Raises `SystemExit` if a module does not have them where they are read."""
    text = (_MODULES / "analysis-jobs" / "variables-worker.tf").read_text(encoding="utf-8")
    memory = _optional(text, "memory_mb")
    slots = _optional(text, "jobs_per_invocation")
    timeout = _optional(text, "timeout_s")
    if timeout is None:
        raise SystemExit("variables-worker.tf has no default of timeout_s")
    # Without a default of its own, the module takes what the package needs.
    return Defaults(
        memory_mb=memory or _WITHOUT_OCR_MB,
        worker=Worker(slots or _mostly_waits(), timeout_s=timeout),
    )


# See modules/package.
_WITHOUT_OCR_MB = 256


def _mostly_waits() -> int:
    """Return the jobs of an invocation if all analyses declare `mostly_waits`."""
    text = (_MODULES / "package" / "outputs.tf").read_text(encoding="utf-8")
    found = re.search(r"^\s*jobs_per_invocation\s*=\s*local\.mostly_waits \? (\d+) : 1$", text, re.MULTILINE)
    if found is None:
        raise SystemExit("modules/package/outputs.tf has no jobs_per_invocation")
    return int(found[1])


def _optional(text: str, name: str) -> int | None:
    found = re.search(rf"^\s*{name}\s*=\s*optional\(number(?:, (\d+))?\)", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"variables-worker.tf has no {name}")
    return int(found[1]) if found[1] else None
