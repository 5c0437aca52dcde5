"""The services and the state that one attempt at a job works with."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta
from typing import Any, Protocol

from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.report import AttemptReport
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.secrets import Secrets, no_secrets
from analysis_jobs.base.settings import Settings
from analysis_jobs.base.values import dataclass
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.model import Model
from analysis_jobs.llm.prices import Prices
from analysis_jobs.prompts import PromptStore


@dataclass(frozen=True)
class Services:
    """The services behind `Job`. A function makes them once; all its attempts share them.

    `artifacts` is the bucket. `prompts` is the prompt table. `model` answers `Job.ask`: usually a `ModelRouter`, in
    tests a scripted model. `prices` turns usage into dollars. `secrets` reads the module's `worker.secrets`.
    `documents` reads uploaded documents, with OCR.
    """

    artifacts: ArtifactStore
    prompts: PromptStore
    model: Model
    settings: Settings
    prices: Prices = field(default_factory=Prices)
    secrets: Secrets = field(default_factory=no_secrets)
    documents: DocumentReader = field(default_factory=DocumentReader)


class AttemptControl(Protocol):
    """Tells an attempt that it must stop. The heartbeat implements it."""

    @property
    def cancellation(self) -> CancellationToken:
        """Cancelled when the attempt must stop. Breaks off a blocked model call or query."""

    def check(self) -> None:
        """Raise `Stopped` if the lease is lost, a cancel was requested, or the invocation's time is over."""

    def time_left(self) -> timedelta:
        """Return how much time the invocation has left for work."""


@dataclass
class StageState:
    """The running stage and the outputs of earlier stages. The worker updates it; `Job` reads it.

    `series` counts the calls of `job.each` in this stage, by function name. `in_series` is true during such a call.
    `trace` is the context of the stage's span, for threads of the analysis.
    """

    name: str = ""
    survives_deploys: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)
    series: Counter[str] = field(default_factory=Counter)
    in_series: bool = False
    trace: str | None = None

    def enter(self, name: str, *, survives_deploys: bool) -> None:
        """Begin a stage."""
        self.name = name
        self.survives_deploys = survives_deploys
        self.series.clear()


@dataclass(frozen=True)
class AttemptContext:
    """One attempt: the claimed row, the services, and how the attempt writes to its row and stops.

    `write` puts changes on the row under the fencing token. It raises `Stopped` if the lease is lost. `asking_places`
    counts for each stage the places in its code that ask a model.
    """

    record: JobRecord
    services: Services
    control: AttemptControl
    checkpoints: Checkpoints
    report: AttemptReport
    write: Callable[[Mapping[str, Any]], object]
    model_id: str
    stage: StageState = field(default_factory=StageState)
    asking_places: Mapping[str, int] = field(default_factory=dict)

    @property
    def cancellation(self) -> CancellationToken:
        """See `AttemptControl.cancellation`."""
        return self.control.cancellation

    def check(self) -> None:
        """See `AttemptControl.check`."""
        self.control.check()

    def hold(self) -> None:
        """Check the lease with a fenced write to the row. Raises `Stopped` if the attempt does not hold the job."""
        self.write({})
