"""Helpers that run all attempts of a job and can interrupt an attempt."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Retry
from analysis_jobs.jobs.record import JobRecord
from tests.handlers.builders import MINUTE, Shop

TIME = 10 * MINUTE  # the time of one invocation
BREAK = Retry("model_connection", "reset", after=timedelta())


class Chapter(BaseModel):
    title: str
    read_at: datetime


@dataclass
class Diary:
    """A log of the work over all attempts. Each entry in `fails` interrupts an attempt once."""

    fails: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def note(self, entry: str) -> None:
        self.done.append(entry)
        if entry in self.fails:
            self.fails.remove(entry)
            raise BREAK.with_traceback(None)


def run(shop: Shop, *, time: timedelta | None = None, **fields: Any) -> JobRecord:
    """Deliver the messages of a job until it ends. Each invocation has `time` left."""
    key = shop.keep(**fields)
    shop.queue.send("medium", key, dedupe="submit")
    while shop.queue.sent:
        shop.clock.advance(shop.queue.sent.pop(0)[2])
        shop.deliver(key, time=time)
    return shop.job(key)


def steps(job: JobRecord) -> list[str]:
    return [entry.transition for entry in job.history]
