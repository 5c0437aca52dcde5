"""A value keeps its meaning on the whole way of a job, whatever its pydantic model does with JSON.

The way: the caller's body, the stored input, two attempts, a checkpoint, the answer of a model, the result, the answer
to the caller. The OpenAPI document must describe both ends.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    RootModel,
    SecretStr,
    computed_field,
    create_model,
)

from analysis_jobs import Analysis, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.model_json import accept
from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import JobKey
from analysis_jobs.llm.model import Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.api.site import Site, opened
from tests.handlers.attempts import BREAK
from tests.handlers.builders import QUEUE_ARN, ScriptedModel, SteppedClock, some_settings
from tests.handlers.events import call


class Colour(Enum):
    RED = "red"
    BLUE = 7


class Cat(BaseModel):
    kind: Literal["cat"] = Field(alias="petKind")
    lives: int = Field(default=9, alias="livesLeft")


class Dog(BaseModel):
    kind: Literal["dog"] = Field(alias="petKind")
    name: str = Field(validation_alias="petName", serialization_alias="nameOfPet")


class Node(BaseModel):
    name: str = Field(alias="nodeName")
    children: list["Node"] = Field(default=[], alias="childNodes")


class Numbers(RootModel[list[int]]):
    pass


class Page[Item](BaseModel):
    items: list[Item]
    following: Item | None = Field(default=None, alias="nextItem")


class Point(TypedDict):
    x: int
    y: float


@dataclass
class Span:
    first: int
    last: int = 5


@dataclass(frozen=True)
class Kind:
    """A type of field, and the JSON that callers send for it.

    `comes_back`: a reader of the result gets the same value. `described`: the JSON schema describes what callers send.
    """

    type: Any
    given: st.SearchStrategy[Any]
    comes_back: bool = True
    described: bool = True
    options: dict[str, Any] = field(default_factory=dict)


INTEGERS = st.integers(-(2**80), 2**80)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=8)
WORDS = st.text("abcdefgh", min_size=1, max_size=4)
DATES = st.dates().map(date.isoformat)
NODES: st.SearchStrategy[Any] = st.deferred(
    lambda: st.fixed_dictionaries({"nodeName": TEXTS}, optional={"childNodes": st.lists(NODES, max_size=2)})
)
PETS = st.fixed_dictionaries({"petKind": st.just("cat")}, optional={"livesLeft": st.integers(0, 9)}) | (
    st.fixed_dictionaries({"petKind": st.just("dog"), "petName": TEXTS})
)
JSON = st.recursive(st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS, lambda inner: st.lists(inner, max_size=2))
KINDS = [
    Kind(int, INTEGERS),
    Kind(float, FLOATS),
    Kind(Decimal, st.decimals(allow_nan=False, allow_infinity=False).map(str)),
    Kind(bool, st.booleans()),
    Kind(str, TEXTS),
    Kind(bytes, TEXTS),
    Kind(date, DATES),
    Kind(datetime, st.datetimes(timezones=st.timezones()).map(lambda at: at.replace(microsecond=0).isoformat()[:25])),
    Kind(timedelta, st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S")),
    Kind(UUID, st.uuids().map(str)),
    Kind(Colour, st.sampled_from(["red", 7])),
    Kind(set[int], st.lists(INTEGERS, max_size=3, unique=True)),
    Kind(frozenset[str], st.lists(TEXTS, max_size=3, unique=True)),
    Kind(tuple[int, str], st.tuples(INTEGERS, TEXTS).map(list)),
    Kind(dict[str, float], st.dictionaries(TEXTS, FLOATS, max_size=2)),
    Kind(dict[int, str], st.dictionaries(st.integers(0, 9).map(str), TEXTS, max_size=2)),
    Kind(Any, JSON),
    Kind(int | str | None, INTEGERS | TEXTS | st.none()),
    Kind(date | str, DATES | TEXTS),
    Kind(Annotated[Cat | Dog, Field(discriminator="kind")], PETS, comes_back=False),
    Kind(Node, NODES),
    Kind(list[Numbers], st.lists(st.lists(INTEGERS, max_size=2), max_size=2)),
    Kind(Page[int], st.fixed_dictionaries({"items": st.lists(INTEGERS, max_size=2)}, optional={"nextItem": INTEGERS})),
    Kind(Point, st.fixed_dictionaries({"x": INTEGERS, "y": FLOATS})),
    Kind(Span, st.fixed_dictionaries({"first": INTEGERS})),
    Kind(Json[dict[str, int]], st.dictionaries(TEXTS, INTEGERS, max_size=2).map(json.dumps), comes_back=False),
    # A secret that its model writes readably
    Kind(Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value, when_used="json")], TEXTS),
    # Serializers that nothing reads back, or that lose something
    Kind(Annotated[date, PlainSerializer(lambda day: day.strftime("%d.%m.%Y"), str)], DATES, comes_back=False),
    Kind(Annotated[float, PlainSerializer(lambda number: round(number, 1), float)], FLOATS, comes_back=False),
    Kind(Annotated[list[str], BeforeValidator(lambda text: text.split(","))], WORDS, comes_back=False, described=False),
    Kind(Annotated[int, BeforeValidator(lambda number: number + 1)], INTEGERS, comes_back=False),
    # Not in the checkpoint, so that its stage runs again
    Kind(str, TEXTS, comes_back=False, options={"default": "", "exclude": True}),
]
NAMINGS: list[Callable[[str], tuple[str, dict[str, Any]]]] = [
    lambda name: (name, {}),
    lambda name: (f"{name}Alias", {"alias": f"{name}Alias"}),
    lambda name: (f"{name}In", {"validation_alias": f"{name}In", "serialization_alias": f"{name}Out"}),
    lambda name: (f"{name}Second", {"validation_alias": AliasChoices(f"{name}First", f"{name}Second")}),
]


class Counted(BaseModel):
    """A base with parts that no caller sends."""

    run: UUID = Field(default_factory=uuid4, alias="runId")

    @computed_field
    def total(self) -> int:
        return len(type(self).model_fields)


@dataclass(frozen=True)
class Example:
    """A model, and what a caller sends for it."""

    model: type[BaseModel]
    given: dict[str, Any]
    comes_back: bool
    described: bool


@st.composite
def examples(draw: st.DrawFn) -> Example:
    fields: dict[str, Any] = {}
    body: dict[str, Any] = {}
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    namings = []
    for number, kind in enumerate(kinds):
        naming = draw(st.sampled_from(NAMINGS))
        outer, options = naming(f"field_{number}")
        namings.append(options)
        fields[f"field_{number}"] = (kind.type, Field(**options, **kind.options))
        body[outer] = draw(kind.given)
    config = ConfigDict(
        strict=draw(st.booleans()),
        extra=draw(st.sampled_from(["ignore", "allow", "forbid"])),
        validate_by_name=draw(st.booleans()),
    )
    counted = draw(st.booleans())
    plain = create_model("Anything", __config__=config, **fields)
    bases: Any = (Counted, plain)
    model = create_model("Counting", __base__=bases) if counted else plain
    same_names = all("serialization_alias" not in each and "validation_alias" not in each for each in namings)
    readable = not counted or config["extra"] == "ignore"
    comes_back = same_names and readable and all(kind.comes_back for kind in kinds)
    # A schema shows the first alias of several.
    described = all(kind.described for kind in kinds) and not any(name.endswith("Second") for name in body)
    return Example(model, body, comes_back, described)


class Way:
    """One job: its analysis, and what its stages have seen."""

    def __init__(self, example: Example) -> None:
        self.seen: list[BaseModel] = []
        self.interrupted = False
        model = example.model

        def read(job: Job[Any]) -> Any:
            self.seen.append(job.request)
            answer: BaseModel = job.ask("?", answer=model)
            assert _alike(answer, accept(model, example.given))
            return job.request

        read.__annotations__["return"] = model

        def check(job: Job[Any]) -> Any:
            assert job.output(read) == job.request, "the next stage gets the output"
            if not self.interrupted:
                self.interrupted = True
                raise BREAK.with_traceback(None)
            return job.request

        self.analysis = Analysis("walk", request=model, result=model, stages=[read, check])

    def work(self, site: Site, job_id: str, given: Any, clock: SteppedClock) -> dict[str, Any]:
        said = Reply(json.dumps(given), given, "tool_use", Usage(1, 1, 1))
        services = Services(
            site.artifacts, MemoryPromptStore(), ScriptedModel(said, said, said), some_settings(inline_bytes=50)
        )
        worker = Worker(site.store, site.queue, Analyses([self.analysis]), services, clock)
        for _ in range(2):
            worker.handle(Message(JobKey("acme", job_id), QUEUE_ARN, "receipt"), None)
        answer: dict[str, Any] = call("GET", f"/jobs/{job_id}").json
        return answer


def _alike(one: BaseModel, other: BaseModel) -> bool:
    """Compare all fields that the caller sent."""
    return one.model_copy(update={"run": None}) == other.model_copy(update={"run": None})


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=75,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(example=examples())
def test_a_value_keeps_its_meaning_from_the_submission_to_the_result(example: Example) -> None:
    _walk(example)


class Named(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    full_name: str = Field(alias="fullName")
    born: date | None = None


class Both(Page[Named], Counted):
    pass


WHOLE = [
    Example(RootModel[dict[str, int]], {"a": 1}, comes_back=True, described=True),
    Example(RootModel[Named | Node], {"nodeName": "a"}, comes_back=True, described=True),
    Example(RootModel[Point], {"x": 1, "y": 0.5}, comes_back=True, described=True),
    Example(
        RootModel[Annotated[Cat | Dog, Field(discriminator="kind")]],
        {"petKind": "dog", "petName": "Rex"},
        comes_back=False,
        described=True,
    ),
    Example(Node, {"nodeName": "a", "childNodes": [{"nodeName": "b"}]}, comes_back=True, described=True),
    Example(Page[Node], {"items": [{"nodeName": "a"}]}, comes_back=True, described=True),
    Example(Named, {"fullName": "Ada", "born": "1815-12-10"}, comes_back=True, described=True),
    Example(Both, {"items": [{"fullName": "Ada"}], "nextItem": {"fullName": "Bob"}}, comes_back=True, described=True),
]


@pytest.mark.parametrize("example", WHOLE, ids=lambda example: example.model.__name__)
def test_models_that_are_not_plain_objects_keep_their_meaning_too(example: Example) -> None:
    _walk(example)


def _walk(example: Example) -> None:
    way, clock = Way(example), SteppedClock()
    with opened(MemoryJobStore(), clock, way.analysis) as site:
        body = {"analysis": "walk", "input": example.given}
        if example.described:
            site.documented.validate({"$ref": "#/components/schemas/WalkSubmission"}, body)
        accepted = call("POST", "/jobs", body)
        assert accepted.status == 202, accepted.body
        job = way.work(site, accepted.json["job_id"], example.given, clock)
    assert job["status"] == "completed", job["error"]
    first, *others = way.seen
    assert _alike(first, accept(example.model, example.given)), "the stage gets what was accepted"
    assert all(other == first for other in others), "all attempts get the same"
    if example.comes_back:
        assert accept(example.model, job["result"]) == first, "the caller can read the result with the model"
