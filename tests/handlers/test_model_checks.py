"""Models that JSON cannot carry are refused when their analysis is declared. The error names the field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    model_serializer,
)

from analysis_jobs import Analysis
from analysis_jobs.authoring.answer_shape import AnswerShape
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.admission import Admission, Trigger


class Plain(BaseModel):
    text: str = ""


def work(_job: Any) -> Plain:
    raise NotImplementedError


def declare(**given: Any) -> Analysis[Any, Any]:
    return Analysis("a", **{"request": Plain, "result": Plain, "stages": [work], **given})


def giving(kind: Any) -> Callable[[Any], Any]:
    """Return a stage that is annotated to return `kind`."""

    def first(_job: Any) -> Any:
        raise NotImplementedError

    first.__annotations__["return"] = kind
    return first


class Login(BaseModel):
    key: SecretStr


class Opaque(BaseModel):
    data: SecretBytes


class Pin(BaseModel):
    pin: Secret[int] | None = None


class Nested(BaseModel):
    logins: dict[str, list[Login]] = {}


class Recursive(BaseModel):
    inner: "Recursive | None" = None
    key: Annotated[SecretStr, Field(alias="theKey")]


class Typed(TypedDict):
    key: SecretStr


@dataclass
class Record:
    key: SecretStr


class Row(NamedTuple):
    key: SecretStr


class InTyped(BaseModel):
    typed: Typed


class InRecord(BaseModel):
    record: Record


class InRow(BaseModel):
    row: Row


class Excluded(BaseModel):
    key: SecretStr = Field(exclude=True)


type Keys = list[SecretStr | Keys]


class Aliased(BaseModel):
    keys: Keys


HIDDEN = [
    (Login, "Login.key is a SecretStr"),
    (Opaque, "Opaque.data is a SecretBytes"),
    (Pin, "Pin.pin is a Secret"),
    (Nested, "Login.key is a SecretStr"),
    (Recursive, "Recursive.key is a SecretStr"),
    (InTyped, "Typed.key is a SecretStr"),
    (InRecord, "Record.key is a SecretStr"),
    (InRow, "Row.key is a SecretStr"),
    (Aliased, "Aliased.keys is a SecretStr"),
]


@pytest.mark.parametrize(("model", "named"), HIDDEN)
def test_a_secret_is_refused_in_the_request_the_result_and_the_output_of_a_stage(
    model: type[BaseModel], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"analysis a: in its request, {named}, which becomes asterisks"):
        declare(request=model)
    with pytest.raises(ConfigurationError, match=f"in its result, {named}"):
        declare(result=model)
    with pytest.raises(ConfigurationError, match=f"in its output of first, {named}"):
        declare(stages=[giving(list[model]), work])  # type: ignore[valid-type]


def test_an_excluded_secret_is_refused_in_the_request_only() -> None:
    with pytest.raises(ConfigurationError, match=r"Excluded\.key is a SecretStr"):
        declare(request=Excluded)
    assert declare(result=Excluded).result is Excluded, "callers do not get it, as its author wanted"


class ByField(BaseModel):
    key: SecretStr

    @field_serializer("key", when_used="json")
    def plainly(self, key: SecretStr) -> str:
        return key.get_secret_value()


class ByAll(BaseModel):
    key: SecretStr

    @field_serializer("*")
    def plainly(self, key: SecretStr) -> str:
        return key.get_secret_value()


class ByModel(BaseModel):
    key: SecretStr

    @model_serializer
    def plainly(self) -> dict[str, str]:
        return {"key": self.key.get_secret_value()}


class ByType(BaseModel):
    key: Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value)]


@pytest.mark.parametrize("model", [ByField, ByAll, ByModel, ByType])
def test_a_secret_with_a_serializer_of_its_own_is_accepted(model: type[BaseModel]) -> None:
    assert declare(request=model, result=model, stages=[giving(model), work]).request is model


class Dropping(BaseModel):
    token: str = Field(exclude=True)


class DroppingOptional(BaseModel):
    token: str = Field(default="", exclude=True)


class Twice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = Field(validation_alias="in", serialization_alias="out")

    @computed_field
    def twice(self) -> int:
        return 2 * self.number


def test_a_required_excluded_field_is_refused_in_the_output_of_a_stage() -> None:
    with pytest.raises(ConfigurationError, match=r"output of first, Dropping\.token is required but excluded"):
        declare(stages=[giving(Dropping | None), work])
    declare(stages=[work, giving(Dropping)])  # the last stage has no checkpoint


@pytest.mark.parametrize("kind", [DroppingOptional, Twice, dict[str, Any], "Unknown", list["Unknown"], Any, 7, None])  # type: ignore[name-defined]  # noqa: F821
def test_what_may_round_trip_is_accepted_as_the_output_of_a_stage(kind: Any) -> None:
    declare(stages=[giving(kind), work])


@pytest.mark.parametrize("model", [Dropping, DroppingOptional, Twice])
def test_what_the_given_json_can_restore_is_accepted_as_a_request(model: type[BaseModel]) -> None:
    assert declare(request=model, result=model).request is model


class FromPath(BaseModel):
    first: int = Field(validation_alias=AliasPath("numbers", 0))


class FromPathOrName(BaseModel):
    first: int = Field(validation_alias=AliasChoices(AliasPath("numbers", 0), "first"))


class FromPathByName(BaseModel):
    model_config = ConfigDict(validate_by_name=True)

    first: int = Field(validation_alias=AliasPath("numbers", 0))


def test_a_field_that_its_schema_cannot_show_is_refused_where_callers_and_models_give_it() -> None:
    with pytest.raises(ConfigurationError, match=r"in its request, FromPath\.first has no alias but an AliasPath"):
        declare(request=FromPath)
    with pytest.raises(ConfigurationError, match=r"answer FromPath: FromPath\.first has no alias but an AliasPath"):
        AnswerShape.of(FromPath)
    assert declare(result=FromPath, stages=[giving(FromPath), work]).result is FromPath
    for model in (FromPathOrName, FromPathByName):
        assert declare(request=model).request is model
        assert AnswerShape.of(model).tool.schema["required"] == ["first"]


class Numbers(RootModel[list[int]]):
    pass


class Texts(RootModel[str | Numbers | None]):
    pass


class Table(RootModel[dict[str, int]]):
    pass


class Either(RootModel[Plain | list[int]]):
    pass


def test_a_request_that_is_no_json_object_is_refused() -> None:
    for unfit in (Numbers, Texts):
        with pytest.raises(ConfigurationError, match=f"its request {unfit.__name__} does not take a JSON object"):
            declare(request=unfit)
    for fit in (Table, Either, RootModel[Any], RootModel[Place]):
        assert declare(request=fit, result=Numbers).request is fit


class Place(TypedDict):
    street: str


class Triggered(BaseModel):
    why: str = Field(alias="trigger")


def test_the_member_trigger_stays_free_for_the_triggers() -> None:
    policy = {"admission": Admission(), "triggers": {"new": Trigger()}}
    with pytest.raises(ConfigurationError, match="that name is reserved for its triggers"):
        declare(request=Triggered, **policy)
    with pytest.raises(ConfigurationError, match="triggers need a request with fields"):
        declare(request=Table, **policy)
