"""How values of models become JSON and come back, one function at a time. `test_round_trip.py` walks the whole way."""

import math
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PydanticUserError,
    RootModel,
    SecretStr,
    ValidationError,
    computed_field,
)

from analysis_jobs.base.model_json import (
    NotKeptError,
    accept,
    convert,
    has_nan,
    has_secret,
    keep,
    keep_input,
    present,
    restore,
)


class Ask(BaseModel):
    model_config = ConfigDict(extra="forbid")

    document_id: str = Field(alias="documentId")
    note: str | None = Field(default=None, validation_alias="noteIn", serialization_alias="noteOut")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date
    numbers: set[int]


class Rounded(BaseModel):
    price: Annotated[float, PlainSerializer(lambda price: round(price, 1))]


class Amount(BaseModel):
    pounds: float


class Noted(BaseModel):
    text: str
    scratch: str = Field(default="", exclude=True)


class Shape(Enum):
    ROUND = "round"


ASK = Ask(documentId="x", noteIn="keep me")


def test_json_from_outside_has_the_names_of_the_schema_only() -> None:
    assert accept(Ask, {"documentId": "x", "noteIn": "keep me"}) == ASK
    with pytest.raises(ValidationError, match="documentId"):
        accept(Ask, {"document_id": "x"})


def test_a_strict_model_accepts_what_json_has_and_nothing_else() -> None:
    assert accept(Strict, {"day": "2026-11-22", "numbers": [1]}) == Strict(day=date(2026, 11, 22), numbers={1})
    with pytest.raises(ValidationError, match="numbers"):
        accept(Strict, {"day": "2026-11-22", "numbers": ["1"]})


def test_a_value_that_is_not_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        accept(Ask, {"documentId": "\ud800"})


@pytest.mark.parametrize(
    "value",
    [
        ASK,
        {"documentId": "x", "noteIn": "keep me"},
        {"document_id": "x", "note": "keep me"},
        {"document_id": "x", "noteIn": "keep me"},
    ],
)
def test_python_code_gives_an_instance_or_a_mapping_with_names_or_aliases(value: Any) -> None:
    assert convert(Ask, value) == ASK


def test_a_mapping_may_contain_python_values_or_json() -> None:
    whole = Strict(day=date(2026, 11, 22), numbers={1})
    assert convert(Strict, {"day": whole.day, "numbers": {1}}) == whole
    assert convert(Strict, {"day": "2026-11-22", "numbers": [1]}) == whole
    assert convert(RootModel[list[Strict]], [whole]).root == [whole]
    with pytest.raises(ValidationError, match="numbers"):
        convert(Strict, {"day": "2026-11-22", "numbers": object()})


def test_callers_get_the_names_of_the_serialization_schema() -> None:
    assert present(ASK) == {"documentId": "x", "noteOut": "keep me"}
    assert set(present(ASK)) == set(Ask.model_json_schema(mode="serialization")["properties"])
    with pytest.raises(ValueError, match="JSON compliant"):
        present(Amount(pounds=math.nan))


class Lines(BaseModel):
    numbers: list[int]
    shape: Shape = Shape.ROUND


def test_what_is_kept_is_restored() -> None:
    for kind, value in (
        (Ask, ASK),
        (list[Ask], [ASK]),
        (dict[str, Ask | None], {"a": ASK, "b": None}),
        (tuple[int, ...], (1, 2)),
        (frozenset[datetime], frozenset({datetime(2026, 1, 1, tzinfo=UTC)})),
        (type(None), None),
    ):
        assert restore(kind, keep(kind, value)) == value


class Other(BaseModel):
    pounds: float


def test_equal_types_that_validate_in_another_order_are_told_apart() -> None:
    assert Amount | Other == Other | Amount
    assert [type(restore(kind, b'{"pounds":1}')) for kind in (Amount | Other, Other | Amount)] == [Amount, Other]


def test_outside_of_models_a_value_is_converted_to_its_type() -> None:
    assert restore(list[int], keep(list[int], (1, 2))) == [1, 2]
    assert restore(Ask, keep(Ask, {"documentId": "x"})) == Ask(documentId="x")
    assert restore(date, keep(date, "2026-11-22")) == date(2026, 11, 22)


@pytest.mark.parametrize(
    ("kind", "value", "lost"),
    [
        (Rounded, Rounded(price=1.25), "price"),
        (list[Rounded], [Rounded(price=1.5), Rounded(price=1.25)], "1.price"),
        (Noted, Noted(text="a", scratch="b"), "scratch"),
        (dict[str, Noted], {"a": Noted(text="a", scratch="b")}, "….scratch"),
        (RootModel[Noted], RootModel[Noted](Noted(text="a", scratch="b")), "scratch"),
        (list[SecretStr], [SecretStr("hunter2")], "0"),
    ],
)
def test_what_json_would_change_is_not_kept(kind: Any, value: Any, lost: str) -> None:
    with pytest.raises(NotKeptError, match="another value when read back") as refused:
        keep(kind, value)
    assert refused.value.field == lost
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("price", [math.nan, math.inf])
def test_a_number_that_json_lacks_is_not_kept(price: float) -> None:
    with pytest.raises(NotKeptError):
        keep(Rounded, Rounded(price=price))


