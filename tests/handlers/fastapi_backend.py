"""The FastAPI backend of the example existing-api, imported with an event loop that the test closes."""

import asyncio
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def imported_backend() -> Iterator[ModuleType]:
    """Import the backend. Mangum takes the thread's event loop; without one it makes a loop that nobody closes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield importlib.import_module("backend")
    finally:
        asyncio.set_event_loop(None)
        loop.close()
