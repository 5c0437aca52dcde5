"""Canaries: jobs that a deployment runs on new code before callers reach it.

A canary has a tenant and a lane of its own. Its messages stay in that lane, also those of waits, continuations and
sweeps: the lane invokes the newest code, and the other lanes invoke the code in service.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field

from analysis_jobs.base.observability import counting_for
from analysis_jobs.base.tenants import CANARY_TENANT
from analysis_jobs.base.values import dataclass

# The `priority` of canaries. It is not a key of `Settings.queue_urls`, so no submission can name it.
CANARY_LANE = "canary"


@dataclass(frozen=True)
class CanaryRun:
    """The mark of a submission as a canary. `prompts` maps names of prompts to the versions that the job uses.

    These versions need not be active. Prompts that are not named are used as by any job.
    """

    prompts: Mapping[str, int] = field(default_factory=dict)


def uncounted(tenant: str) -> AbstractContextManager[None]:
    """Return a context in which a canary counts for no metric: a failed canary must not look like a caller's job."""
    return counting_for(None) if tenant == CANARY_TENANT else nullcontext()
