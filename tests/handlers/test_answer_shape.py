"""The schema that a model sees has the names that its answer is read with, and an object at its root."""

import json
from datetime import date
from typing import Any, Literal

import pytest
from openapi_schema_validator import OAS31Validator
from pydantic import BaseModel, ConfigDict, Field, Json, RootModel, ValidationError
from pydantic.alias_generators import to_camel

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Reply
from tests.handlers.attempts import run
from tests.handlers.builders import Book, ScriptedModel, Shop, Value


class Node(BaseModel):
    """A part of a plan."""

    name: str
    children: list["Node"] = []


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="forbid")

    first_day: date
    page_numbers: set[int] = set()


class Two(BaseModel):
    kind: Literal["two"] = Field(validation_alias="kindIn", serialization_alias="kindOut")


class One(BaseModel):
    kind: Literal["one"] = Field(validation_alias="kindIn", serialization_alias="kindOut")
    more: Json[list[int]] = []


class Either(RootModel[One | Two]):
    pass


class Nodes(RootModel[list[Node]]):
    """All parts."""


class Alias(RootModel[Node]):
    pass


ANSWERS: list[tuple[type[BaseModel], Any, Any]] = [
    (Node, {"name": "a", "children": [{"name": "b"}]}, Node(name="a", children=[Node(name="b")])),
    (Camel, {"firstDay": "2026-11-22", "pageNumbers": [1]}, Camel(firstDay=date(2026, 11, 22), pageNumbers={1})),
    (Nodes, {"answer": [{"name": "a"}]}, Nodes([Node(name="a")])),
    (Either, {"answer": {"kindIn": "one", "more": "[1]"}}, Either(One(kindIn="one", more="[1]"))),  # type: ignore[arg-type]
    (RootModel[int], {"answer": 7}, RootModel[int](7)),
    (Alias, {"name": "a"}, Alias(Node(name="a"))),
    (RootModel[dict[str, int]], {"a": 1}, RootModel[dict[str, int]]({"a": 1})),
]


@pytest.mark.parametrize(("model", "said", "read"), ANSWERS)
def test_an_answer_that_fits_the_schema_is_read(model: type[BaseModel], said: Any, read: Any) -> None:
    shape = AnswerShape.of(model)
    assert shape.tool.schema["type"] == "object"
    assert list(OAS31Validator(shape.tool.schema).iter_errors(said)) == []
    assert shape.read(said) == read


def test_an_answer_without_its_wrapping_is_read_too() -> None:
    assert AnswerShape.of(Nodes).read([{"name": "a"}]) == Nodes([Node(name="a")])
    assert AnswerShape.of(Either).read({"kindIn": "two"}) == Either(Two(kindIn="two"))


def test_the_name_and_the_description_are_those_of_the_model() -> None:
    assert AnswerShape.of(Nodes).tool.description == "All parts."
    assert AnswerShape.of(RootModel[list[Node]]).tool.name == "RootModel_list_Node__"


def test_an_answer_under_other_names_is_invalid() -> None:
    with pytest.raises(ValidationError, match="firstDay"):
        AnswerShape.of(Camel).read({"first_day": "2026-11-22"})
    with pytest.raises(ValidationError):
        AnswerShape.of(Nodes).read(None)


def test_a_stage_gets_the_answer_as_an_instance() -> None:
    seen = []

    def stage(job: Any) -> Value:
        seen.append(job.ask("?", answer=Camel))
        seen.append(job.ask("?", answer=Nodes))
        return Value(text=job.request.isbn)

    answers: list[dict[str, Any]] = [{"firstDay": "2026-11-22"}, {"answer": [{"name": "a"}]}]
    model = ScriptedModel(*(Reply(json.dumps(each), each, "tool_use", Usage(1, 1, 1)) for each in answers))
    job = run(Shop([stage], model))
    assert job.result is not None
    assert seen == [Camel(firstDay=date(2026, 11, 22)), Nodes([Node(name="a")])]
    assert json.loads(job.result.text or "") == {"text": Book(isbn="42").isbn, "pounds": 0}
