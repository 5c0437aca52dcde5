"""Runs `document_reader` in a process of its own: what is in a stranger's file can end that one, and not the worker.

PDFium, Tesseract and the XML libraries cannot be given a limit on memory from within, and a few kilobytes of PDF can
ask for gigabytes. A process can. It starts in some 10 ms, has no credentials in its environment, and is killed where
the job is cancelled, the lease is lost, or it takes too long.
"""

import json
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import IO, Any

from analysis_jobs.base.errors import Fail
from analysis_jobs.base.extras import MissingExtraError
from analysis_jobs.base.settings import variable
from document_reader.task import OUT_OF_MEMORY, Task

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from document_reader.program import main
main(sys.argv[2])
"""
_GLANCE_S = 0.1
_PIECE = 1 << 16
# The program counts its own processor time, which a busy machine does not use up. This is for one that hangs.
_SILENT_S = 300.0
_LAST_WORDS = 2_000


def run(task: Task, content: bytes, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Yield what the program answers (see `document_reader.task`), up to its last line.

    `check` is called often, and may raise: then the program is killed. Raises `Fail` with the program's code for a bad
    file, and `document_too_complex` where it was cut off; `MissingExtraError`.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(content)
        given.seek(0)
        with subprocess.Popen(  # noqa: S603 - our own program, and JSON
            [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(sys.path), json.dumps(asdict(task))],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=said,
            env=_environment(),
        ) as child:
            assert child.stdout  # noqa: S101 - it is a pipe
            try:
                for line in _lines(child.stdout, task.name, check):
                    if "done" in line:
                        return
                    yield _unless_bad(line, task.name)
                child.wait()
            finally:
                child.kill()
        raise _cut_off(child.returncode, said, task)


def _environment() -> dict[str, str]:
    """Return what the program sees: nothing of ours, and one thread at work, as a small function has one processor."""
    libraries = variable("LD_LIBRARY_PATH")
    return {"OMP_THREAD_LIMIT": "1", "MALLOC_ARENA_MAX": "1"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def _lines(stdout: IO[bytes], name: str, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Yield lines as they come. Raises `Fail` where there is none for too long."""
    silent_s = 0.0
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            check()
            if not selector.select(_GLANCE_S):
                silent_s += _GLANCE_S
                if silent_s > _SILENT_S:
                    raise Fail("document_too_complex", f"{name} takes too long to read")
                continue
            piece = stdout.read1(_PIECE)  # type: ignore[attr-defined]  # a pipe of Popen's is buffered
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            silent_s = 0.0
            yield from map(json.loads, lines)


def _unless_bad(line: dict[str, Any], name: str) -> dict[str, Any]:
    if error := line.get("error"):
        raise Fail(error["code"], f"{name} {error['message']}")
    if missing := line.get("missing"):
        raise MissingExtraError(missing["extra"], missing["module"])
    return line


def _cut_off(code: int, said: IO[bytes], task: Task) -> Exception:
    """Return what to raise where the program did not get to its last line."""
    said.seek(0)
    words = said.read()[-_LAST_WORDS:].decode("utf-8", "replace").strip()
    if code > 0 and code != OUT_OF_MEMORY:
        return RuntimeError(f"the document reader ended with status {code}: {words}")
    if -code in {signal.SIGPROF, signal.SIGXCPU}:
        return Fail("document_too_complex", f"{task.name} takes too long to read")
    # It ran out of memory and said so, or a C library ended it by a signal: that is how they run out of memory.
    limit = f"{(task.limits.memory_bytes or 0) // 2**20} MB" if task.limits.memory_bytes else "the memory"
    return Fail("document_too_complex", f"{task.name} cannot be read within {limit}: it unpacks to too much")
