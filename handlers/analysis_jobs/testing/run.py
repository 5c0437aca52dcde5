"""One job of a test: its state, and what it did."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from analysis_jobs.authoring.analysis import Analysis, stage_options
from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.files import MAX_FILE_BYTES, file_key
from analysis_jobs.authoring.outputs import MISSING, restore_output
from analysis_jobs.base.errors import AnalysisJobsError
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.record import JobFailure, JobKey, JobRecord
from analysis_jobs.testing.backend import Backend
from analysis_jobs.testing.inputs import as_type
from analysis_jobs.testing.questions import Asked
from analysis_jobs.testing.report import report, without_frames_of_library
from analysis_jobs.testing.script import name_of_stage

Result = TypeVar("Result", bound=BaseModel)


class JobFailed(AssertionError):  # noqa: N818 - an assertion about a job, not an error of the kit
    """The job did not complete. `code` and `message` are those of the job; `job` has all the rest."""

    def __init__(self, job: "JobRun[Any]", code: str, message: str, about: str) -> None:
        super().__init__(about)
        self.job = job
        self.code = code
        self.message = message


@dataclass(frozen=True)
class JobRun(Generic[Result]):
    """A submitted job. Everything is read when it is asked for, so it is always the present state.

    `outcome` says what the submission did: `created`, or `existing` and `skipped` by an admission policy.
    """

    analysis: Analysis[Any, Result]
    key: JobKey
    outcome: str
    _backend: Backend

    @property
    def record(self) -> JobRecord:
        """The row of the job."""
        return self._backend.store.jobs[self.key]

    @property
    def job_id(self) -> str:
        """The ID of the job."""
        return self.key.job_id

    @property
    def status(self) -> str:
        """`queued`, `processing`, `completed`, `failed` or `cancelled`."""
        return str(self.record.status)

    # Result

    @property
    def result(self) -> Result:
        """The result, as an instance of the result model.

        Raises `JobFailed` if there is none, and `ValueError` if the model does not accept its own JSON, for example
        because of a computed field: then use `json`.
        """
        __tracebackhide__ = True
        try:
            result: Result = as_type(self.analysis.result, self.json)
        except ValidationError as error:
            name = self.analysis.result.__name__
            raise ValueError(f"{name} does not accept the JSON that it writes; use `json`: {error}") from error
        return result

    @property
    def json(self) -> Any:
        """The result as callers of the API get it. Raises `JobFailed` if there is none."""
        __tracebackhide__ = True
        payload = self.record.result
        if payload is None or self.status != "completed":
            self.require_completed()
        return load_json(self._backend.artifacts, payload) if payload else None

    def require_completed(self) -> None:
        """Raise `JobFailed` if the job has not completed. The error of its last attempt is the cause."""
        __tracebackhide__ = True
        if self.status == "completed":
            return
        failure = self.error or JobFailure(self.status, f"the job is {self.status}", retryable=False)
        error = self._backend.errors.get(self.job_id)
        about = report(self.record, self.analysis, self.questions, failure, error)
        # An error of the library says all in its message. Any other is a defect: show where it was raised.
        cause = None if error is None or isinstance(error, AnalysisJobsError) else without_frames_of_library(error)
        raise JobFailed(self, failure.code, failure.message, about) from cause

    @property
    def error(self) -> JobFailure | None:
        """Why the job, or its last attempt, failed: `code`, `message`, `retryable`. None after a success."""
        return self.record.failure

    @property
    def findings(self) -> Any:
        """The findings of the rules (`analysis_jobs.extraction`): those in the result, or in the output of a stage."""
        found = getattr(self.result, "findings", None)
        for stage in reversed(self.analysis.stages[:-1]):
            if found is not None:
                break
            found = getattr(self._output(stage), "findings", None)
        return [] if found is None else found

    # Course

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the finished stages, in order."""
        return self.record.stages_completed

    @property
    def attempts(self) -> int:
        """How many attempts the job took. Waiting and continuing do not count."""
        return self.record.attempt

    @property
    def history(self) -> list[str]:
        """The names of the job's transitions, beginning with `submit`."""
        return ["submit", *(entry.transition for entry in self.record.history)]

    @property
    def progress(self) -> int:
        """The progress, 0 to 100."""
        return self.record.progress

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts that each stage used, as `section/sub_section@v3`."""
        return dict(self.record.prompts)

    @property
    def took(self) -> timedelta:
        """How long the job took from the submission to its end, by the clock of the test."""
        return (self.record.finished_at or self._backend.clock.now()) - self.record.created_at

    def output(self, stage: Callable[..., Any] | str) -> Any:
        """Return the output of a finished stage, in the type of its return annotation.

        The output of the last stage is `result`. Raises `KeyError` if the stage has not finished.
        """
        name = name_of_stage(stage)
        function = next((each for each in self.analysis.stages if each.__name__ == name), None)
        output = MISSING if function is None else self._output(function)
        if output is MISSING:
            raise KeyError(f"the stage {name} has no output; the finished stages are {', '.join(self.stages)}")
        return output

    def _output(self, stage: Callable[..., Any]) -> Any:
        """Return the output of a stage from its checkpoint; `MISSING` if there is none."""
        artifacts, record = self._backend.artifacts, self.record
        if stage is self.analysis.stages[-1]:
            return self.result if self.status == "completed" else MISSING
        checkpoints = Checkpoints(record, artifacts, load_json(artifacts, record.input), lambda _: None)
        saved = checkpoints.load(stage.__name__, survives_deploys=stage_options(stage).survives_deploys)
        return saved if saved is MISSING else restore_output(stage, saved)

    # What it asked, saved and spent

    @property
    def questions(self) -> list[Asked]:
        """The questions to models, in order, with those of attempts that failed."""
        return [asked for asked in self._backend.model.questions if asked.job_id == self.job_id]

    @property
    def files(self) -> dict[str, bytes]:
        """The content of each file that the job saved, by name."""
        return {
            name: self._backend.artifacts.read(file_key(self.record, name, stored), MAX_FILE_BYTES)
            for name, stored in sorted(self.record.files.items())
        }

    @property
    def usage(self) -> Usage:
        """Calls and tokens, over all attempts. Tokens are estimates, unless a scripted `Answer` names them."""
        return self.record.usage

    @property
    def cost_usd(self) -> Decimal | None:
        """What the calls cost, over all attempts. None if the price of a model is unknown."""
        return self.record.cost_usd if self.usage.calls else Decimal()

    # Control

    def cancel(self) -> None:
        """Cancel the job, as a caller of the API does."""
        self._backend.control.cancel(self.key)

    def retry(self) -> None:
        """Run a failed or cancelled job again, as a caller of the API does. Finished stages are kept."""
        self._backend.control.retry(self.key)
