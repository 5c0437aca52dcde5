"""The ways to a structured answer on Bedrock, best first, and what a worker has learned from refusals.

1. The native schema: Bedrock lets the model write nothing but JSON that fits it.
2. A strict tool: the same for the input of a tool.
3. A tool that the model is forced to call. Its input usually fits.
4. A tool that the model is asked to call.
5. Words: the prompt contains the schema.

`families.toml` says which of them a model takes. A model that refuses one is asked in the next way. A refused request
costs nothing, and the worker remembers what exactly was refused.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from enum import Enum
from threading import Lock
from typing import Any

from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.bedrock.schema import closed_schema
from analysis_jobs.llm.families import EffortField, Family
from analysis_jobs.llm.model import Question


class Kind(Enum):
    """Where the schema of the answer goes. `NONE`: the answer is text."""

    NONE = "none"
    NATIVE = "native schema"
    TOOL = "tool"
    WORDS = "words"


@dataclass(frozen=True)
class Way:
    """One way to ask. `schema` is the schema to send; for a native schema and a strict tool, it is in the subset."""

    kind: Kind
    schema: dict[str, Any] | None = None
    strict: bool = False
    forced: bool = False

    @property
    def compiles(self) -> bool:
        """Whether Bedrock compiles the schema. Its first use may take minutes."""
        return self.kind is Kind.NATIVE or self.strict


class Feature(Enum):
    """A part of a request that a model may refuse."""

    NATIVE = "native schema"
    STRICT = "strict tool"
    FORCED = "forced tool"
    TOOLS = "tools"
    EFFORT = "outputConfig.effort"


# What the refusals have in common. They are not documented. Sources: the reports behind the table in families.toml.
# "This model doesn't support the toolConfig.toolChoice.tool field. …", "… not be enabled when tool_choice forces …".
_ABOUT = {
    Feature.EFFORT: re.compile(r"\beffort (field|parameter)|outputConfig\.effort", re.IGNORECASE),
    Feature.NATIVE: re.compile(
        r"output_?config(?!\.effort)|text_?format|response_?format|structured.?output|\bschema\b|grammar",
        re.IGNORECASE,
    ),
    Feature.FORCED: re.compile(r"tool_?choice|forced? tool", re.IGNORECASE),
    Feature.STRICT: re.compile(
        r"\bstrict\b|structured.?output|schema|grammar|\btools\.\d+\.custom\b|for '\w+' type", re.IGNORECASE
    ),
    Feature.TOOLS: re.compile(
        r"(not|n't|n\u2019t) support\w* .{0,20}\b(tools?\b|tool use|toolConfig\b(?!\.))|tool use .{0,20}not support",
        re.IGNORECASE,
    ),
}
# The schema is at fault: "tools.0.custom: For 'object' type, …", "Schema is too complex".
_ABOUT_THE_SCHEMA = re.compile(r"schema|grammar|for '\w+' type", re.IGNORECASE)
# The model is at fault: "This model doesn't support …", "… Extra inputs are not permitted".
_ABOUT_THE_MODEL = re.compile(
    r"(model|field)\b.{0,60}(not|n't|n\u2019t) support|extra inputs|unknown (field|parameter)|invalid field",
    re.IGNORECASE,
)


class Lessons:
    """What models have refused, for one worker. Any thread may use it.

    A lesson is about one model, and if a schema was the cause, about one schema too.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._refused: set[tuple[str, Feature, str]] = set()

    def has_refused(self, question: Question, feature: Feature) -> bool:
        """Tell whether the model refuses a feature, in general or for the schema of this question."""
        with self._lock:
            about = ("", schema_digest(question))
            return any((question.model_id, feature, digest) in self._refused for digest in about)

    def learn(self, question: Question, way: Way, message: str, effort_field: EffortField | None) -> Feature | None:
        """Remember what a model refused. Returns it; None if the message is about something else, or is no news.

        `effort_field` is where the effort of the question went.
        """
        feature = next((each for each in _used(question, way, effort_field) if _ABOUT[each].search(message)), None)
        if feature is None or self.has_refused(question, feature):
            return None
        compiled = feature in {Feature.NATIVE, Feature.STRICT}
        is_about_schema = _ABOUT_THE_SCHEMA.search(message) and not _ABOUT_THE_MODEL.search(message)
        self._add(question.model_id, feature, schema_digest(question) if compiled and is_about_schema else "")
        return feature

    def ignores_schema(self, question: Question) -> None:
        """Remember that the model took a native schema and answered without JSON."""
        self._add(question.model_id, Feature.NATIVE, "")

    def _add(self, model_id: str, feature: Feature, digest: str) -> None:
        with self._lock:
            self._refused.add((model_id, feature, digest))


def choose_way(question: Question, family: Family, lessons: Lessons) -> Way:
    """Return the best way that the model is not known to refuse."""
    if question.tool is None:
        return Way(Kind.NONE)
    if question.is_shared:  # every other way puts the schema before the document, where it spoils the prompt cache
        return Way(Kind.WORDS, question.tool.schema)
    return next(_ways(question, question.tool.schema, family, lessons))


def _ways(question: Question, schema: dict[str, Any], family: Family, lessons: Lessons) -> Iterator[Way]:
    def takes(feature: Feature, *, known: bool) -> bool:
        return known and not lessons.has_refused(question, feature)

    native = takes(Feature.NATIVE, known=family.native_schema)
    tools = takes(Feature.TOOLS, known=family.tools)
    strict = tools and takes(Feature.STRICT, known=family.strict_tool)
    # A thinking model must not be forced: "Thinking may not be enabled when tool_choice forces tool use."
    forced = tools and question.thinking_tokens is None and takes(Feature.FORCED, known=family.forced_tool)
    closed = closed_schema(schema) if native or strict else None
    if native and closed:
        yield Way(Kind.NATIVE, closed)
    if strict and closed:
        yield Way(Kind.TOOL, closed, strict=True, forced=forced)
    if tools:
        yield Way(Kind.TOOL, schema, forced=forced)
    yield Way(Kind.WORDS, schema)


def _used(question: Question, way: Way, effort_field: EffortField | None) -> Iterator[Feature]:
    """Yield the features that a request used and that another request can leave out, the narrowest first."""
    if question.effort is not None and effort_field == "outputConfig.effort":
        yield Feature.EFFORT
    if way.kind is Kind.NATIVE:
        yield Feature.NATIVE
    if way.forced:
        yield Feature.FORCED
    if way.strict:
        yield Feature.STRICT
    if way.kind is Kind.TOOL:
        yield Feature.TOOLS


def schema_digest(question: Question) -> str:
    """Return a digest of the question's schema; "" without one."""
    if question.tool is None:
        return ""
    text = json.dumps(question.tool.schema, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
