"""The script of a test: which answer a question gets, and which fault comes before it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeAlias

from pydantic import BaseModel

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.testing.answers import Answer
from analysis_jobs.testing.errors import StopTest, UnscriptedQuestion
from analysis_jobs.testing.questions import Asked, Match, example_of

Of: TypeAlias = str | type[BaseModel] | Callable[..., Any]
"""Which questions an answer is for: a stage (its function or its name), or the model of the answer."""

_LONGEST_PROMPT = 400  # characters of a prompt in a message


@dataclass
class _Series:
    """Answers in order. The last one is repeated."""

    answers: list[Answer]
    used: int = 0

    def next(self, *, use: bool) -> Answer:
        answer = self.answers[min(self.used, len(self.answers) - 1)]
        self.used += use
        return answer


@dataclass
class _Fault:
    """What happens to the next `times` questions: `answer` in place of theirs. None: their answer is cut off.

    `stage` None: in any stage.
    """

    stage: str | None
    times: int
    answer: Answer | None


@dataclass
class Script:
    """Finds the answer to each question. The threads of `job.each` may ask at the same time."""

    _by_match: list[tuple[Match, _Series]] = field(default_factory=list)
    _by_stage: dict[str, _Series] = field(default_factory=dict)
    _by_model: dict[str, _Series] = field(default_factory=dict)
    _functions: list[Callable[[Asked], Any]] = field(default_factory=list)
    _in_order: list[Answer] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def answer(self, of: Of | Match, answers: Sequence[Any]) -> None:
        """Add answers for a stage, for the questions that ask for a model, or for those that fulfil conditions."""
        if not answers:
            raise ValueError(f"answer({of!r}): give at least one answer")
        if isinstance(of, Match):
            series = _Series([])
            self._by_match.append((of, series))
        elif isinstance(of, type) and issubclass(of, BaseModel):
            series = self._by_model.setdefault(AnswerShape.of(of).tool.name, _Series([]))
        else:
            series = self._by_stage.setdefault(name_of_stage(of), _Series([]))
        series.answers.extend(map(Answer.of, answers))

    def answer_in_order(self, answers: Sequence[Any]) -> None:
        """Add answers for the next questions, whatever stage asks them. Each is used once."""
        self._in_order.extend(map(Answer.of, answers))

    def answer_with(self, function: Callable[[Asked], Any]) -> None:
        """Add a function that answers a question, or returns None to leave it to others."""
        self._functions.append(function)

    def add_fault(self, stage: Of | None, times: int, answer: Answer | None) -> None:
        """Add a fault for the next questions of a stage, or of any stage. Without an answer, theirs is cut off."""
        self._faults.append(_Fault(None if stage is None else name_of_stage(stage), times, answer))

    @property
    def stages_of_faults(self) -> set[str]:
        """The stages whose next questions have a fault."""
        return {fault.stage for fault in self._faults if fault.stage is not None and fault.times > 0}

    def take(self, asked: Asked, recorded: Callable[[Asked], Answer] | None) -> Answer:
        """Return the answer to a question. `recorded` answers what is not scripted.

        Raises `StopTest` with an `UnscriptedQuestion` if there is no answer.
        """
        with self._lock:
            fault = self._fault_of(asked.stage)
            if fault is not None and fault.answer is not None:
                return fault.answer
            answer = self._scripted(asked, use=fault is None)
        if answer is None and recorded is not None:
            answer = recorded(asked)
        if answer is None:
            raise StopTest(UnscriptedQuestion(self._unscripted(asked)))
        return answer if fault is None else replace(answer, cut=True)

    def _fault_of(self, stage: str) -> _Fault | None:
        for fault in self._faults:
            if fault.times > 0 and fault.stage in (None, stage):
                fault.times -= 1
                return fault
        return None

    def _scripted(self, asked: Asked, *, use: bool) -> Answer | None:
        """Return the scripted answer. Without `use`, a later question gets it again."""
        matched = next((series for match, series in self._by_match if match.holds(asked)), None)
        series = matched or self._by_stage.get(asked.stage) or self._by_model.get(asked.answer_name or "")
        if series is not None:
            return _resolved(series.next(use=use), asked)
        for function in self._functions:
            if (value := function(asked)) is not None:
                return Answer.of(value)
        if not self._in_order:
            return None
        return _resolved(self._in_order.pop(0) if use else self._in_order[0], asked)

    def _unscripted(self, asked: Asked) -> str:
        example = json.dumps(example_of(asked.schema), ensure_ascii=False)
        known = [f"the stage {name}" for name in self._by_stage] + [f"the answer {name}" for name in self._by_model]
        lines = [
            f"the stage {asked.stage} asked a question, and the test has no answer to it",
            "",
            f"    model   {asked.model_id}",
            f"    answer  {asked.answer_name or 'a text'}",
            f"    prompt  {shortened(asked.prompt)}",
            "",
            "Script one before the run:",
            "",
            f'    jobs.answer("{asked.stage}", {example})',
        ]
        return "\n".join([*lines, "", f"The test has answers for: {', '.join(known)}."] if known else lines)


def name_of_stage(stage: Of) -> str:
    """Return the name of a stage, given the name or the function."""
    return stage if isinstance(stage, str) else stage.__name__


def shortened(text: str, longest: int = _LONGEST_PROMPT) -> str:
    """Return a text in one line, and without its end if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}…"


def _resolved(answer: Answer, asked: Asked) -> Answer:
    """Call the function of an answer, if its value is one."""
    is_function = callable(answer.value) and not isinstance(answer.value, type | BaseModel)
    return answer.with_value(answer.value(asked)) if is_function else answer
