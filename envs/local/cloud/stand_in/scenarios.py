"""What the stand-in is told to do, what it still has to give of a token quota, and the log of what it was asked."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from cloud.stand_in.models import Model
from cloud.stand_in.refusals import GEMINI_STATUS, IN_STREAM, STATUS

Cut = Literal["", "chunked", "unchunked", "reset"]
_LOGGED_CALLS: Final = 20_000
# What a field takes in JSON, by the type of its default.
_TYPES: Final = {str: (str,), bool: (bool,), int: (int,), float: (int, float), type(None): (int, float, type(None))}


@dataclass(frozen=True)
class Scenario:
    """How calls are answered. Without any scenario: at once, whole and right.

    Attributes:
        match: only calls whose prompt contains this text; the empty text is in all of them.
        times: only the next so many matching calls; None for all.
        first_token_s: silence before the first byte of the answer.
        chunk_s: pause before every further piece of a streamed answer; `converse` waits as long in total.
        chunk_chars: size of those pieces; 1 with a `chunk_s` is a trickle.
        tokens_per_minute: quota of each model; a call beyond it is a ThrottlingException.
        quota_window_s: the quota's minute, shorter for a test.
        context_tokens: the longest input instead of the model's own.
        error: answer this error instead, such as `ThrottlingException` or Gemini's `RESOURCE_EXHAUSTED`; what only one
            vendor has is an internal error of the other's.
        stream_error: break the stream off with this error, such as `modelStreamErrorException` or `UNAVAILABLE`.
        message: the text of either error instead of Bedrock's.
        cut: close the connection in mid-answer: `chunked` without the last chunk, `unchunked` where nothing tells the
            caller that more was to come, `reset` hard.
        stall_s: silence in mid-answer.
        bad_checksum: spoil one message of the stream.
        nonsense: answer something that does not fit the schema.
        tool_as_text: where the tool is not forced, write its input as text instead of using it.
        after_events: how many events of the stream come before what goes wrong in mid-answer.
        finish_reason: end the answer for this reason, such as Gemini's `SAFETY` or Bedrock's `content_filtered`.
        block_reason: Gemini refuses the question for this reason, such as `PROHIBITED_CONTENT`.
        retry_delay_s: how long Gemini says to wait after a RESOURCE_EXHAUSTED.
        per_day: it is the day's quota that is exhausted.
        thought_tokens: how many tokens Gemini says that it thought before it answered.

    """

    match: str = ""
    times: int | None = None
    first_token_s: float = 0.0
    chunk_s: float = 0.0
    chunk_chars: int = 64
    tokens_per_minute: int | None = None
    quota_window_s: float = 60.0
    context_tokens: int | None = None
    error: str = ""
    stream_error: str = ""
    message: str = ""
    cut: Cut = ""
    stall_s: float = 0.0
    bad_checksum: bool = False
    nonsense: bool = False
    tool_as_text: bool = False
    after_events: int = 3
    finish_reason: str = ""
    block_reason: str = ""
    retry_delay_s: float | None = None
    per_day: bool = False
    thought_tokens: int = 0

    def __post_init__(self) -> None:
        """Refuse what could only be a slip of the pen.

        Raises:
            ValueError: with the name of the field and what it may be.

        """
        for name, offered in (("error", STATUS), ("stream_error", IN_STREAM)):
            value = getattr(self, name)
            if value and value not in offered and value not in GEMINI_STATUS:
                raise ValueError(f"{name}: {value!r} is none of {', '.join([*offered, *GEMINI_STATUS])}")
        if self.cut not in get_args(Cut):
            raise ValueError(f"cut: {self.cut!r} is none of {', '.join(filter(None, get_args(Cut)))}")
        for name in ("first_token_s", "chunk_s", "stall_s", "after_events", "chunk_chars", "quota_window_s"):
            if getattr(self, name) < 0 or (name in {"chunk_chars", "quota_window_s"} and not getattr(self, name)):
                raise ValueError(f"{name}: {getattr(self, name)!r} is too small")

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Scenario":
        """Return the scenario of a JSON object.

        Raises:
            ValueError: for a field that no scenario has, or a value that it cannot have.

        """
        known = {each.name for each in dataclasses.fields(cls)}
        if unknown := sorted(fields.keys() - known):
            raise ValueError(f"{', '.join(unknown)}: no such field; there are {', '.join(sorted(known))}")
        for each in dataclasses.fields(cls):
            value = fields.get(each.name, each.default)
            if type(value) not in _TYPES[type(each.default)]:
                raise ValueError(f"{each.name}: {value!r} is of the wrong type")
        return cls(**fields)


@dataclass
class Call:
    """One logged call. `outcome` is `running`, `ok`, the name of an error, or how the answer was broken off."""

    model: str
    operation: str
    caller: str = ""
    prompt_sha256: str = ""
    document_sha256: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    max_tokens: int | None = None
    outcome: str = "running"
    started_at: float = field(default_factory=time.time)
    duration_ms: int = 0


class Control:
    """The active scenarios, their quotas, and the log. Safe to use from all threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._active: list[_Active] = []
        self._calls: deque[Call] = deque(maxlen=_LOGGED_CALLS)

    def set(self, scenarios: Sequence[Scenario]) -> None:
        """Replace all scenarios. Of those that match a call, the first one that has turns left decides."""
        with self._lock:
            self._active = [_Active(each, each.times, TokenQuota(each, self._clock)) for each in scenarios]

    def read(self) -> list[dict[str, Any]]:
        """Return the active scenarios with the turns they have left."""
        with self._lock:
            return [{**dataclasses.asdict(each.scenario), "times": each.turns} for each in self._active]

    def take(self, prompt: str) -> "tuple[Scenario, TokenQuota]":
        """Return the scenario for a call, one of its turns spent."""
        with self._lock:
            for each in self._active:
                if each.turns != 0 and each.scenario.match in prompt:
                    each.turns = each.turns and each.turns - 1
                    return each.scenario, each.quota
        return _PLAIN, TokenQuota(_PLAIN, self._clock)

    def log(self, call: Call) -> None:
        """Add a call that begins; its other fields are set as they become known."""
        with self._lock:
            self._calls.append(call)

    def calls(self) -> list[dict[str, Any]]:
        """Return the log, oldest first."""
        with self._lock:
            return [dataclasses.asdict(each) for each in self._calls]

    def forget_calls(self) -> None:
        """Empty the log."""
        with self._lock:
            self._calls.clear()


class TokenQuota:
    """Tokens per minute of each model, as Bedrock counts them.

    A call reserves its input and `maxTokens` (unset: the model's maximum) and is refused if that is more than is left.
    When it ends it has used its input and its output times the model's burndown, which can be more or less than it
    reserved. https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
    """

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = scenario.tokens_per_minute
        self._window_s = scenario.quota_window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, deque[Spent]] = {}

    def reserve(self, model: Model, input_tokens: int, max_tokens: int | None) -> "Spent | None":
        """Return a reservation, or None if the quota does not have it."""
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
        """Replace what was reserved by what was used."""
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


_PLAIN: Final = Scenario()
