"""The defaults of the module `analysis-jobs` that decide what a job costs, read from its files."""

import re
from dataclasses import dataclass

from bench.packing import Worker
from bench.processes import REPOSITORY

_MODULE = REPOSITORY / "modules" / "analysis-jobs"


@dataclass(frozen=True)
class Defaults:
    """What a stack has that sets nothing, with a package that has no OCR and whose analyses mostly wait."""

    memory_mb: int
    worker: Worker


def defaults() -> Defaults:
    """Return the defaults. Raises `SystemExit` if the module does not have them where they are read."""
    text = (_MODULE / "variables-worker.tf").read_text(encoding="utf-8")
    memory = _optional(text, "memory_mb")
    slots = _optional(text, "jobs_per_invocation")
    timeout = _optional(text, "timeout_s")
    if timeout is None:
        raise SystemExit("variables-worker.tf has no default of timeout_s")
    # Without a default of its own, the module takes what the package needs.
    return Defaults(
        memory_mb=memory or _WITHOUT_OCR_MB,
        worker=Worker(slots or _MOSTLY_WAITS, timeout_s=timeout),
    )


# See modules/package/outputs.tf.
_WITHOUT_OCR_MB = 256
_MOSTLY_WAITS = 10


def _optional(text: str, name: str) -> int | None:
    found = re.search(rf"^\s*{name}\s*=\s*optional\(number(?:, (\d+))?\)", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"variables-worker.tf has no {name}")
    return int(found[1]) if found[1] else None
