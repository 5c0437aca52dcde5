"""The questions that stages asked, as a test sees them."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.llm.model import Question
from analysis_jobs.prompts.template import document_element

_SIMPLE: dict[str, Any] = {"string": "…", "integer": 0, "number": 0, "boolean": False}  # examples of values


@dataclass
class Asked:
    """A question of a stage, with its answer.

    `prompt` is the whole text of the message: a long document that the library sends as a block of its own is part of
    it. `schema` is the JSON schema of the answer, `answer_name` the name of its model; both are None for a question
    without `answer=`. `answer` is the model's answer as text, None if there was none. `question` is what the model port
    got.
    """

    job_id: str
    stage: str
    attempt: int
    question: Question
    answer: str | None = None
    usage: Usage = field(default_factory=Usage)
    analysis: str = ""

    @classmethod
    def of(cls, job: JobRecord, question: Question) -> "Asked":
        """Return the question as asked by the job's current stage."""
        return cls(job.job_id, job.stage or "", job.attempt, question, analysis=job.analysis)

    @property
    def prompt(self) -> str:
        """The text of the message."""
        document = self.question.document
        return f"{document_element(document)}\n\n{self.question.prompt}" if document else self.question.prompt

    @property
    def system(self) -> str | None:
        """The system prompt."""
        return self.question.system

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema of the answer."""
        return self.question.tool.schema if self.question.tool else None

    @property
    def answer_name(self) -> str | None:
        """The name of the answer's model."""
        return self.question.tool.name if self.question.tool else None

    @property
    def model_id(self) -> str:
        """The ID of the model that was asked."""
        return self.question.model_id

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The pictures and documents beside the text."""
        return self.question.attachments


@dataclass(frozen=True)
class Match:
    """Which questions an answer is for. All conditions that are given must hold, as in an `answers.toml`.

    Args:
        text: A part of the prompt.
        analysis: The name of the analysis.
        stage: The name of the stage.
        model: A pattern of the model's ID, such as `*haiku*`.
        tool: The name of the pydantic model that the question gives as `answer=`.
    """

    text: str = ""
    analysis: str = ""
    stage: str = ""
    model: str = "*"
    tool: str = ""

    def holds(self, asked: Asked) -> bool:
        """Tell whether the conditions hold for a question."""
        return (
            self.text in asked.prompt
            and self.analysis in {"", asked.analysis}
            and self.stage in {"", asked.stage}
            and self.tool in {"", asked.answer_name}
            and fnmatchcase(asked.model_id, self.model)
        )


def example_of(schema: dict[str, Any] | None) -> Any:
    """Return a value with the form of a schema, as a start for a scripted answer. Without a schema it is a text."""
    return "…" if schema is None else _example(schema, schema.get("$defs", {}), frozenset())


def _example(schema: dict[str, Any], definitions: dict[str, Any], within: frozenset[str]) -> Any:
    if reference := schema.get("$ref"):
        name = str(reference).removeprefix("#/$defs/")
        return None if name in within else _example(definitions.get(name, {}), definitions, within | {name})
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return _example(choices[0], definitions, within)
    if values := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return values[0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: _example(each, definitions, within) for name, each in fields.items()}
        case "array":
            return [_example(schema["items"], definitions, within)] if schema.get("items") else []
    return _SIMPLE.get(schema.get("type", ""))
