"""Serves MiniStack: `python serve.py HOST:PORT CERTIFICATE KEY`, by the Python that has it.

MiniStack's own `main` would also take port 443 and leave a pid file; and under it a stop takes half a minute, in which
it is easily killed before it has saved its state.
"""

import array
import asyncio
import fcntl
import functools
import logging
import os
import queue
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

from hypercorn.asyncio import serve  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]
from ministack.app import app  # type: ignore[import-not-found]
from ministack.core import iam_actions, lambda_runtime  # type: ignore[import-not-found]

KEEP_ALIVE_S = 75.0
# For so long a stop waits for every idle client to say goodbye by TLS, which most never do. asyncio's default is 30 s.
TLS_GOODBYE_S = 0.5
# A function's log is whole when twice for so long nothing came, and nothing of it is left in the pipe.
LOG_SILENCE_S = 0.03
LOG_WAIT_S = 5.0


async def main(bind: str, certificate: str, key: str) -> None:
    """Serve until SIGTERM; end the process once the state is saved."""
    config = Config()
    config.bind = [bind]
    config.certfile = certificate
    config.keyfile = key
    config.keep_alive_timeout = KEEP_ALIVE_S
    # Not HTTP/2: an apply sends so much at once over its one connection that the server breaks it off (GOAWAY).
    config.alpn_protocols = ["http/1.1"]
    asyncio.start_server = functools.partial(asyncio.start_server, ssl_shutdown_timeout=TLS_GOODBYE_S)
    logging.getLogger("asyncio").addFilter(lambda record: not _is_goodbye(record))
    lambda_runtime.Worker._drain_stderr_bounded = whole_log  # noqa: SLF001 - there is no setting for it
    iam_actions.extract_resource_arn = _with_parameters_by_arn(iam_actions.extract_resource_arn)
    await serve(app, config)
    # All is saved by now. Python would go on to wait for threads, which wait for functions that still run.
    os._exit(0)


def whole_log(worker: Any, **_: float) -> str:  # noqa: ANN401 - MiniStack has no types
    """Return all that a function has logged in the run that is over.

    MiniStack's own takes 5 ms of silence for the end: on a busy machine the rest is then in the log of the next run.
    """
    lines: list[str] = []
    process, deadline = worker._proc, time.monotonic() + LOG_WAIT_S  # noqa: SLF001 - as above
    silences = 0
    while silences < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - what was read just now may be on its way
        try:
            lines.append(worker._stderr_queue.get(timeout=LOG_SILENCE_S))  # noqa: SLF001
            silences = 0
        except queue.Empty:
            silences = 0 if process is not None and _unread(process.stderr) else silences + 1
    return "\n".join(lines)


def _unread(pipe: Any) -> bool:  # noqa: ANN401 - as above
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    except (OSError, ValueError):  # closed
        return False
    return waiting[0] > 0


def _with_parameters_by_arn(extract: Callable[..., Any]) -> Callable[..., Any]:
    """Return what says which resource a request is about, mended for SSM.

    A parameter may be asked for by its ARN; MiniStack gives it so, but takes the ARN for a name when it looks for the
    right: an ARN within an ARN, which no policy allows.
    """

    def extracted(*request: object, **more: object) -> object:
        found = extract(*request, **more)
        _, within, arn = found.partition(":parameter/arn:") if isinstance(found, str) else ("", "", "")
        return f"arn:{arn}" if within else found

    return extracted


def _is_goodbye(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], TimeoutError)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