def test_the_parts_that_serializers_do_not_lose_are_kept() -> None:
    assert restore(Rounded, keep(Rounded, Rounded(price=1.5))) == Rounded(price=1.5)
    assert restore(Noted, keep(Noted, Noted(text="a"))) == Noted(text="a")


class Facts(BaseModel):
    by_name: dict[str, Any] = {}
    more: Any = None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (dict, {1: date(2026, 11, 22)}, {"1": "2026-11-22"}),
        (list, [ASK], [{"document_id": "x", "note": "keep me"}]),
        (Facts, Facts(by_name={"day": date(2026, 11, 22)}), Facts(by_name={"day": "2026-11-22"})),
        (Facts, Facts(more={1: (2, 3)}), Facts(more={"1": [2, 3]})),
        (Facts, Facts(more=ASK), Facts(more={"document_id": "x", "note": "keep me"})),
        (Facts, Facts(more=[{1}]), Facts(more=[[1]])),
    ],
)
def test_a_value_of_no_declared_type_is_restored_as_its_json(kind: Any, value: Any, expected: Any) -> None:
    assert restore(kind, keep(kind, value)) == expected


@pytest.mark.parametrize("more", [SecretStr("hunter2"), [SecretStr("hunter2")], {"a": math.nan}])
def test_a_value_of_no_declared_type_that_json_lacks_is_not_kept(more: Any) -> None:
    with pytest.raises(NotKeptError):
        keep(Facts, Facts(more=more))


def test_what_was_assigned_without_validation_counts_as_its_json() -> None:
    lines = Lines.model_construct(numbers=(1, 2), shape="round")  # type: ignore[arg-type]
    assert restore(Lines, keep(Lines, lines)) == Lines(numbers=[1, 2])


class Opaque:
    def __init__(self, number: int) -> None:
        self.number = number


class Array(list[int]):
    """Compares like an array: item by item, without one truth value."""

    def __eq__(self, other: object) -> Any:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None


class Holder(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    held: Annotated[Opaque, BeforeValidator(Opaque), PlainSerializer(lambda held: held.number)]
    array: Annotated[Any, BeforeValidator(Array), PlainSerializer(list)] = Field(default=(), validate_default=True)


class Halved(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    held: Annotated[Opaque, BeforeValidator(Opaque), PlainSerializer(lambda held: held.number // 2)]


def test_types_without_equality_are_compared_by_their_content() -> None:
    holder = Holder.model_validate({"held": 1, "array": [1, 2]})
    assert restore(Holder, keep(Holder, holder)).held.number == 1
    with pytest.raises(NotKeptError, match="held: it is another value"):
        keep(Halved, Halved.model_validate({"held": 4}))


def test_a_type_that_pydantic_does_not_support_is_an_error() -> None:
    with pytest.raises(PydanticUserError):
        keep(Opaque, {})


class Derived(Noted):
    more: int = 1


def test_an_instance_of_a_subclass_is_restored_as_the_declared_class() -> None:
    assert restore(Noted, keep(list[Noted], [Derived(text="a")])[1:-1]) == Noted(text="a")


class Submitted(BaseModel):
    run: UUID = Field(default_factory=uuid4, alias="runId")
    day: Annotated[date, PlainSerializer(lambda day: day.strftime("%d.%m.%Y"))] = Field(alias="theDay")
    inner: "list[Submitted]" = Field(default=[], alias="innerOnes")


def test_an_input_that_its_model_cannot_write_is_kept_as_it_was_given_with_its_defaults() -> None:
    given = {"theDay": "2026-11-22", "innerOnes": [{"theDay": "2026-11-23"}]}
    request = accept(Submitted, given)
    kept = keep_input(Submitted, request, given)
    assert restore(Submitted, kept) == request
    assert restore(Submitted, kept).inner[0].run == request.inner[0].run


class Split(BaseModel):
    words: Annotated[list[str], BeforeValidator(lambda text: text.split(","))]


def test_a_validator_that_fails_on_its_own_output_does_no_harm() -> None:
    given = {"words": "a,b"}
    assert restore(Split, keep_input(Split, accept(Split, given), given)).words == ["a", "b"]
    with pytest.raises(NotKeptError, match="JSON cannot hold it"):
        keep(Split, Split(words="a,b"))  # type: ignore[arg-type]


class Guess(BaseModel):
    number: Annotated[int, BeforeValidator(lambda _: uuid4().int), PlainSerializer(str)]


def test_an_input_that_no_json_restores_is_refused() -> None:
    with pytest.raises(NotKeptError, match="number: it is another value"):
        keep_input(Guess, accept(Guess, {"number": 1}), {"number": 1})


class Total(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int

    @computed_field
    def twice(self) -> int:
        return self.number * 2


def test_a_computed_field_is_for_callers_only() -> None:
    assert present(Total(number=2)) == {"number": 2, "twice": 4}
    assert restore(Total, keep(Total, Total(number=2))) == Total(number=2)


def test_what_earlier_versions_stored_under_field_names_is_restored() -> None:
    assert restore(Ask, b'{"document_id":"x","note":"keep me"}') == ASK


def test_secrets_and_numbers_that_json_lacks_are_found_within_a_value() -> None:
    for fit in ([1, None, "***"], {"a": Rounded(price=1.5)}, ASK):
        assert not has_secret(fit)
        assert not has_nan(fit)
    assert has_secret([{"key": SecretStr("a")}])
    assert has_nan({"a": Rounded(price=math.nan)})
    assert has_nan((math.inf,))
