"""Runs one command, and ends it with the process that asked for it.

    python guard.py GRACE_S EXIT_CODE_FILE command argument…

The command runs in a process group of its own. The guard stops it (SIGTERM, after GRACE_S seconds SIGKILL) when the
guard gets SIGTERM, or when its standard input ends: the kernel closes that when the asking process dies, however it
dies. Processes that the command leaves in its group are killed too. Then the guard writes the exit code to
EXIT_CODE_FILE, which tells a later start how the command ended.

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
    with contextlib.suppress(OSError):  # the folder may have been deleted meanwhile
        exit_code_file.write_text(f"{exit_code}\n", encoding="utf-8")
    return exit_code


def _end(child: subprocess.Popen[bytes], grace_s: float) -> int:
    if child.poll() is None:
        child.terminate()
    deadline = time.monotonic() + grace_s
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_S / 2)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is empty
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
