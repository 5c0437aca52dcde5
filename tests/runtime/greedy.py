"""An analysis that uses as much memory and time as its request says. Nothing can interrupt it."""

import time

from pydantic import BaseModel

from analysis_jobs import Analysis, Job


class Appetite(BaseModel):
    """The request: how many MB to hold, and how long to block the thread."""

    megabytes: int = 0
    seconds: float = 0


class Full(BaseModel):
    """The result."""

    held: int


def take(job: Job[Appetite]) -> Full:
    """Hold the memory, then wait."""
    held = bytearray(job.request.megabytes * 2**20)
    held[::4096] = b"x" * len(held[::4096])  # the kernel gives memory only when it is written to
    time.sleep(job.request.seconds)
    return Full(held=len(held))


greedy = Analysis("greedy", request=Appetite, result=Full, stages=[take])
