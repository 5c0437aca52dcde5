"""The shape of a model's answer: the schema that the model sees, and how its answer becomes an instance."""

import re
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ValidationError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.model_checks import unnamed_fields
from analysis_jobs.base.model_json import accept
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model import Tool

_LONGEST_TOOL_NAME = 64
_WRAPPED = "answer"
"""The only property of an answer that is wrapped, because its own schema is not that of an object."""

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class AnswerShape(Generic[Answer]):
    """The shape of answers of one pydantic model. `tool` carries the schema, under the names that `read` takes."""

    answer: type[Answer]
    tool: Tool
    wrapped: bool

    @classmethod
    def of(cls, answer: type[Answer]) -> Self:
        """Return the shape. Raises `ConfigurationError` for a field that a schema cannot show."""
        for found in unnamed_fields(answer):
            raise ConfigurationError(f"answer {answer.__name__}: {found.field} {found.reason}")
        schema = _with_plain_root(answer.model_json_schema(mode="validation", by_alias=True))
        wrapped = schema.get("type") != "object"
        description = (answer.__doc__ or "").strip().splitlines()
        tool = Tool(
            # Bedrock accepts these characters only. A generic model is named like `Page[int]`.
            re.sub(r"[^A-Za-z0-9_-]", "_", answer.__name__)[:_LONGEST_TOOL_NAME],
            description[0] if description else "The answer.",
            _wrap(schema) if wrapped else schema,
        )
        return cls(answer, tool, wrapped)

    def unwrap(self, data: Any) -> Any:
        """Return a model's answer, given as JSON, without the object that the schema put around it."""
        return data[_WRAPPED] if self.wrapped and isinstance(data, dict) and data.keys() == {_WRAPPED} else data

    def read(self, data: Any) -> Answer:
        """Return a model's answer, given as JSON, as an instance. Raises `ValidationError`."""
        try:
            return accept(self.answer, self.unwrap(data))
        except ValidationError:
            raise
        except ValueError as error:  # half of a surrogate pair
            raise ValidationError.from_exception_data(
                self.answer.__name__, [{"type": "string_unicode", "loc": (), "input": None}]
            ) from error


def _with_plain_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the root itself in place of a reference to it.

    pydantic refers to the root of a recursive model. Bedrock refuses a root without `type`.
    """
    definitions = schema.get("$defs", {})
    while "$ref" in schema:
        named = schema["$ref"].removeprefix("#/$defs/")
        schema = definitions[named] | {name: each for name, each in schema.items() if name not in ("$ref", "$defs")}
    return schema | {"$defs": definitions} if definitions else schema


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with one property. Models answer with an object."""
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    inner = {name: each for name, each in schema.items() if name != "$defs"}
    return {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED], **definitions}
