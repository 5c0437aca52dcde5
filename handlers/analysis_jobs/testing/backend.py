"""The service under test, in memory: submissions, queues, workers and sweeper around one clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.prices import Prices
from analysis_jobs.prompts import MemoryPromptStore, Prompt
from analysis_jobs.stores.memory import MemoryArtifactStore
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import SubmissionService
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.testing.clock import TestClock
from analysis_jobs.testing.errors import Crashed, StopTest
from analysis_jobs.testing.model import ScriptedModel
from analysis_jobs.testing.queue import TimedQueue
from analysis_jobs.testing.store import WatchedJobStore
from analysis_jobs.wiring import document_reader
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.slots import KeepMessage
from analysis_jobs.worker.worker import Worker

DEFAULTS: dict[str, Any] = {
    "analyses": "tests",
    "table_name": "jobs",
    "bucket_name": "artifacts",
    "queue_urls": {priority: f"memory://{priority}" for priority in ("high", "medium", "low")},
    "code_version": "1",
    "model_id": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
_SECOND = timedelta(seconds=1)
_MOST_STEPS = 100_000  # deliveries and waits of one job; no real job has so many


@dataclass
class Backend:
    """The parts of the service. `timeout` is that of the worker's function."""

    settings: Settings = field(default_factory=lambda: Settings.model_validate(DEFAULTS))
    timeout: timedelta = timedelta(minutes=15)
    prompts: list[Prompt] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    """The last error of each job, by its id."""
    _analyses: dict[str, Analysis[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = TestClock(self.settings.heartbeat)
        self.store = WatchedJobStore(self._cancel)
        self.queue = TimedQueue(self.clock)
        self.artifacts = MemoryArtifactStore()
        self.model = ScriptedModel(self.store.jobs, self.clock, lambda: self.settings)

    # Parts

    def know(self, analysis: Analysis[Any, Any]) -> None:
        """Deploy an analysis. A later one of the same name replaces it, as a deployment does."""
        self._analyses[analysis.name] = analysis

    @property
    def submissions(self) -> SubmissionService:
        """The service that accepts jobs."""
        return SubmissionService(self.store, self.queue, self.artifacts, self.analyses, self.settings, self.clock)

    @property
    def control(self) -> JobControl:
        """The service that cancels and retries jobs."""
        return JobControl(self.store, self.queue, self.artifacts, self.analyses, self.settings, self.clock)

    @property
    def analyses(self) -> Analyses:
        """The analyses that are deployed."""
        return Analyses(list(self._analyses.values()))

    @property
    def vault(self) -> Secrets:
        """The secrets, as a worker reads them."""
        arns = {name: f"arn:aws:secretsmanager:test:000000000000:secret:{name}" for name in self.secrets}
        by_arn = {arn: self.secrets[name] for name, arn in arns.items()}
        return Secrets(lambda name: arns.get(name, ""), by_arn.__getitem__, self.clock, self.settings.secret_max_age)

    @property
    def _worker(self) -> Worker:
        services = Services(
            artifacts=self.artifacts,
            prompts=MemoryPromptStore(*self.prompts),
            model=self.model,
            settings=self.settings,
            prices=Prices.parse(self.settings.model_prices, self.clock),
            secrets=self.vault,
            documents=document_reader(self.settings),
        )
        return Worker(self.store, self.queue, self.analyses, services, self.clock, self._keep_error)

    def _cancel(self, key: JobKey) -> None:
        self.control.cancel(key)

    def _keep_error(self, record: JobRecord, error: Exception) -> None:
        self.errors[record.job_id] = error

    # Run

    def run_due(self) -> None:
        """Deliver every message that is visible now, and sweep."""
        __tracebackhide__ = True
        for _ in range(_MOST_STEPS):
            message = self.queue.receive()
            if message is not None:
                self._deliver(message)
            elif not self._sweep():
                return
        raise RuntimeError("the jobs do not come to rest")

    def run_to_end(self, key: JobKey) -> None:
        """Run jobs until this one has ended. The clock moves to the next message or the next sweep.

        Raises `ValueError` if a fault is for a stage that no analysis has.
        """
        __tracebackhide__ = True
        self._check_stages()
        for _ in range(_MOST_STEPS):
            self.run_due()
            if self.store.jobs[key].status.ended:
                return
            self.clock.advance(max(_SECOND, self._next_at() - self.clock.now()))
        raise RuntimeError(f"the job does not end: {self.store.jobs[key]}")

    def _check_stages(self) -> None:
        __tracebackhide__ = True
        known = [stage.__name__ for analysis in self._analyses.values() for stage in analysis.stages]
        wanted = self.store.crashes_after | self.store.cancels_in | self.model.crashes
        if unknown := sorted((wanted | self.model.script.stages_of_faults) - set(known)):
            raise ValueError(f"there is no stage {', '.join(unknown)} for a fault; the stages are {', '.join(known)}")

    def _deliver(self, message: Message) -> None:
        """Deliver a message to a worker in a new invocation."""
        __tracebackhide__ = True
        stop_at = self.clock.now() + self.timeout - min(self.settings.stop_margin, self.timeout / 4)
        try:
            self._worker.handle(message, stop_at)
        except (Crashed, KeepMessage):
            return  # nobody has acknowledged the message
        except StopTest as stop:
            failure = stop.failure
        else:
            self.queue.delete(message)
            return
        raise failure

    def _sweep(self) -> bool:
        """Sweep. Return whether a job moved."""
        steps = Sweeper(self.store, self.queue, self.settings, self.clock).sweep()
        return any(steps[step] for step in ("requeue", "resend", "cancel", "fail"))

    def _next_at(self) -> datetime:
        moments = [self.queue.next_at(), *map(_next_step_at, self.store.jobs.values())]
        later = [moment for moment in moments if moment is not None and moment > self.clock.now()]
        return min(later, default=self.clock.now())


def _next_step_at(job: JobRecord) -> datetime | None:
    """Return when the sweeper has to look at a job. None for a job that has ended."""
    if job.status is Status.PROCESSING and job.lease_until is not None:
        return job.lease_until
    return job.due_at


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return settings with changes. Raises `ValueError`, which names an unknown or wrong setting."""
    if unknown := sorted(changes.keys() - Settings.model_fields.keys()):
        known = ", ".join(sorted(Settings.model_fields))
        raise ValueError(f"there is no setting {', '.join(unknown)}; the settings are {known}")
    return Settings.model_validate({**settings.model_dump(), **changes})
