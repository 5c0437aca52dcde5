"""Scenarios (how calls are to be answered), the token quota, and the log of calls."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis_jobs_dev.cloud.stand_in.models import Model
from analysis_jobs_dev.cloud.stand_in.prompt_cache import ImplicitCache, PromptCache
from analysis_jobs_dev.cloud.stand_in.refusals import BEDROCK_STATUS, GEMINI_STATUS, IN_STREAM

_LOGGED_CALLS: Final = 20_000

# Characters that Bedrock does not accept in labels. The library sends `_` for each.
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,.-]", re.ASCII)

type _Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Asked:
    """What scenarios look at in a call.

    `shapes` are the names of the wanted tool and of its schema. `labels` are those that the library sends.
    """

    prompt: str
    model: str = ""
    shapes: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class Match(BaseModel):
    """Conditions on a call. All must hold; an empty one always holds.

    Attributes:
        text: a part of the prompt.
        analysis: the name of the analysis.
        stage: the name of the stage.
        job_id: the ID of the job.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = ""
    analysis: str = ""
    stage: str = ""
    job_id: str = ""

    def holds(self, asked: Asked) -> bool:
        """Tell whether the conditions hold for a call."""
        labels = {"analysis": self.analysis, "stage": self.stage, "job_id": self.job_id}
        return self.text in asked.prompt and all(
            not value or asked.labels.get(name) in {value, _NOT_IN_LABELS.sub("_", value)}
            for name, value in labels.items()
        )


