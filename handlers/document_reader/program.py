"""The program: one file, one task, and the process ends."""

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from document_reader.kinds import DOCX, PDF, TEXT, XLSX, Kind, recognised
from document_reader.task import OUT_OF_MEMORY, NotPackagedError, Task, UnreadableError, cleaned, debug

# Seconds of processor time, which do not run while others use the machine. For a page that is drawn or recognised;
# between any two other signs of life; and altogether, for whoever started this has long gone.
PAGE_CPU_S = 30.0
REST_CPU_S = 10.0
_LONGEST_CPU_S = 1_000


def main(argument: str) -> None:
    """Do the task (JSON) with the file on standard input."""
    task = Task.of(json.loads(argument))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, _LONGEST_CPU_S)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, REST_CPU_S)  # it ends the process, in a C library too
    content = sys.stdin.buffer.read()
    if task.limits.memory_bytes is not None:
        _limit(resource.RLIMIT_AS, task.limits.memory_bytes + len(content))
    try:
        _do(content, task)
    except UnreadableError as error:
        if error.code == "document_corrupt" and _short_of_memory():
            os._exit(OUT_OF_MEMORY)
        emit(error={"code": error.code, "message": error.message})
    except NotPackagedError as error:
        emit(missing={"extra": error.extra, "module": error.module})
    except Exception as error:  # noqa: BLE001 - libraries raise whatever they stumble over in a bad file
        if isinstance(error, MemoryError) or _short_of_memory():
            os._exit(OUT_OF_MEMORY)  # whatever else is done now may fail too
        debug(repr(error))
        emit(error={"code": "document_corrupt", "message": f"cannot be read: {type(error).__name__}: {error}"[:500]})
    emit(done=True)


def emit(**line: Any) -> None:
    """Answer with a line, at once."""
    if "text" in line:
        line["text"] = cleaned(line["text"])
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    signal.setitimer(signal.ITIMER_PROF, PAGE_CPU_S if "working" in line else REST_CPU_S)


def _do(content: bytes, task: Task) -> None:
    kind = recognised(content, task.name)
    reader = _reader(kind)
    pages = reader.look(content, task.limits) if hasattr(reader, "look") else None
    emit(kind=kind.name, media_type=kind.media_type, pages=pages)
    if pages is not None and task.pages and max(task.pages) > pages:
        raise UnreadableError("document_page_missing", f"has {pages} pages, and no page {max(task.pages)}")
    if task.what == "read":
        reader.read(content, task, emit)
    elif task.what == "draw":
        if not hasattr(reader, "draw"):
            raise UnreadableError("document_unsupported", f"is {kind.name}, which has no pages to draw")
        reader.draw(content, task, emit)


def _reader(kind: Kind) -> Any:
    # A library that only one kind of file needs is imported for that kind.
    if kind == PDF:
        from document_reader import pdf  # noqa: PLC0415

        return pdf
    if kind == DOCX:
        from document_reader import word  # noqa: PLC0415

        return word
    if kind == XLSX:
        from document_reader import sheets  # noqa: PLC0415

        return sheets
    from document_reader import pictures, plain  # noqa: PLC0415 - both light

    return plain if kind == TEXT else pictures


def _limit(what: int, most: int) -> None:
    """Set a limit, where the system has it."""
    _, hard = resource.getrlimit(what)
    within = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(what, (within, hard))
    except (OSError, ValueError) as error:
        debug(f"no limit: {error}")


def _short_of_memory() -> bool:
    """Tell whether more than half of the memory was in use: libraries hide that they asked for more than the rest."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/status")
    if most == resource.RLIM_INFINITY or not status.exists():
        return False
    peak = re.search(r"^VmPeak:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
    return peak is not None and int(peak[1]) * 1024 > most / 2
