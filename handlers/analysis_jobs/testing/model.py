"""The model of a test: it answers with the script or a recording, and keeps the questions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.settings import Settings
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.llm.bedrock.answer import read_answer
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.testing.answers import Answer, AnswerStream
from analysis_jobs.testing.errors import Crashed
from analysis_jobs.testing.questions import Asked
from analysis_jobs.testing.recording import Recording
from analysis_jobs.testing.script import Script


@dataclass
class ScriptedModel:
    """A model for tests. Implements `Model`.

    `jobs` is the table, which tells the stage of a job. `recording` answers what the script does not. With `real`, that
    model answers all questions, and the recording keeps its answers.
    """

    jobs: Mapping[JobKey, JobRecord]
    clock: Clock
    settings: Callable[[], Settings]
    script: Script = field(default_factory=Script)
    recording: Recording | None = None
    real: Model | None = None
    questions: list[Asked] = field(default_factory=list)
    crashes: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`."""
        job = next(job for job in self.jobs.values() if job.job_id == question.metadata["job_id"])
        asked = Asked.of(job, question)
        with self._lock:
            self.questions.append(asked)
            crashes = asked.stage in self.crashes
            self.crashes.discard(asked.stage)
        if crashes:
            raise Crashed
        if job.cancel_asked_at is not None:
            self.clock.sleep(self.settings().heartbeat)  # the worker learns of a cancel with its next heartbeat
            on_chunk("")
        reply = self._reply(asked, on_chunk, cancellation)
        asked.answer, asked.usage = reply.text, reply.usage
        return reply

    def _reply(self, asked: Asked, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        if self.real is not None:
            if self.recording is None:
                return self.real.ask(asked.question, on_chunk, cancellation)
            return self.recording.ask(self.real, asked, on_chunk, cancellation)
        answer = self.script.take(asked, self.recording.answer if self.recording else None)
        if answer.takes:
            self.clock.sleep(answer.takes)
            on_chunk("")  # the attempt may have to stop by now
        if isinstance(answer.value, BaseException):
            raise answer.value
        if isinstance(answer.value, Reply):
            if not answer.cut:
                on_chunk(answer.value.text)
                return answer.value
            answer = Answer(answer.value.text, cut=True)
        return read_answer(AnswerStream(answer, asked.question), asked.question, on_chunk)
