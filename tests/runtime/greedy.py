"""An analysis that takes what it is told to take: memory, and time that nobody can interrupt."""

import time

from pydantic import BaseModel

from analysis_jobs import Analysis, Job


class Appetite(BaseModel):
    """The request: how many MB to hold, and for how long to compute without a look at anything."""

    megabytes: int = 0
    seconds: float = 0


class Full(BaseModel):
    """The result."""

    held: int


def take(job: Job[Appetite]) -> Full:
    """Hold the memory, then spend the time."""
    held = bytearray(job.request.megabytes * 2**20)
    held[::4096] = b"x" * len(held[::4096])  # memory is not held before it is written to
    until = time.process_time() + job.request.seconds
    while time.process_time() < until:
        pass
    return Full(held=len(held))


greedy = Analysis("greedy", request=Appetite, result=Full, stages=[take])
