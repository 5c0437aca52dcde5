"""Serves MiniStack: `python serve.py HOST:PORT CERTIFICATE KEY`, with the Python in which it is installed.

MiniStack's own `main` also takes port 443 and leaves a pid file. Its stop takes half a minute; a kill within that time
loses the state.
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
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypercorn.asyncio import serve  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]
from ministack.app import app  # type: ignore[import-not-found]
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router  # type: ignore[import-not-found]
from ministack.services import apigateway, cloudwatch, dynamodb, eventbridge, iam, kms, lambda_svc, sqs, tagging  # type: ignore[import-not-found]

# This file is run by its path in an isolated Python.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from analysis_jobs_dev.cloud import emulator
from analysis_jobs_dev.cloud.emulator import descriptions, enforcement, issuers

KEEP_ALIVE_S = 75.0
# How long a stop waits for the TLS close_notify of idle clients; most never send it. asyncio's default is 30 s.
TLS_CLOSE_S = 0.5
# A function's log is complete after two silences of this length with an empty pipe.
LOG_SILENCE_S = 0.03
LOG_WAIT_S = 5.0


async def main(bind: str, certificate: str, key: str) -> None:
    """Serve until SIGTERM; end the process when the state is saved."""
    config = Config()
    config.bind = [bind]
    config.certfile = certificate
    config.keyfile = key
    config.keep_alive_timeout = KEEP_ALIVE_S
    # Not HTTP/2: an apply sends so much over one connection that the server closes it (GOAWAY).
    config.alpn_protocols = ["http/1.1"]
    asyncio.start_server = functools.partial(asyncio.start_server, ssl_shutdown_timeout=TLS_CLOSE_S)
    logging.getLogger("asyncio").addFilter(lambda record: not _is_close_timeout(record))
    lambda_runtime.Worker._drain_stderr_bounded = whole_log  # noqa: SLF001 - there is no setting for this
    iam_actions.extract_resource_arn = _with_parameters_by_arn(iam_actions.extract_resource_arn)
    descriptions.install(apigateway, cloudwatch)
    issuers.install(apigateway, os.environ.get(issuers.VARIABLE, ""))
    services = SimpleNamespace(
        apigateway=apigateway,
        dynamodb=dynamodb,
        eventbridge=eventbridge,
        iam=iam,
        iam_actions=iam_actions,
        iam_evaluator=iam_evaluator,
        kms=kms,
        lambda_svc=lambda_svc,
        responses=responses,
        router=router,
        sqs=sqs,
        tagging=tagging,
    )
    record = os.environ.get(enforcement.VARIABLE)
    enforcement.install(services, Path(record) if record else None)
    await serve(emulator.install(app, services), config)
    # Everything is saved. Python would wait for threads, which wait for functions that still run.
    os._exit(0)


def whole_log(worker: Any, **_: float) -> str:  # noqa: ANN401 - MiniStack has no types
    """Return the whole log of a function's last run.

    MiniStack itself stops reading after 5 ms of silence: on a busy machine the rest lands in the log of the next run.
    """
    lines: list[str] = []
    process, deadline = worker._proc, time.monotonic() + LOG_WAIT_S  # noqa: SLF001 - as above
    silences = 0
    while silences < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - the reading thread may hold a line that is not queued yet
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
    """Wrap MiniStack's function that finds the resource of a request, and correct it for SSM.

    A parameter may be requested by its ARN. MiniStack then checks the right with the ARN as the parameter's name, an
    ARN within an ARN that no policy allows.
    """

    def extracted(*request: object, **more: object) -> object:
        found = extract(*request, **more)
        _, within, arn = found.partition(":parameter/arn:") if isinstance(found, str) else ("", "", "")
        return f"arn:{arn}" if within else found

    return extracted


def _is_close_timeout(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], TimeoutError)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
