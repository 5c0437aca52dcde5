"""Runs `document_reader` in a child process, so that a malicious file can crash the child but not the worker.

A few kilobytes of PDF can request gigabytes of memory. PDFium, Tesseract and the XML libraries offer no memory limit,
but a process can have one. The child starts in about 10 ms. It is killed if the job is cancelled, the lease is lost, or
reading takes too long.

A malicious file may also take over the child. The child has no credentials in its environment, and cannot read those of
this process: `hide_memory` closes `/proc/<pid>/environ`. It has no network (see `document_reader.sandbox`).
"""

import json
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from functools import cache
from typing import IO, Any

from analysis_jobs.base.errors import Fail
from analysis_jobs.base.extras import MissingExtraError
from analysis_jobs.base.observability import count, log
from analysis_jobs.base.settings import variable
from document_reader.task import OUT_OF_MEMORY_STATUS, Task

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from document_reader.program import main
main(sys.argv[2])
"""
_POLL_S = 0.1
_CHUNK_BYTES = 1 << 16
# For a child that hangs. A busy child ends earlier, at its own limit on CPU time, which other processes do not use up.
_MAX_SILENCE_S = 300.0
_STDERR_TAIL_BYTES = 2_000


def run(task: Task, content: bytes, check: Callable[[], None]) -> Generator[dict[str, Any]]:
    """Yield the program's answers (see `document_reader.task`) until its last line.

    `check` is called several times a second. If it raises, the child is killed. Raises `Fail` with the program's code
    for an unreadable file, `Fail` with `document_too_complex` if the child was killed at a limit, and
    `MissingExtraError`.
    """
    _hide_memory()
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
        stdin.write(content)
        stdin.seek(0)
        with subprocess.Popen(  # noqa: S603 - runs this interpreter with a fixed program, without a shell
            [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(sys.path), json.dumps(asdict(task))],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(),
        ) as child:
            assert child.stdout  # noqa: S101 - for the type checker: it is a pipe
            try:
                for line in _lines(child.stdout, task.name, check):
                    if "done" in line:
                        return
                    if "open" in line:
                        _report_open(line["open"])
                        continue
                    yield _raise_if_error(line, task.name)
                child.wait()
            finally:
                child.kill()
        # The cause tells a file that was refused from one that ended the child.
        ended = subprocess.CalledProcessError(child.returncode, "document_reader")
        raise _error_of_exit(child.returncode, stderr, task) from ended


def _hide_memory() -> None:
    from document_reader.sandbox import hide_memory  # noqa: PLC0415 - only a worker that reads documents needs ctypes

    hide_memory()


@cache
def _report_open(why: str) -> None:
    """Tell the operator that this system cannot confine the child. A document is read all the same."""
    count("ReaderNotConfined")
    log("document.not_confined", "the process that reads documents has access to the network", why=why)


def _environment() -> dict[str, str]:
    """Return the child's environment: none of the worker's variables except the library path.

    OCR uses one thread, and malloc one arena: a small Lambda function has one processor.
    """
    libraries = variable("LD_LIBRARY_PATH")
    return {"OMP_THREAD_LIMIT": "1", "MALLOC_ARENA_MAX": "1"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})


def _lines(stdout: IO[bytes], name: str, check: Callable[[], None]) -> Iterator[dict[str, Any]]:
    """Yield the child's lines as they arrive. Raises `Fail` after too long without output."""
    silent_s = 0.0
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            check()
            if not selector.select(_POLL_S):
                silent_s += _POLL_S
                if silent_s > _MAX_SILENCE_S:
                    silence = subprocess.TimeoutExpired("document_reader", _MAX_SILENCE_S)
                    raise Fail("document_too_complex", f"{name} takes too long to read") from silence
                continue
            chunk = stdout.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]  # Popen's pipe is a BufferedReader
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            silent_s = 0.0
            yield from map(json.loads, lines)


def _raise_if_error(line: dict[str, Any], name: str) -> dict[str, Any]:
    if error := line.get("error"):
        raise Fail(error["code"], f"{name} {error['message']}")
    if missing := line.get("missing"):
        raise MissingExtraError(missing["extra"], missing["module"])
    return line


def _error_of_exit(code: int, stderr: IO[bytes], task: Task) -> Exception:
    """Return the error for a child that ended before its last line. `code` is negative for a signal."""
    stderr.seek(0)
    message = stderr.read()[-_STDERR_TAIL_BYTES:].decode("utf-8", "replace").strip()
    if code > 0 and code != OUT_OF_MEMORY_STATUS:
        return RuntimeError(f"the document reader ended with status {code}: {message}")
    if -code in {signal.SIGPROF, signal.SIGXCPU}:
        return Fail("document_too_complex", f"{task.name} takes too long to read")
    # It reported that it ran out of memory, or a signal ended it: C libraries often crash when memory runs out.
    limit = f"{(task.limits.memory_bytes or 0) // 2**20} MB" if task.limits.memory_bytes else "the memory"
    return Fail("document_too_complex", f"{task.name} cannot be read within {limit}: it unpacks to too much data")
