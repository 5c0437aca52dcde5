"""What a job shares with the other jobs of its invocation."""

from datetime import datetime

from analysis_jobs.base.values import dataclass
from analysis_jobs.worker.visibility import Visibility


@dataclass(frozen=True)
class Invocation:
    """One invocation of the worker, as one of its jobs sees it.

    Attributes:
        shared: whether other jobs may run beside this one.
        visibility: renews the messages of all its jobs; None: each job renews its own.
        beats_from: the heartbeats beat at this time and at whole intervals after it; None: each from its own start.
        late: whether the invocation received this job's message after it had begun.
    """

    shared: bool = False
    visibility: Visibility | None = None
    beats_from: datetime | None = None
    late: bool = False


ALONE = Invocation()
"""An invocation with one job."""
