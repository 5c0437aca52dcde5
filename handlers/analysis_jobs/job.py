"""What an analysis sees of its job."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any, overload

from pydantic import BaseModel, ValidationError

from analysis_jobs.checkpoints import MISSING, Checkpoints, restored
from analysis_jobs.documents import is_document, pdf_text, safe_filename, upload_key
from analysis_jobs.errors import ConfigurationError, Fail, OutOfTime, Retry
from analysis_jobs.fan_out import run_all
from analysis_jobs.interrupts import Breaker
from analysis_jobs.model import Model, Question, Reply, Tool
from analysis_jobs.prompts import Prompt, PromptStore, RenderedPrompt
from analysis_jobs.record import JobRecord, Usage
from analysis_jobs.stores.ports import ArtifactStore, NotFound, TooLarge

_DEFAULT_MAX_TOKENS = 4_096
_EXPECTED_CHARACTERS = 3_000  # of an answer, to turn what has arrived into progress
_NEARLY_DONE = 95
_LONGEST_SUMMARY = 1_000
_CHECKPOINT_NAME = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}")


@dataclass(frozen=True)
class Workbench:
    """What a job works with: the ports, and how to notice that the attempt must stop."""

    artifacts: ArtifactStore
    prompts: PromptStore
    model: Model
    model_id: str
    max_document_bytes: int
    check: Callable[[], None]
    time_left: Callable[[], timedelta]
    breaker: Breaker
    checkpoints: Checkpoints


class Job[Request: BaseModel]:
    """One attempt at a job, in the hands of its stages."""

    def __init__(self, record: JobRecord, request: Request, bench: Workbench) -> None:
        self._record = record
        self._bench = bench
        self._outputs: dict[str, Any] = {}
        self._progress = record.progress
        self._usage = record.usage
        self._stage = ""
        self._survives_deploys = False
        self._series: Counter[str] = Counter()
        self._in_series = False
        self._counting = Lock()  # a stage may ask in threads
        self.request = request
        self.prompt_source: str | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._record.job_id

    @property
    def tenant(self) -> str:
        """Who owns the job."""
        return self._record.tenant

    @property
    def subject(self) -> str | None:
        """What is analysed, as `proposals/42`."""
        return self._record.subject

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._record.attempt

    @property
    def usage(self) -> Usage:
        """What the job's model calls consumed so far, over all attempts."""
        return self._usage

    @property
    def percent(self) -> int:
        """The progress that the next heartbeat will report, 0 to 100."""
        return self._progress

    def progress(self, percent: int) -> None:
        """Say how far the job is, 0 to 100; callers see it with the next heartbeat."""
        self._bench.check()
        self._progress = max(0, min(100, int(percent)))

    def output(self, stage: Callable[..., Any]) -> Any:
        """Return what an earlier stage returned."""
        return self._outputs[stage.__name__]

    def keep_output(self, stage: str, output: Any) -> None:
        """Remember a stage's output for the stages after it (the engine calls this)."""
        self._outputs[stage] = output

    def write_once(self, name: str, content: bytes, content_type: str) -> bool:
        """Put a file of the job into the bucket, at `jobs/<tenant>/<job id>/files/<name>`; return whether it was new.

        A side effect that is keyed by the job: whichever attempt writes first, its file stays, and doing it again
        changes nothing. Raises `Fail` for a name that is more than letters, digits, dot, hyphen and underscore.
        """
        if safe_filename(name) != name:
            raise Fail("file_name_invalid", f"{name!r}: give letters, digits, dot, hyphen and underscore")
        self._bench.check()
        key = f"jobs/{self.tenant}/{self.job_id}/files/{name}"
        return self._bench.artifacts.write_once(key, content, content_type)

    def checkpoint(self, name: str, value: Any) -> None:
        """Keep partial work (JSON) under a name: `saved` gives it back to the next attempt of the stage.

        Raises `Fail` for what is no JSON, for more than 5 MB, and for more than 100 names.
        """
        self._bench.check()
        self._bench.checkpoints.save(self._named(name), value, survives_deploys=self._survives_deploys)

    def saved(self, name: str, default: Any = None) -> Any:
        """Return what `checkpoint` kept for this input and this version of the code, else `default`."""
        value = self._bench.checkpoints.load(self._named(name), survives_deploys=self._survives_deploys)
        return default if value is MISSING else value

    def each[Item, Output](
        self,
        items: Sequence[Item],
        function: Callable[[Item], Output],
        *,
        needs: timedelta = timedelta(),
        at_once: int = 1,
    ) -> list[Output]:
        """Return `function` of each item (both JSON), with a checkpoint an item: no item is done twice.

        Items are done one after the other, or in `at_once` threads. Where less than `needs` is left of the invocation,
        the job goes on with the next item in another one.
        """
        if self._in_series:
            raise ConfigurationError("job.each within job.each: its items would be mixed up in the next attempt")
        called = getattr(function, "__name__", type(function).__name__)
        self._series[called] += 1
        series = f"{self._stage}/*{called}.{self._series[called]}"  # no name of `checkpoint` looks like it
        begun_at, finished = self._progress, 0

        def one(number: int, item: Item) -> Any:
            nonlocal finished
            checkpoints, survives = self._bench.checkpoints, self._survives_deploys
            saved = checkpoints.load_item(series, number, item, survives_deploys=survives)
            output = MISSING if saved is MISSING else restored(function, saved)
            if output is MISSING:
                self._bench.check()
                if checkpoints.gained and self._bench.time_left() < needs:
                    raise OutOfTime(f"item {number} needs more time than is left")
                output = function(item)
                checkpoints.save_item(series, number, item, output, survives_deploys=survives)
                again = restored(function, output)  # as another attempt will find it
                output = output if again is MISSING else again
            with self._counting:
                finished += 1
                self._move(begun_at, finished / len(items))
            return output

        self._in_series = True
        try:
            return run_all(one, items, at_once)
        finally:
            self._in_series = False

    def enter(self, stage: str, *, survives_deploys: bool = False) -> None:
        """Say which stage runs: its checkpoints are its own (the engine calls this)."""
        self._stage = stage
        self._survives_deploys = survives_deploys
        self._series.clear()

    def _named(self, name: str) -> str:
        if not _CHECKPOINT_NAME.fullmatch(name):
            raise ConfigurationError(f"checkpoint {name!r}: give up to 100 letters, digits and any of _ . : / -")
        return f"{self._stage}/{name}"

    def _move(self, begun_at: int, share: float) -> None:
        """Move the progress on, from where a piece of work began towards nearly done; never back."""
        self._progress = max(self._progress, round(begun_at + (_NEARLY_DONE - begun_at) * min(1.0, share)))

    def text(self, document: str) -> str:
        """Return the text of a PDF that the caller uploaded.

        Raises `Fail` with a code that begins in `document_` where there is no such file or it cannot be read.
        """
        if not is_document(document):
            # A key made of it might lead out of the tenant's folder.
            raise Fail("document_not_found", f"{document!r} is not what POST /uploads calls a document")
        name = document.rsplit("/", 1)[-1]
        try:
            content = self._bench.artifacts.read(upload_key(self.tenant, document), self._bench.max_document_bytes)
        except NotFound as error:
            raise Fail(
                "document_not_found",
                f"{document} was not uploaded, or may not be read by this function ({error})",
            ) from error
        except TooLarge as error:
            limit = self._bench.max_document_bytes
            raise Fail("document_too_large", f"{name} has {error.size} bytes; at most {limit} are read") from error
        text = pdf_text(content, name)
        self._bench.check()
        return text

    def prompt(self, name: str, *, category: str, default: Prompt, **values: str) -> RenderedPrompt:
        """Return the active prompt `section/sub-section` of a category, or the default, with `values` put in."""
        section, _, sub_section = name.partition("/")
        prompt = self._bench.prompts.active(section, sub_section, category) or default
        rendered = prompt.render(values)
        self.prompt_source = rendered.source
        return rendered

    @overload
    def ask(self, prompt: RenderedPrompt | str, *, max_tokens: int = ..., model_id: str | None = None) -> str: ...

    @overload
    def ask[Answer: BaseModel](
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[Answer],
        max_tokens: int = ...,
        model_id: str | None = None,
    ) -> Answer: ...

    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[BaseModel] | None = None,
        max_tokens: int = _DEFAULT_MAX_TOKENS,
        model_id: str | None = None,
    ) -> BaseModel | str:
        """Ask the model; with `answer`, in that pydantic model's shape, with one repair turn where it does not fit.

        Raises `Fail`, `Retry` or `Defer`, as the model's error deserves.
        """
        rendered = RenderedPrompt(prompt, None, "inline") if isinstance(prompt, str) else prompt
        question = Question(
            model_id=self._model_id(model_id),
            prompt=rendered.user,
            system=rendered.system,
            max_tokens=max_tokens,
            tool=_tool(answer) if answer else None,
            metadata={"job_id": self.job_id},
        )
        reply = self._ask(question)
        if answer is None:
            return reply.text
        try:
            return answer.model_validate(reply.data)
        except ValidationError as error:
            repaired = self._ask(_repair(question, reply, error))
        try:
            return answer.model_validate(repaired.data)
        except ValidationError as error:
            raise Retry(
                "model_answer_invalid",
                f"the model's answer does not fit its schema: {_summary(error)}",
            ) from error

    def _model_id(self, model_id: str | None) -> str:
        chosen = model_id or self._bench.model_id
        if not chosen:
            raise ConfigurationError("no model: set model_id on the module, on the analysis, or in job.ask(model_id=…)")
        return chosen

    def _ask(self, question: Question) -> Reply:
        begun_at = self._progress
        arrived = 0

        def on_chunk(piece: str) -> None:
            nonlocal arrived
            self._bench.check()
            arrived += len(piece)
            if not self._in_series:  # there the finished items are counted
                self._move(begun_at, arrived / _EXPECTED_CHARACTERS)

        self._bench.check()
        try:
            reply = self._bench.model.ask(question, on_chunk, self._bench.breaker)
        except Exception:
            self._bench.check()  # where we broke the call off ourselves, its error is none of the model's
            raise
        with self._counting:
            self._usage += reply.usage  # a useless answer is paid for too
        if reply.fault:
            raise reply.fault
        return reply


def _tool(answer: type[BaseModel]) -> Tool:
    description = (answer.__doc__ or "").strip().splitlines()
    return Tool(
        re.sub(r"[^A-Za-z0-9_-]", "_", answer.__name__)[:64],  # as Bedrock wants it; `Page[int]` is a name in Python
        description[0] if description else "The answer.",
        answer.model_json_schema(),
    )


def _repair(question: Question, reply: Reply, error: ValidationError) -> Question:
    prompt = (
        f"{question.prompt}\n\nYour answer to this was:\n{reply.text}\n\n"
        f"It does not fit the schema: {_summary(error)}\nAnswer again, and mend exactly that."
    )
    return Question(
        question.model_id,
        prompt,
        question.max_tokens,
        question.system,
        question.tool,
        question.metadata,
    )


def _summary(error: ValidationError) -> str:
    found = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors())
    return found if len(found) <= _LONGEST_SUMMARY else f"{found[:_LONGEST_SUMMARY]}…"
