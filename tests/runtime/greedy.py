"""An analysis that uses as much memory and processor time as its request says. Nothing can interrupt it."""

import time

from pydantic import BaseModel

from analysis_jobs import Analysis, Job


class Appetite(BaseModel):
    """The request: memory to allocate in MB, and processor time to spend in seconds."""

    megabytes: int = 0
    seconds: float = 0


class Full(BaseModel):
    """The result."""

    held: int


def take(job: Job[Appetite]) -> Full:
    """Allocate the memory, then use the processor time."""
    held = bytearray(job.request.megabytes * 2**20)
    held[::4096] = b"x" * len(held[::4096])  # a page becomes resident when it is written
    until = time.process_time() + job.request.seconds
    while time.process_time() < until:
        pass
    return Full(held=len(held))


greedy = Analysis("greedy", request=Appetite, result=Full, stages=[take])
