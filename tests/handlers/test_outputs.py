"""Outputs of stages and of `job.each` that a checkpoint cannot keep, and checkpoints of other versions of the code."""

import math
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, Field, PlainSerializer, SecretStr, field_validator

from analysis_jobs import Fail, Job
from analysis_jobs.authoring.outputs import MISSING, NOT_KEPT, output_of, restore_output, return_type
from tests.handlers.attempts import BREAK, Diary, run
from tests.handlers.builders import Book, Shop, Value


class Price(BaseModel):
    pounds: Annotated[float, PlainSerializer(lambda pounds: round(pounds, 1))]
    source: str = Field(default="", alias="foundIn")


def price(_given: Any) -> Price:
    raise NotImplementedError


def untyped(_given: Any):  # type: ignore[no-untyped-def]  # noqa: ANN201
    raise NotImplementedError


def test_an_output_is_given_on_as_it_is_if_its_checkpoint_cannot_keep_it() -> None:
    exact = Price(pounds=1.25, foundIn="catalogue")
    made = output_of("price", price, exact)
    assert made.value is exact
    assert made.body == b'{"$not_kept":true}'
    kept = output_of("price", price, Price(pounds=1.5, foundIn="catalogue"))
    assert kept.value == Price(pounds=1.5, foundIn="catalogue")
    assert kept.body == b'{"pounds":1.5,"source":"catalogue"}', "the names of the fields, as in earlier versions"


def test_work_that_a_checkpoint_cannot_keep_is_done_again_with_its_exact_value() -> None:
    diary, seen = Diary(fails=["second"]), []

    def first(job: Job[Book]) -> Price:
        diary.note("first")
        return job.each([1.25, 1.5], one)[0]

    def one(pounds: float) -> Price:
        diary.note(f"one {pounds}")
        return Price(pounds=pounds, foundIn="catalogue")

    def second(job: Job[Book]) -> Value:
        seen.append(job.output(first))
        diary.note("second")
        return Value(text=job.output(first).source, pounds=job.output(first).pounds)

    for function in (first, one):
        function.__annotations__["return"] = Price
    shop = Shop([first, second])
    job = run(shop)
    assert job.result is not None
    assert job.result.text == '{"text":"catalogue","pounds":1.25}'
    assert seen == [Price(pounds=1.25, foundIn="catalogue")] * 2
    again = ["first", "one 1.25"]  # not the item that its checkpoint keeps
    assert diary.done == ["first", "one 1.25", "one 1.5", "second", *again, "second"]


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (price, object()),
        (untyped, object()),
        (untyped, math.nan),
        (untyped, {1: b"\xff"}),
        (untyped, [SecretStr("hunter2")]),
        (untyped, {"price": Price(pounds=math.nan)}),
    ],
)
def test_an_output_that_is_not_json_fails_the_job_without_showing_it(function: Any, value: object) -> None:
    with pytest.raises(Fail, match="checkpoint_invalid: checkpoint price is not JSON") as refused:
        output_of("price", function, value)
    assert "hunter2" not in str(refused.value)


def test_an_output_without_annotation_is_given_on_as_json() -> None:
    assert output_of("price", untyped, Price(pounds=1.25)).value == {"pounds": 1.2, "source": ""}
    assert output_of("price", untyped, [None, "***"]).value == [None, "***"]


class Newer(BaseModel):
    pounds: float

    @field_validator("pounds", mode="before")
    @classmethod
    def of_currency(cls, given: Any) -> float:
        return float(given["amount"])


def newer(_given: Any) -> Newer:
    raise NotImplementedError


@pytest.mark.parametrize("saved", [{"pounds": 1.5}, {"pounds": {}}, {}, [], None, "1.5", NOT_KEPT])
def test_a_checkpoint_that_newer_code_cannot_read_is_missing(saved: Any) -> None:
    assert restore_output(newer, saved) is MISSING


def test_the_type_of_a_function_keeps_its_metadata() -> None:
    def number(_given: Any) -> Any:
        raise NotImplementedError

    number.__annotations__["return"] = Annotated[int, Field(gt=0)]
    assert get_args(return_type(number))[0] is int
    assert restore_output(number, 0) is MISSING


class Claim(BaseModel):
    claim_text: str = Field(alias="claimText")


def test_partial_work_is_read_as_json_or_in_a_type() -> None:
    seen: list[Any] = []

    def stage(job: Job[Book]) -> Value:
        if job.saved("claims") is None:
            job.checkpoint("claims", [Claim(claimText="first")])
            raise BREAK.with_traceback(None)
        seen.append(job.saved("claims"))
        seen.append(job.saved("claims", kind=list[Claim]))
        seen.append(job.saved("claims", "other", kind=int))
        return Value(text="done")

    assert run(Shop([stage])).result is not None
    assert seen == [[{"claim_text": "first"}], [Claim(claimText="first")], "other"]
