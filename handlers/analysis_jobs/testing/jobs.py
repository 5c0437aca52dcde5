"""The object that a test works with: `Jobs`, the fixture `jobs` of the plugin."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.base.errors import JobError
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import safe_filename, upload_key
from analysis_jobs.jobs.request_errors import NotAdmittedError
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.model import Model
from analysis_jobs.prompts import Prompt
from analysis_jobs.submission.service import Submission
from analysis_jobs.testing.answers import Answer
from analysis_jobs.testing.backend import Backend, changed
from analysis_jobs.testing.clock import TestClock
from analysis_jobs.testing.database import TestDatabase
from analysis_jobs.testing.inputs import prepared
from analysis_jobs.testing.project import ProjectFiles
from analysis_jobs.testing.questions import Asked, Match
from analysis_jobs.testing.recording import Recording
from analysis_jobs.testing.run import JobRun, Result
from analysis_jobs.testing.script import Of, name_of_stage

TENANT = "acme"


class Jobs:
    """Runs jobs in memory. A test gets a new one from the fixture `jobs`.

    Args:
        project: Where the test looks for documents, prompts and `schema.sql`.
        test_name: The name of the test, for its recording.
        records: Whether `recorded` asks a real model and writes the file.
        new_database: Creates a PostgreSQL database, given SQL scripts.
    """

    def __init__(
        self,
        project: ProjectFiles,
        test_name: str = "answers",
        *,
        records: bool = False,
        new_database: Callable[..., TestDatabase] | None = None,
    ) -> None:
        self._project = project
        self._test_name = test_name
        self._records = records
        self._new_database = new_database
        self._backend = Backend(prompts=project.prompts())

    @property
    def clock(self) -> TestClock:
        """The clock of all jobs. It begins on 1 January 2026 at 0:00 UTC."""
        return self._backend.clock

    @property
    def questions(self) -> list[Asked]:
        """The questions of all jobs, in order. `JobRun.questions` has those of one."""
        return list(self._backend.model.questions)

    # Answers

    def answer(self, of: Of | Match, *answers: Any) -> None:
        """Script the answers to the questions of a stage, or to the questions that ask for a model.

            jobs.answer("summarise", {"title": "Minutes"})
            jobs.answer(Classification, {"kind": "licence"}, {"kind": "other"})
            jobs.answer(Match(stage="summarise", text="Rowing Club"), {"title": "A key"})

        Args:
            of: A stage, as its name or its function; the pydantic model that the question gives as
                `answer=`; or a `Match` with several conditions. The first `Match` that holds comes before the others.
            answers: See `Answer.value`. They are used in order, and the last one is repeated.
        """
        self._backend.model.script.answer(of, answers)

    def answer_in_order(self, *answers: Any) -> None:
        """Script the answers to the next questions, whatever stage asks them. Each is used once."""
        self._backend.model.script.answer_in_order(answers)

    def answer_with(self, function: Callable[[Asked], Any]) -> None:
        """Answer questions by a function of the question. It returns None for a question that it does not answer."""
        self._backend.model.script.answer_with(function)

    def recorded(self, path: str | Path | None = None, *, model: Model | None = None) -> None:
        """Answer from a recording. With `pytest --record-answers`, ask the real model and write the recording.

        Args:
            path: A JSON file, from the test's folder. None: `recordings/<name of the test>.json`.
            model: The model to record. None: Bedrock, and Gemini for its models, with the credentials of this process.

        Raises:
            FileNotFoundError: Nothing was recorded yet.
        """
        file = self._project.beside_the_test / (path or Path("recordings", f"{self._test_name}.json"))
        answering = self._backend.model
        answering.recording = Recording(file, is_new=self._records)
        if self._records:
            answering.real = model or _real_model(self._backend)

    def ask_model(self, model: Model) -> None:
        """Let a real model answer all questions, in place of the script."""
        self._backend.model.real = model

    # Faults

    def throttle(self, stage: Of | None = None, *, times: int = 1, retry_after: timedelta | None = None) -> None:
        """Let the model answer the next questions with `ThrottlingException`. The job waits and spends no attempt."""
        after = None if retry_after is None else str(int(retry_after.total_seconds()))
        self.fault(model_error("ThrottlingException", "Too many tokens, please wait.", after), stage, times=times)

    def cut(self, stage: Of | None = None, *, times: int = 1) -> None:
        """Let the stream of the next answers end in the middle."""
        self._backend.model.script.add_fault(stage, times, None)

    def time_out(self, stage: Of | None = None, *, times: int = 1) -> None:
        """Let the model fall silent at the next questions."""
        self.fault(model_error("ModelTimeoutException", "The model took too long."), stage, times=times)

    def refuse(self, stage: Of | None = None, *, says: str = "I cannot help with that.", times: int = 1) -> None:
        """Let the model refuse the next questions."""
        self._backend.model.script.add_fault(stage, times, Answer(says, stop_reason="refusal"))

    def fault(self, error: JobError, stage: Of | None = None, *, times: int = 1) -> None:
        """Let `job.ask` raise an error at the next questions: `Fail`, `Retry` or `Defer`."""
        self._backend.model.script.add_fault(stage, times, Answer(error))

    def crash_after(self, stage: Of) -> None:
        """Let the worker die once, directly after a stage. The job goes on in the next attempt.

        The output of the last stage is stored with the end of the job, so the last stage runs again.
        """
        self._backend.store.crashes_after.add(name_of_stage(stage))

    def crash_in(self, stage: Of) -> None:
        """Let the worker die once, at the next question of a stage."""
        self._backend.model.crashes.add(name_of_stage(stage))

    def cancel_in(self, stage: Of) -> None:
        """Let a caller cancel the job when a stage begins. The worker learns of it at its next question or write."""
        self._backend.store.cancels_in.add(name_of_stage(stage))

    # Surroundings

    def configure(self, *, timeout: timedelta | None = None, **settings: Any) -> None:
        """Change the deployment: settings of the functions (`base.settings.Settings`), and the worker's timeout.

        jobs.configure(model_id="gemini-2.5-pro", timeout=timedelta(minutes=5))
        """
        self._backend.settings = changed(self._backend.settings, settings)
        self._backend.timeout = timeout or self._backend.timeout

    def deploy(self, version: str | None = None) -> None:
        """Deploy new code. Checkpoints of earlier code count only for stages that survive deployments."""
        current = self._backend.settings.code_version
        self.configure(code_version=version or f"{current}+")

    def secret(self, name: str, value: str | Mapping[str, Any]) -> None:
        """Store a secret under the name that `job.secret` or `job.secret_json` gives."""
        self._backend.secrets[name] = value if isinstance(value, str) else json.dumps(dict(value))

    def prompt(self, prompt: Prompt) -> None:
        """Make a prompt the active one of its categories. The active prompts of the project's folder are there."""
        self._backend.prompts.append(prompt)

    def upload(self, file: str | Path, content: bytes | None = None, *, tenant: str = TENANT) -> str:
        """Upload a document, and return its name for an input.

        Args:
            file: The path of a file from the test's folder, the project or its folder of documents. With `content`:
                only its name.
            content: The bytes of the document. None: those of the file.
            tenant: The tenant that uploads it.
        """
        body = self._project.find(file).read_bytes() if content is None else content
        document = f"{new_id(self.clock.now())}/{safe_filename(Path(file).name)}"
        self._backend.artifacts.write(upload_key(tenant, document), body, "application/octet-stream")
        return document

    def database(self, secret: str, *, schema: str | Path | None = None) -> TestDatabase:
        """Create an empty PostgreSQL database, and store its login as a secret. The test is skipped without a server.

        Args:
            secret: The name that `job.database` gives.
            schema: A file with SQL that creates the tables. None: `schema.sql` of the project, if there is one. The
                library's own table of effects is created too.
        """
        if self._new_database is None:
            raise RuntimeError("this Jobs has no PostgreSQL: use the fixture `jobs`")
        sql = self._project.schema() if schema is None else self._project.find(schema).read_text(encoding="utf-8")
        database = self._new_database(sql)
        self.secret(secret, database.login)
        return database

    # Run

    def submit(
        self,
        analysis: Analysis[Any, Result],
        given: BaseModel | Mapping[str, Any],
        *,
        tenant: str = TENANT,
        idempotency_key: str | None = None,
        **fields: str,
    ) -> JobRun[Result]:
        """Submit a job without running it.

        Args:
            analysis: The analysis.
            given: The input. A path in place of a document is uploaded first, see `upload`.
            tenant: The tenant of the caller.
            idempotency_key: See the HTTP API.
            **fields: Other fields of a submission: `subject`, `priority`, `trigger`, `client`, `project`.

        Raises:
            InvalidRequestError: The API would refuse the input. Also the other errors of a submission:
                `RateLimitedError`, `TooBusyError`, `IdempotencyKeyReusedError`.
            NotAdmittedError: The admission policy skips the submission, and the subject has no completed job.
        """
        self._backend.know(analysis)
        value = prepared(analysis.request, given, lambda file: self.upload(file, tenant=tenant))
        submission = Submission.model_validate({"analysis": analysis.name, "input": value, **fields})
        result = self._backend.submissions.submit_with_outcome(tenant, submission, idempotency_key)
        if result.job is None:
            raise NotAdmittedError(str(result.reason.get("message", "the submission was skipped")))
        return JobRun(analysis, result.job.key, str(result.outcome), self._backend)

    def run(
        self,
        analysis: Analysis[Any, Result],
        given: BaseModel | Mapping[str, Any],
        *,
        check: bool = True,
        **submission: Any,
    ) -> JobRun[Result]:
        """Submit a job, and run it to its end. Waits pass at once, by the clock of the test.

            done = jobs.run(letter_summary, {"document": "documents/letter.pdf"})

        Args:
            analysis: The analysis.
            given: The input. See `submit`.
            check: Whether to raise `JobFailed` if the job does not complete.
            **submission: See `submit`.

        Raises:
            JobFailed: The job failed or was cancelled.
            UnscriptedQuestion: A stage asked a question for which the test has no answer.
            RecordingDiffers: A stage asked a question that is not in the recording.
        """
        __tracebackhide__ = True
        return self.finish(self.submit(analysis, given, **submission), check=check)

    def finish(self, job: JobRun[Result], *, check: bool = True) -> JobRun[Result]:
        """Run a submitted job to its end. Raises as `run`."""
        __tracebackhide__ = True
        self._backend.run_to_end(job.key)
        if check:
            job.require_completed()
        return job

    def run_due(self) -> None:
        """Run what is due now, without moving the clock: a job that must wait stays queued. Raises as `run`."""
        __tracebackhide__ = True
        self._backend.run_due()

    def close(self) -> None:
        """Write the recording, if this test records one."""
        recording = self._backend.model.recording
        if recording is not None and self._records:
            recording.save()


def _real_model(backend: Backend) -> Model:
    import boto3  # noqa: PLC0415 - only to record

    from analysis_jobs.llm.bedrock.model import BedrockModel  # noqa: PLC0415 - as above
    from analysis_jobs.llm.router import ModelRouter  # noqa: PLC0415 - as above
    from analysis_jobs.wiring import MODEL_CONFIG  # noqa: PLC0415 - as above

    bedrock = BedrockModel(boto3.client("bedrock-runtime", config=MODEL_CONFIG))
    return ModelRouter(bedrock, backend.vault, backend.settings.gemini_base_url)
