"""An answer that has JSON text where a list or an object belongs is fitted to its model."""

from typing import Any

import pytest
from pydantic import BaseModel, RootModel, ValidationError

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.authoring.fitting import fit
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Reply


class Call(BaseModel):
    name: str
    counts: list[int] = []


Calls = RootModel[list[Call]]
Note = RootModel[str]
CALL = {"name": "coast", "counts": [1]}


def _fitted(answer: type[BaseModel], data: Any) -> Any:
    return fit(AnswerShape.of(answer), Reply("", data, "tool_use", Usage(calls=1))).model_dump()


@pytest.mark.parametrize(
    ("answer", "data", "value"),
    [
        (Call, {"name": "coast", "counts": "[1]"}, CALL),
        (Calls, {"answer": [CALL]}, [CALL]),
        (Calls, {"answer": '[{"name": "coast", "counts": [1]}]'}, [CALL]),
        (Calls, {"answer": [{"name": "coast", "counts": "[1]"}]}, [CALL]),
        (Note, {"answer": "[1, 2]"}, "[1, 2]"),
    ],
    ids=["a field", "a list", "the whole list as text", "a field within the list", "a text that looks like a list"],
)
def test_json_text_is_parsed_only_where_a_list_or_an_object_belongs(
    answer: type[BaseModel], data: Any, value: Any
) -> None:
    assert _fitted(answer, data) == value


@pytest.mark.parametrize("data", [{"answer": "[1"}, {"answer": '"text"'}, {"answer": 3}])
def test_other_values_do_not_fit(data: Any) -> None:
    with pytest.raises(ValidationError):
        _fitted(Calls, data)
