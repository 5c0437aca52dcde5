"""Runs one command and makes sure that nothing of it outlives the process that asked for it.

    python guard.py GRACE_S EXIT_CODE_FILE command argument…

The command runs in a process group of its own. It is told to stop (SIGTERM, after GRACE_S seconds
SIGKILL) when the guard's standard input ends, which the kernel sees to when the asking process
dies, however it dies, or when the guard itself gets SIGTERM. Whatever the command leaves in its
group is killed with it. Then its exit code is written to EXIT_CODE_FILE: the file says that the
command ended, and how, even when nobody was left to wait for it.

Only the standard library: this file is run by its path, in any Python.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

POLL_S = 0.1


def main(grace_s: float, exit_code_file: Path, command: list[str]) -> int:
    """Run the command to its end; return its exit code, 128 + n after signal n as a shell does."""
    told_to_stop = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    while child.poll() is None and not told_to_stop:
        readable, _, _ = select.select([sys.stdin], [], [], POLL_S)
        told_to_stop = told_to_stop or (bool(readable) and not os.read(sys.stdin.fileno(), 1))
    exit_code = _end(child, grace_s)
    with contextlib.suppress(OSError):  # the folder may be gone by now, with whoever wanted to know
        exit_code_file.write_text(f"{exit_code}\n", encoding="utf-8")
    return exit_code


def _end(child: subprocess.Popen[bytes], grace_s: float) -> int:
    if child.poll() is None:
        child.terminate()
    deadline = time.monotonic() + grace_s
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_S / 2)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in the group
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
