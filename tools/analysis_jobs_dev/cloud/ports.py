"""Ports of 127.0.0.1 for the servers that this process starts.

A port that is free now can be taken before its server listens, a second later. Two rules prevent that:

- The ports lie below the range from which the system takes the port of an outgoing connection. That range starts at
  32768 on Linux and at 49152 on macOS.
- A lock file for each port keeps other processes of the same user from choosing it, until this process ends.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from analysis_jobs_dev.cloud.errors import CloudError

LOOPBACK = "127.0.0.1"
CHOICE = range(20_000, 32_000)

_held: list[int] = []  # file descriptors of the lock files; the locks end with this process


def free_ports(count: int, among: range = CHOICE) -> list[int]:
    """Return `count` different ports on which no server listens, and reserve them for this process.

    Raises CloudError if `among` has too few.
    """
    found: list[int] = []
    for port in random.sample(among, len(among)):
        if len(found) == count:
            break
        if is_free(port) and _reserve(port):
            found.append(port)
    if len(found) < count:
        raise CloudError(f"Only {len(found)} of {count} ports are free from {among.start} to {among.stop - 1}.")
    return found


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now.

    SO_REUSEADDR ignores connections in TIME_WAIT, as the servers do.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """Lock the port's file. Return False if a process holds it, also if that is this one."""
    folder = Path(tempfile.gettempdir()) / f"analysis-jobs-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _held.append(lock)
    return True
