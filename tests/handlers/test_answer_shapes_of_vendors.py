"""Both vendors accept the schema of every shape of answer, and what they answer is read."""

import pytest
from pydantic import BaseModel, Field, RootModel

from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.model import Question
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import VENDORS, Vendor

DOCUMENT = "Title: Harbour Lights Festival\n\nDeadline: 15 March 2027\n\nName: The old wall"


class Part(BaseModel):
    """A part of a plan."""

    name: str
    parts: list["Part"] = []


class Call(BaseModel):
    title: str = Field(alias="callTitle")
    children: "Calls | None" = None


class Calls(RootModel[list[Call]]):
    pass


class CallOrPart(RootModel[Call | Part]):
    pass


SHAPES: list[type[BaseModel]] = [
    Part,
    Call,
    Calls,
    CallOrPart,
    RootModel[list[str]],
    RootModel[str],
    RootModel[Part],
    RootModel[dict[str, str]],
]


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
@pytest.mark.parametrize("model", SHAPES, ids=lambda model: model.__name__)
def test_a_model_answers_in_the_shape(stand_in: StandIn, vendor: Vendor, model: type[BaseModel]) -> None:
    shape = AnswerShape.of(model)
    prompt = f"Fill it.\n<document>\n{DOCUMENT}\n</document>"
    question = Question(vendor.model_id, prompt, 2_000, tool=shape.tool)
    reply = vendor.port(stand_in.url).ask(question, lambda _: None, CancellationToken())
    assert reply.fault is None
    assert isinstance(shape.read(reply.data), model)
