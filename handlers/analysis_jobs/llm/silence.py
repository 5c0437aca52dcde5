"""How long an answer may be silent before the call counts as lost."""

from collections import deque
from datetime import timedelta
from threading import Lock

from analysis_jobs.llm.families import Family
from analysis_jobs.llm.model import Question

# Bedrock compiles a schema at its first use, which may take minutes, and keeps it for 24 hours:
# https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
_COMPILING = timedelta(minutes=10)
# A question with a thinking budget or an effort may think longer than the family usually does.
_THINKING = timedelta(minutes=10)
# The flex tier may let a question wait: 1 to 15 minutes according to https://ai.google.dev/gemini-api/docs/optimization
_FLEX = timedelta(minutes=15)
_MAX_COMPILED = 1_000


class Silence:
    """The limits of one worker. Any thread may use it. Tests shorten them: all by `scale`, or to `fixed`."""

    def __init__(self, scale: float = 1.0, fixed: timedelta | None = None) -> None:
        self._scale = scale
        self._fixed = fixed
        self._lock = Lock()
        self._compiled: deque[tuple[str, int]] = deque(maxlen=_MAX_COMPILED)

    def limit(self, question: Question, family: Family, *, compiles: bool = False) -> timedelta:
        """Return how long the answer may be silent. `compiles`: the vendor compiles the schema of the question."""
        if self._fixed is not None:
            return self._fixed
        limit = family.longest_silence
        if question.thinking_tokens is not None or question.effort is not None:
            limit = max(limit, _THINKING)
        if question.tier == "flex":
            limit = max(limit, _FLEX)
        with self._lock:
            is_first_use = compiles and _key(question) not in self._compiled
        return self._scale * (max(limit, _COMPILING) if is_first_use else limit)

    def has_compiled(self, question: Question) -> None:
        """Note that the model has answered with the schema of the question."""
        with self._lock:
            if _key(question) not in self._compiled:
                self._compiled.append(_key(question))


def _key(question: Question) -> tuple[str, int]:
    return question.model_id, hash(str(question.tool and question.tool.schema))
