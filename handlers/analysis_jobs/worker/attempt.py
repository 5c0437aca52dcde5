"""One attempt at a job: its stages in their order, resumed after the last that is finished."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from pydantic import ValidationError

from analysis_jobs.authoring.analysis import Analysis, options_of
from analysis_jobs.authoring.checkpoints import MISSING, Checkpoints, restored
from analysis_jobs.authoring.job import Job, Workbench
from analysis_jobs.base.errors import Fail, Finished, OutOfTime
from analysis_jobs.base.observability import log
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.base.settings import Settings
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, load_json, store_json
from analysis_jobs.jobs.ports import ArtifactStore, TooLarge
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.llm.model import Model
from analysis_jobs.prompts import PromptStore
from analysis_jobs.worker.heartbeat import Heartbeat

type Stage = Callable[[Job[Any]], object]
type Done = tuple[str, ...]


@dataclass(frozen=True)
class Ports:
    """What every attempt of a worker works with."""

    artifacts: ArtifactStore
    prompts: PromptStore
    model: Model
    settings: Settings
    secrets: Secrets
    documents: DocumentReader


class Attempt:
    """Runs a claimed job's stages. `write` puts changes on its row under the fencing token, or raises `Stopped`."""

    def __init__(self, claimed: JobRecord, ports: Ports, write: Callable[[Mapping[str, Any]], object]) -> None:
        self._claimed = claimed
        self._ports = ports
        self._write = write
        self._checkpoints: Checkpoints | None = None
        self._said = (claimed.stage, claimed.stages_completed)
        self.job: Job[Any] | None = None
        self.stage = claimed.stage or ""
        self.completed: Done = ()

    @property
    def gained(self) -> bool:
        """Whether this attempt has made a checkpoint: the next one begins further on."""
        return self._checkpoints is not None and self._checkpoints.gained > 0

    def beat(self) -> dict[str, Any]:
        """Return what a heartbeat says of this attempt: no files, which the stage writes meanwhile."""
        return {"progress": self.job.percent, **self.job.spent.changes(), **self._asked_with()} if self.job else {}

    def changes(self) -> dict[str, Any]:
        """Return what a write that ends this attempt says of it in any case."""
        return {**self.job.spent.changes(), **self.job.files.changes(), **self._asked_with()} if self.job else {}

    def _asked_with(self) -> dict[str, Any]:
        """Return which prompts the stages used, where there are any: a beat pays for what it writes."""
        return {"prompts": self.job.prompts} if self.job and self.job.prompts else {}

    def measure_spending(self) -> None:
        """Count what the attempt's model calls consumed."""
        if self.job:
            self.job.spent.measure()

    def run(self, analysis: Analysis[Any, Any], heart: Heartbeat) -> Payload:
        """Return where the result is kept. Raises what the stages raise, and `Stopped`."""
        job, checkpoints = self._prepare(analysis, heart)
        output: Any = None
        done: Done = ()
        for stage, following in zip_longest(analysis.stages, analysis.stages[1:]):
            name, options = stage.__name__, options_of(stage)
            self.stage = name
            saved = checkpoints.load(name, survives_deploys=options.survives_deploys)
            output = MISSING if saved is MISSING else restored(stage, saved)
            if output is MISSING:
                heart.check()
                if self.gained and options.needs and heart.time_left() < options.needs:
                    raise OutOfTime(f"{name} needs more time than is left")
                self._say(name, done)
                job.enter(name, survives_deploys=options.survives_deploys)
                try:
                    output = stage(job)
                except Finished as finished:
                    self.completed = (*done, name)
                    return self._keep(analysis, finished.result)
                if following is not None:
                    output = self._finish_stage(stage, output, (*done, name), following.__name__)
            job.keep_output(name, output)
            done = (*done, name)
        self.completed = done
        return self._keep(analysis, output)

    def _prepare(self, analysis: Analysis[Any, Any], heart: Heartbeat) -> tuple[Job[Any], Checkpoints]:
        given = load_json(self._ports.artifacts, self._claimed.input)
        try:
            request = analysis.request.model_validate(given)
        except ValidationError as error:
            # It was valid when it was submitted: the code has changed since.
            raise Fail("input_invalid", f"the deployed code refuses the job's input: {error}") from error
        self._checkpoints = Checkpoints(self._claimed, self._ports.artifacts, given, self._write_with_files)
        bench = Workbench(
            artifacts=self._ports.artifacts,
            prompts=self._ports.prompts,
            model=self._ports.model,
            model_id=analysis.model_id or self._ports.settings.model_id,
            max_document_bytes=self._ports.settings.max_document_bytes,
            check=heart.check,
            hold=lambda: self._write({}),
            time_left=heart.time_left,
            breaker=heart.breaker,
            checkpoints=self._checkpoints,
            secrets=self._ports.secrets,
            prices=self._ports.settings.prices,
            database_ca_bundle=self._ports.settings.database_ca_bundle,
            documents=self._ports.documents,
        )
        self.job = Job(self._claimed, request, bench)
        return self.job, self._checkpoints

    def _write_with_files(self, changes: Mapping[str, Any]) -> None:
        """Write a checkpoint to the row, and the files that were saved before it."""
        self._write({**changes, **self.job.files.changes(), **self._asked_with()} if self.job else changes)

    def _say(self, name: str, done: Done) -> None:
        """Write which stage begins, where the row does not say so already: a request less for most jobs."""
        if self._said != (name, done):
            self._write({"stage": name, "stages_completed": done})
            self._said = (name, done)

    def _finish_stage(self, stage: Stage, output: Any, done: Done, following: str) -> Any:
        """Keep a stage's output; return it as an attempt that resumes after it will find it."""
        assert self._checkpoints  # noqa: S101 - `_prepare` made them
        survives = options_of(stage).survives_deploys
        self._checkpoints.save(
            stage.__name__, output, survives_deploys=survives, stage=following, stages_completed=done
        )
        self._said = (following, done)
        found = restored(stage, output)
        if found is MISSING:
            log("checkpoint.unfit", f"{stage.__name__} returns what its annotation refuses: it will run again")
            return output
        return found

    def _keep(self, analysis: Analysis[Any, Any], output: Any) -> Payload:
        try:
            result = output if isinstance(output, analysis.result) else analysis.result.model_validate(output)
            given = result.model_dump(mode="json")
            return store_json(self._ports.artifacts, self._claimed, "result", given, self._ports.settings.inline_bytes)
        except ValueError as error:  # of pydantic, or of JSON
            raise Fail("result_invalid", f"the analysis returned what cannot be its result: {error}") from error
        except TooLarge as error:
            message = f"the result has {error.size} bytes; at most {MAX_PAYLOAD_BYTES} are kept"
            raise Fail("result_too_large", message) from error