class Scenario(BaseModel):
    """How some calls are answered. Without any scenario every answer comes at once, whole and right.

    Attributes:
        match: only calls with this text in their prompt, or that fulfil these conditions. The empty text matches all.
        pattern: only calls with a match of this regular expression in their prompt.
        model: only calls with a model ID that matches this pattern, such as `gemini-*`.
        tool: only calls that ask for the tool, or for the schema with the title, of this name. Both are the name of
            the pydantic model.
        times: only the next so many matching calls; None for all.
        answer: the answer: a text, or the JSON of a structured answer. None: filled in from the document.
        first_token_s: silence before the first byte of the answer.
        compile_s: silence while a native schema or that of a strict tool is compiled, at its first use.
        chunk_s: pause before every further piece of a streamed answer; `converse` waits as long in total.
        chunk_chars: size of those pieces.
        tokens_per_minute: quota of each model; a call beyond it is throttled.
        quota_window_s: the quota's minute; a test may shorten it.
        context_tokens: the longest input, instead of the model's own limit.
        error: fail with this error, such as `ThrottlingException` or Gemini's `RESOURCE_EXHAUSTED`. The other vendor
            answers its equivalent, or an internal error.
        stream_error: break off the stream with this error, such as `modelStreamErrorException` or `UNAVAILABLE`.
        message: the text of either error, instead of the vendor's.
        cut: close the connection in mid-answer: `chunked` without the last chunk; `unchunked` without chunking, so that
            the caller cannot see the cut; `reset` with a TCP reset.
        stall_s: silence in mid-answer.
        bad_checksum: corrupt one message of the stream.
        nonsense: answer something that does not fit the schema.
        tool_as_text: where the tool is not forced, write its input as text instead of using it.
        after_events: how many events of the stream precede a fault in mid-answer.
        calls: how many times the answer calls the tool; further calls have the same input.
        no_usage: leave out the usage of the answer.
        finish_reason: end the answer for this reason, such as Gemini's `SAFETY` or Bedrock's `content_filtered`.
        block_reason: Gemini refuses the question for this reason, such as `PROHIBITED_CONTENT`.
        retry_delay_s: the delay that Gemini names in a RESOURCE_EXHAUSTED.
        per_day: the exhausted quota is that of the day.
        thought_tokens: how many tokens of thought Gemini reports.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str | Match = ""
    pattern: str = ""
    model: str = "*"
    tool: str = ""
    times: int | None = None
    answer: str | dict[str, Any] | None = None
    first_token_s: _Seconds = 0.0
    compile_s: _Seconds = 0.0
    chunk_s: _Seconds = 0.0
    chunk_chars: int = Field(default=64, gt=0)
    tokens_per_minute: int | None = None
    quota_window_s: float = Field(default=60.0, gt=0)
    context_tokens: int | None = None
    error: str = ""
    stream_error: str = ""
    message: str = ""
    cut: Literal["", "chunked", "unchunked", "reset"] = ""
    stall_s: _Seconds = 0.0
    bad_checksum: bool = False
    nonsense: bool = False
    tool_as_text: bool = False
    after_events: int = Field(default=3, ge=0)
    calls: int = Field(default=1, gt=0)
    no_usage: bool = False
    finish_reason: str = ""
    block_reason: str = ""
    retry_delay_s: float | None = None
    per_day: bool = False
    thought_tokens: int = 0

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for name, known in (("error", BEDROCK_STATUS), ("stream_error", IN_STREAM)):
            value = getattr(self, name)
            if value and value not in known and value not in GEMINI_STATUS:
                raise ValueError(f"{name}: {value!r} is not one of {', '.join([*known, *GEMINI_STATUS])}")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern: {error}") from error
        return self

    def matches(self, asked: Asked) -> bool:
        """Tell whether the scenario is about this call."""
        match = Match(text=self.match) if isinstance(self.match, str) else self.match
        return (
            match.holds(asked)
            and fnmatchcase(asked.model, self.model)
            and self.tool in {"", *asked.shapes}
            and re.search(self.pattern, asked.prompt) is not None
        )


@dataclass
class Call:
    """One logged call. `outcome` is `running`, `ok`, the name of an error, or how the answer was broken off.

    `input_tokens` are all tokens of the input, with those that the prompt cache reads and writes. `compiled` is true
    for the first use of a schema.
    """

    model: str
    operation: str
    caller: str = ""
    prompt_sha256: str = ""
    document_sha256: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    max_tokens: int | None = None
    tier: str = ""
    compiled: bool = False
    outcome: str = "running"
    started_at: float = field(default_factory=time.time)
    duration_ms: int = 0


class Control:
    """The active scenarios, their quotas, and the log. Safe to use from all threads.

    `script` holds the scenarios of an answers file. They come after those that `set` activates.
    """

    def __init__(self, script: Sequence[Scenario] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._script = script
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=_LOGGED_CALLS)
        self.prompt_cache = PromptCache(clock)
        self.implicit_cache = ImplicitCache()
        self.reset()

    def set(self, scenarios: Sequence[Scenario]) -> None:
        """Replace the active scenarios. The first one that matches a call and has turns left decides."""
        with self._lock:
            self._active = self._armed(scenarios)

    def set_script(self, script: Sequence[Scenario]) -> None:
        """Replace the scenarios of the answers files."""
        with self._lock:
            self._script, self._scripted = script, self._armed(script)

    def reset(self) -> None:
        """Deactivate all scenarios, and give those of the script all their turns back."""
        self.prompt_cache.clear()
        self.implicit_cache.clear()
        with self._lock:
            self._active, self._scripted = [], self._armed(self._script)
            self._compiled: set[str] = set()

    def is_first_use(self, schema: str) -> bool:
        """Tell whether a schema is new, and remember it until the next reset."""
        with self._lock:
            is_new = schema not in self._compiled
            self._compiled.add(schema)
        return is_new

    def read(self) -> list[dict[str, Any]]:
        """Return the active scenarios with the turns they have left."""
        with self._lock:
            return [{**each.scenario.model_dump(), "times": each.turns} for each in self._active]

    def take(self, asked: Asked) -> "tuple[Scenario, TokenQuota]":
        """Return the scenario for a call, and spend one of its turns.

        A scenario without an answer, such as a pace, gets the first answer that the script has for the call.
        """
        with self._lock:
            found = _first([*self._active, *self._scripted], asked)
            scenario = found.scenario if found else _PLAIN
            if scenario.answer is None and not (scenario.error or scenario.nonsense):
                scripted = _first([each for each in self._scripted if each.scenario.answer is not None], asked)
                if scripted:
                    scenario = scenario.model_copy(update={"answer": scripted.scenario.answer})
        return scenario, found.quota if found else TokenQuota(_PLAIN, self._clock)

    def _armed(self, scenarios: Sequence[Scenario]) -> "list[_Active]":
        return [_Active(each, each.times, TokenQuota(each, self._clock)) for each in scenarios]

    def log(self, call: Call) -> None:
        """Add a call that begins; its other fields are set as they become known."""
        with self._lock:
            self._calls.append(call)

    def calls(self) -> list[dict[str, Any]]:
        """Return the log, oldest first."""
        with self._lock:
            return [asdict(each) for each in self._calls]

    def forget_calls(self) -> None:
        """Empty the log."""
        with self._lock:
            self._calls.clear()


class TokenQuota:
    """Tokens per minute of each model, as Bedrock counts them.

    A call reserves its input and `maxTokens` (unset: the model's maximum), and is refused if less is left. At its end
    it settles at its input plus its output times the model's burndown, which may be more than it reserved.
    https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
    """

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = scenario.tokens_per_minute
        self._window_s = scenario.quota_window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, deque[Spent]] = {}

    def reserve(self, model: Model, input_tokens: int, max_tokens: int | None) -> "Spent | None":
        """Return a reservation, or None if the quota has too little left."""
        wanted = Spent(self._clock(), input_tokens + (max_tokens or model.max_output_tokens))
        if self._limit is None:
            return wanted
        with self._lock:
            spent = self._spent.setdefault(model.name, deque())
            while spent and spent[0].at <= wanted.at - self._window_s:
                spent.popleft()
            if sum(each.tokens for each in spent) + wanted.tokens > self._limit:
                return None
            spent.append(wanted)
            return wanted

    def settle(self, reservation: "Spent", model: Model, input_tokens: int, output_tokens: int) -> None:
        """Replace the reserved tokens by the used ones."""
        with self._lock:
            reservation.tokens = input_tokens + output_tokens * model.burndown


@dataclass
class Spent:
    """Tokens taken out of a quota at a time."""

    at: float
    tokens: int


@dataclass
class _Active:
    scenario: Scenario
    turns: int | None
    quota: TokenQuota


def _first(offered: Sequence[_Active], asked: Asked) -> _Active | None:
    """Return the first scenario that matches and has a turn left, with that turn spent."""
    for each in offered:
        if each.turns != 0 and each.scenario.matches(asked):
            each.turns = each.turns and each.turns - 1
            return each
    return None


_PLAIN: Final = Scenario()
