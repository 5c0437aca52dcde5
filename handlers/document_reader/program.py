"""The program's entry point. One process reads one file."""

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from document_reader.kinds import detect_kind
from document_reader.readers import reader_of
from document_reader.sandbox import confine
from document_reader.task import OUT_OF_MEMORY_STATUS, NotPackagedError, Task, UnreadableError, cleaned, debug

# Limits in CPU seconds of this process, so that a busy machine does not use them up.
PAGE_CPU_S = 30.0  # for drawing a page, or for its OCR
REST_CPU_S = 10.0  # between any two other answers
_TOTAL_CPU_S = 1_000  # for all, in case the parent process has died


def main(argument: str) -> None:
    """Do the task (JSON) with the file on standard input."""
    task = Task.of(json.loads(argument))
    if open_because := confine():
        emit(open=open_because)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, _TOTAL_CPU_S)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, REST_CPU_S)  # SIGPROF ends the process, also inside a C library
    content = sys.stdin.buffer.read()
    if task.limits.memory_bytes is not None:
        _limit(resource.RLIMIT_AS, task.limits.memory_bytes + len(content))
    try:
        _run(content, task)
    except UnreadableError as error:
        if error.code == "document_corrupt" and _is_near_memory_limit():
            os._exit(OUT_OF_MEMORY_STATUS)
        emit(error={"code": error.code, "message": error.message})
    except NotPackagedError as error:
        emit(missing={"extra": error.extra, "module": error.module})
    except Exception as error:  # noqa: BLE001 - libraries raise all kinds of errors for a corrupt file
        if isinstance(error, MemoryError) or _is_near_memory_limit():
            os._exit(OUT_OF_MEMORY_STATUS)  # exit at once: any other action may also run out of memory
        # Without the message of the error, which may quote the document.
        emit(error={"code": "document_corrupt", "message": f"cannot be read: {type(error).__name__}"})
    emit(done=True)


def emit(**line: Any) -> None:
    """Write one line of the answer, and restart the limit on CPU time."""
    if "text" in line:
        line["text"] = cleaned(line["text"])
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    signal.setitimer(signal.ITIMER_PROF, PAGE_CPU_S if "working" in line else REST_CPU_S)


def _run(content: bytes, task: Task) -> None:
    kind = detect_kind(content, task.name)
    reader = reader_of(kind)
    pages = reader.look(content, task.limits) if reader.look else None
    emit(kind=kind.name, media_type=kind.media_type, pages=pages)
    if pages is not None and task.pages and max(task.pages) > pages:
        raise UnreadableError("document_page_missing", f"has no page {max(task.pages)}: it has {pages} pages")
    if task.what == "read":
        reader.read(content, task, emit)
    elif task.what == "draw":
        if reader.draw is None:
            raise UnreadableError("document_unsupported", f"is {kind.name}, which has no pages to draw")
        reader.draw(content, task, emit)


def _limit(which: int, wanted: int) -> None:
    """Set a resource limit. If the system refuses it, continue without."""
    _, hard = resource.getrlimit(which)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(which, (soft, hard))
    except (OSError, ValueError) as error:
        debug(f"the resource limit {which} cannot be set to {soft}: {error}")


def _is_near_memory_limit() -> bool:
    """Tell whether the peak was over half of the memory limit.

    Many libraries report a failed allocation as a corrupt file. Such an allocation may ask for all the rest at once.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/status")
    if limit == resource.RLIM_INFINITY or not status.exists():
        return False
    peak = re.search(r"^VmPeak:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
    return peak is not None and int(peak[1]) * 1024 > limit / 2
