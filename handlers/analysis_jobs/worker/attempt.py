"""One attempt at a job: runs its stages in order, and skips the stages that have a checkpoint."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import to_json

# `Job` imports these on first use: import them while Lambda initialises the function, not within the first job.
from analysis_jobs.authoring import files, parts, series  # noqa: F401
from analysis_jobs.authoring.analysis import Analyses, Analysis, stage_options
from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.authoring.context import AttemptContext, AttemptControl, Services
from analysis_jobs.authoring.job import Job
from analysis_jobs.authoring.lookahead import asking_places
from analysis_jobs.authoring.outputs import MISSING, output_of, restore_output
from analysis_jobs.authoring.report import AttemptReport
from analysis_jobs.base import tracing
from analysis_jobs.base.error_facts import reason
from analysis_jobs.base.errors import Fail, Finished, OutOfTime
from analysis_jobs.base.model_json import convert, present, restore
from analysis_jobs.base.observability import log
from analysis_jobs.base.tracing import Kind
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, load_json, store_json
from analysis_jobs.jobs.ports import TooLarge
from analysis_jobs.jobs.record import Payload
from analysis_jobs.jobs.traces import job_attributes
from analysis_jobs.worker.claimed_job import ClaimedJob
from analysis_jobs.worker.outcome import Completed, Ending, Outcome

Stage: TypeAlias = Callable[[Job[Any]], object]
StageNames: TypeAlias = tuple[str, ...]


class Attempt:
    """Runs the stages of a claimed job, and collects the changes to report on the row."""

    def __init__(self, claimed: ClaimedJob, services: Services) -> None:
        record = claimed.record
        self.claimed = claimed
        self.report = AttemptReport(record, services.artifacts, services.prices)
        self._services = services
        self._checkpoints: Checkpoints | None = None
        self._stage = record.stage or ""
        # What the row says about the stages. It is written only if it changes, which saves most jobs a request.
        self._stages_on_row = (record.stage, record.stages_completed)

    def beat(self) -> datetime:
        """Renew the lease and report the progress. Called by the heartbeat's thread."""
        return self.claimed.beat(self.report.at_heartbeat() if self._checkpoints else {})

    def ending(self, outcome: Outcome) -> Ending:
        """Return the outcome with the values for the write that ends the attempt."""
        changes = self.report.at_end() if self._checkpoints else {}
        return Ending(outcome, self._stage, self._gained, changes)

    @property
    def _gained(self) -> bool:
        """Whether this attempt made a checkpoint. Then the next attempt starts from it."""
        return self._checkpoints is not None and self._checkpoints.gained > 0

    def run(self, analyses: Analyses, control: AttemptControl) -> Completed:
        """Run the stages without a checkpoint. Raises `Stopped`, and the errors of the stages."""
        record = self.claimed.record
        analysis = analyses.get(record.analysis)
        if analysis is None:
            raise Fail(
                "analysis_unknown",
                f"the deployed code has no analysis {record.analysis!r}; deploy it, and retry the job",
            )
        context, job = self._prepare(analysis, control)
        done: StageNames = ()
        output: Any = None
        for stage, following in zip_longest(analysis.stages, analysis.stages[1:]):
            self._stage = stage.__name__
            try:
                output = self._stage_output(stage, following, job, context, done)
            except Finished as finished:
                output, done = finished.result, (*done, self._stage)
                break
            context.stage.outputs[self._stage] = output
            done = (*done, self._stage)
        return Completed(self._store_result(analysis, output), done)

    def _prepare(self, analysis: Analysis[Any, Any], control: AttemptControl) -> tuple[AttemptContext, Job[Any]]:
        record, services = self.claimed.record, self._services
        job_input = load_json(services.artifacts, record.input)
        try:
            request = restore(analysis.request, to_json(job_input))
        except ValidationError as error:
            # The input was valid when the job was submitted, so the code has changed since.
            raise Fail(
                "input_invalid", f"the deployed code refuses the job's input: {reason(error, analysis.request)}"
            ) from error
        checkpoints = Checkpoints(record, services.artifacts, job_input, self._write_checkpoint)
        context = AttemptContext(
            record,
            services,
            control,
            checkpoints,
            self.report,
            self.claimed.hold,
            analysis.model_id or services.settings.model_id,
            asking_places=asking_places(analysis.stages),
        )
        self._checkpoints = checkpoints
        return context, Job(context, request)

    def _stage_output(
        self, stage: Stage, following: Stage | None, job: Job[Any], context: AttemptContext, done: StageNames
    ) -> Any:
        """Return a stage's output: from its checkpoint, or by running it."""
        name, options = stage.__name__, stage_options(stage)
        saved = context.checkpoints.load(name, survives_deploys=options.survives_deploys)
        output = MISSING if saved is MISSING else restore_output(stage, saved)
        if output is not MISSING:
            return output
        context.check()
        if self._gained and options.needs and context.control.time_left() < options.needs:
            raise OutOfTime(f"{name} needs more time than the invocation has left")
        self._write_stage(name, done)
        context.stage.enter(name, survives_deploys=options.survives_deploys)
        self.report.begin_stage()
        begun = self.claimed.clock.now()
        attributes = {**job_attributes(self.claimed.record), "analysis_jobs.stage": name}
        with tracing.span(f"stage {name}", Kind.INTERNAL, attributes):
            context.stage.trace = tracing.context()
            output = stage(job)
        seconds = (self.claimed.clock.now() - begun).total_seconds()
        log("stage.done", "the stage is done", stage=name, seconds=seconds, **self.claimed.record.log_fields)
        if following is None:
            return output  # the write that ends the job contains it
        return self._save_stage(stage, output, context.checkpoints, (*done, name), following.__name__)

    def _write_stage(self, name: str, done: StageNames) -> None:
        """Write the stage that begins, unless the row has it already."""
        if self._stages_on_row != (name, done):
            self.claimed.hold({"stage": name, "stages_completed": done})
            self._stages_on_row = (name, done)

    def _save_stage(self, stage: Stage, output: Any, checkpoints: Checkpoints, done: StageNames, following: str) -> Any:
        """Save a stage's output as a checkpoint. Return it as a later attempt would restore it."""
        survives = stage_options(stage).survives_deploys
        made = output_of(stage.__name__, stage, output)
        checkpoints.save(stage.__name__, made, survives_deploys=survives, stage=following, stages_completed=done)
        self._stages_on_row = (following, done)
        return made.value

    def _write_checkpoint(self, changes: Mapping[str, Any]) -> None:
        """Write a checkpoint to the row, with the files that were saved before it."""
        self.claimed.hold({**changes, **self.report.at_checkpoint()})

    def _store_result(self, analysis: Analysis[Any, Any], output: Any) -> Payload:
        artifacts, record = self._services.artifacts, self.claimed.record
        try:
            body = present(convert(analysis.result, output))
            return store_json(artifacts, record, "result", body, self._services.settings.inline_bytes)
        except ValueError as error:  # pydantic or the JSON encoder refuses it
            raise Fail("result_invalid", f"the result is invalid: {reason(error, analysis.result)}") from error
        except TooLarge as error:
            message = f"the result has {error.size} bytes; the limit is {MAX_PAYLOAD_BYTES}"
            raise Fail("result_too_large", message) from error
