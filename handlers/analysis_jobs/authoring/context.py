"""What one attempt at a job works with."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.report import AttemptReport
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.secrets import Secrets, no_secrets
from analysis_jobs.base.settings import Settings
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.model import Model
from analysis_jobs.llm.prices import Prices
from analysis_jobs.prompts import PromptStore


@dataclass(frozen=True)
class Services:
    """What an analysis reaches through its job. One per function: every attempt uses the same."""

    artifacts: ArtifactStore
    prompts: PromptStore
    model: Model
    settings: Settings
    prices: Prices = field(default_factory=Prices)
    secrets: Secrets = field(default_factory=no_secrets)
    documents: DocumentReader = field(default_factory=DocumentReader)


class AttemptControl(Protocol):
    """How an attempt learns that it must stop. The heartbeat implements it."""

    @property
    def cancellation(self) -> CancellationToken:
        """Cancelled when the attempt must stop. Breaks off a blocked model call or query."""

    def check(self) -> None:
        """Raise `Stopped` if the lease is lost, a cancel was requested, or the invocation's time is over."""

    def time_left(self) -> timedelta:
        """Return how long the invocation may still work."""


@dataclass
class StageState:
    """Which stage runs, and what the stages before it returned. The worker updates it, `Job` reads it."""

    name: str = ""
    survives_deploys: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)
    series: Counter[str] = field(default_factory=Counter)
    in_series: bool = False

    def enter(self, name: str, *, survives_deploys: bool) -> None:
        """Begin a stage."""
        self.name = name
        self.survives_deploys = survives_deploys
        self.series.clear()


@dataclass(frozen=True)
class AttemptContext:
    """One attempt: the claimed row, the services, and how the attempt writes to its row and stops.

    `write` puts changes on the row under the fencing token. It raises `Stopped` if the lease is lost.
    """

    record: JobRecord
    services: Services
    control: AttemptControl
    checkpoints: Checkpoints
    report: AttemptReport
    write: Callable[[Mapping[str, Any]], object]
    model_id: str
    stage: StageState = field(default_factory=StageState)

    @property
    def cancellation(self) -> CancellationToken:
        """See `AttemptControl.cancellation`."""
        return self.control.cancellation

    def check(self) -> None:
        """See `AttemptControl.check`."""
        self.control.check()

    def hold(self) -> None:
        """Ask the row whether this attempt still holds the job. Raises `Stopped` if not."""
        self.write({})
