"""Serves MiniStack: `python serve.py HOST:PORT CERTIFICATE KEY`, by the Python that has it.

MiniStack's own `main` would also take port 443 and leave a pid file; and under it a stop takes half a minute, in which
it is easily killed before it has saved its state.
"""

import asyncio
import functools
import logging
import os
import sys

from hypercorn.asyncio import serve  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]
from ministack.app import app  # type: ignore[import-not-found]

KEEP_ALIVE_S = 75.0
# For so long a stop waits for every idle client to say goodbye by TLS, which most never do. asyncio's default is 30 s.
TLS_GOODBYE_S = 0.5


async def main(bind: str, certificate: str, key: str) -> None:
    """Serve until SIGTERM; end the process once the state is saved."""
    config = Config()
    config.bind = [bind]
    config.certfile = certificate
    config.keyfile = key
    config.keep_alive_timeout = KEEP_ALIVE_S
    asyncio.start_server = functools.partial(asyncio.start_server, ssl_shutdown_timeout=TLS_GOODBYE_S)
    logging.getLogger("asyncio").addFilter(lambda record: not _is_goodbye(record))
    await serve(app, config)
    # All is saved by now. Python would go on to wait for threads, which wait for functions that still run.
    os._exit(0)


def _is_goodbye(record: logging.LogRecord) -> bool:
    return record.exc_info is not None and isinstance(record.exc_info[1], TimeoutError)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
