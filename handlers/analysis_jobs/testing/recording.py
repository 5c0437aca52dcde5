"""Answers of a real model, recorded once in a JSON file, and replayed afterwards."""

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.errors import Defer, Fail, JobError, Retry
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Model, Reply
from analysis_jobs.testing.answers import Answer
from analysis_jobs.testing.errors import RecordingDiffers, StopTest
from analysis_jobs.testing.questions import Asked

_FORMAT = 1
_FAULTS: dict[str, type[JobError]] = {"Fail": Fail, "Retry": Retry, "Defer": Defer}
# While it records, a throttled model is asked again after this real time. The clock of the test does not wait.
_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=1)


class Recording:
    """A file of questions and answers. In the order of the questions; equal questions may come in any order.

    Raises `FileNotFoundError` and `ValueError`, which name the file and the option that records it.
    """

    def __init__(self, path: Path, *, is_new: bool) -> None:
        self.path = path
        self._lock = Lock()
        self._entries: list[dict[str, Any]] = [] if is_new else _load(path)
        self._used: set[int] = set()

    # Record

    def ask(self, real: Model, asked: Asked, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """Ask the real model, and keep its answer. If it asks us to wait, wait before the job asks again."""
        try:
            reply = real.ask(asked.question, on_chunk, cancellation)
        except (Defer, Retry) as error:
            SystemClock().sleep(min(error.after or _PAUSE, _LONGEST_PAUSE))
            raise
        with self._lock:
            self._entries.append({"question": _question(asked), "answer": _answer(reply)})
        return reply

    def save(self) -> None:
        """Write the file, if anything was asked."""
        if self._entries:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = {"format": _FORMAT, "asked": self._entries}
            self.path.write_text(f"{json.dumps(content, ensure_ascii=False, indent=2)}\n", encoding="utf-8")

    # Replay

    def answer(self, asked: Asked) -> Answer:
        """Return the recorded answer to a question. A question that is asked more often gets its last answer again.

        Raises `StopTest` with `RecordingDiffers` if the recording has no equal question.
        """
        question = _question(asked)
        with self._lock:
            equal = [at for at, entry in enumerate(self._entries) if entry["question"] == question]
            if equal:
                at = next((at for at in equal if at not in self._used), equal[-1])
                self._used.add(at)
                return Answer(_reply(self._entries[at]["answer"]))
            raise StopTest(RecordingDiffers(self._difference(question)))

    def _difference(self, question: dict[str, Any]) -> str:
        unused = [entry["question"] for at, entry in enumerate(self._entries) if at not in self._used]
        of_stage = [each for each in unused if each["stage"] == question["stage"]]
        if not of_stage:
            difference = ["The recording has no further question of this stage."]
        else:
            before, now = _lines(of_stage[0]), _lines(question)
            difference = list(difflib.unified_diff(before, now, "recorded", "asked now", lineterm="", n=2))
        head = f"the stage {question['stage']} asked a question that is not in {self.path.name}"
        return "\n".join([head, "", *difference, "", "If the change is intended, record again: --record-answers"])


def _question(asked: Asked) -> dict[str, Any]:
    """Return what identifies a question. IDs of jobs and the plan of the prompt cache are left out."""
    question = asked.question
    options = {"effort": question.effort, "tier": question.tier, "thinking_tokens": question.thinking_tokens}
    return {
        "stage": asked.stage,
        "model_id": asked.model_id,
        "max_tokens": question.max_tokens,
        **{name: value for name, value in options.items() if value is not None},
        "system": (asked.system or "").splitlines(),
        "prompt": asked.prompt.splitlines(),
        "attachments": [
            {
                "name": each.name,
                "media_type": each.media_type,
                "sha256": hashlib.sha256(each.content).hexdigest(),
            }
            for each in asked.attachments
        ],
        "answer_name": asked.answer_name,
        "schema": asked.schema,
    }


def _lines(question: dict[str, Any]) -> list[str]:
    return json.dumps(question, ensure_ascii=False, indent=2).splitlines()


def _answer(reply: Reply) -> dict[str, Any]:
    fault = reply.fault
    return {
        "text": reply.text,
        "data": reply.data,
        "stop_reason": reply.stop_reason,
        "usage": asdict(reply.usage),
        "others": list(reply.others),
        "problem": reply.problem,
        "fault": None if fault is None else [type(fault).__name__, fault.code, fault.message],
    }


def _reply(answer: dict[str, Any]) -> Reply:
    given = {**answer, "usage": Usage(**answer["usage"]), "others": tuple(answer["others"])}
    if answer["fault"] is not None:
        kind, code, message = answer["fault"]
        given["fault"] = _FAULTS[kind](code, message)
    return Reply(**given)


def _load(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no recording {path}: run this test once with --record-answers")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format") != _FORMAT:
        raise ValueError(f"{path} has another format than this version reads: record again with --record-answers")
    entries: list[dict[str, Any]] = content["asked"]
    return entries
