"""The subset of JSON Schema that Bedrock compiles: what stays, what moves into descriptions, what has no form."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from analysis_jobs.llm.bedrock.schema import closed_schema


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """Where it is."""

    street: str
    floor: int | None = None


class Lot(BaseModel):
    kind: Literal["lot"]
    price: Annotated[Decimal, Field(gt=0)]


class Note(BaseModel):
    kind: Literal["note"]
    text: Annotated[str, Field(max_length=40, pattern="^[A-Z]")]


class Call(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=80, description="As on the cover.")]
    deadline: date
    colour: Colour
    where: Annotated[Place, Field(description="The main site.")]
    places: Annotated[list[Place], Field(min_length=2, max_length=9)]
    parts: list[Annotated[Lot | Note, Field(discriminator="kind")]]
    pair: tuple[int, str]


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


def _closed(model: type[BaseModel]) -> dict[str, Any] | None:
    return closed_schema(model.model_json_schema())


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Return every object schema within a schema."""
    if isinstance(schema, list):
        return [found for each in schema for found in _objects(each)]
    if not isinstance(schema, dict):
        return []
    inside = [found for each in schema.values() for found in _objects(each)]
    return [schema, *inside] if schema.get("type") == "object" else inside


def test_every_object_is_closed_and_no_reference_is_left() -> None:
    schema = _closed(Call)
    assert schema is not None
    assert len(_objects(schema)) == 5
    assert all(each["additionalProperties"] is False for each in _objects(schema))
    assert "$ref" not in str(schema)
    assert "$defs" not in schema


def test_a_rule_on_a_value_moves_into_the_description() -> None:
    schema = _closed(Call)
    assert schema is not None
    fields = schema["properties"]
    assert fields["title"]["description"] == "As on the cover. (maxLength: 80; minLength: 1)"
    assert fields["places"]["description"] == "maxItems: 9; minItems: 2"
    assert "exclusiveMinimum: 0" in str(fields["parts"])
    assert "pattern: " in str(fields["parts"])
    for keyword in ("maxLength", "minLength", "maxItems", "exclusiveMinimum", "pattern", "oneOf", "discriminator"):
        assert f"'{keyword}': " not in str(schema)


def test_formats_enums_and_constants_stay() -> None:
    schema = _closed(Call)
    assert schema is not None
    fields = schema["properties"]
    assert fields["deadline"]["format"] == "date"
    assert fields["colour"]["enum"] == ["red", "blue"]
    assert [branch["properties"]["kind"]["const"] for branch in fields["parts"]["items"]["anyOf"]] == ["lot", "note"]


def test_a_description_beside_a_reference_replaces_that_of_the_definition() -> None:
    schema = _closed(Call)
    assert schema is not None
    assert schema["properties"]["where"]["description"] == "The main site."
    assert schema["properties"]["places"]["items"]["description"] == "Where it is."


def test_a_pair_becomes_a_list_of_either_kind_with_the_order_in_words() -> None:
    schema = _closed(Call)
    assert schema is not None
    pair = schema["properties"]["pair"]
    assert [each["type"] for each in pair["items"]["anyOf"]] == ["integer", "string"]
    assert "in this order" in pair["description"]


def test_the_required_fields_stay_required_and_the_others_optional() -> None:
    assert (_closed(Place) or {})["required"] == ["street"]


class _Any(BaseModel):
    value: Any


class _Mapping(BaseModel):
    counts: dict[str, int]


_MANY = {"type": "object", "properties": {f"f{number}": {"type": "string"} for number in range(25)}}
_UNIONS = {
    "type": "object",
    "properties": {f"f{number}": {"anyOf": [{"type": "string"}, {"type": "null"}]} for number in range(17)},
    "required": [f"f{number}" for number in range(17)],
}


@pytest.mark.parametrize(
    "schema",
    [
        Node.model_json_schema(),
        Open.model_json_schema(),
        _Any.model_json_schema(),
        _Mapping.model_json_schema(),
        RootModel[list[str]].model_json_schema(),
        _MANY,
        _UNIONS,
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}},
        {"type": "object", "properties": {"a": {"enum": [{"b": 1}]}}},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}, "type": "string"}}},
        {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"type": "integer"}]}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object"},
    ],
    ids=[
        "refers to itself", "extra fields", "any value", "mapping", "no object", "too many optional fields",
        "too many unions", "external reference", "complex enum", "not", "allOf", "true", "any object",
    ],
)  # fmt: skip
def test_a_structure_outside_of_the_subset_has_no_form(schema: dict[str, Any]) -> None:
    assert closed_schema(schema) is None


def test_the_schema_of_a_model_with_a_root_reference_is_inlined() -> None:
    schema = {"$defs": {"Place": Place.model_json_schema()}, "$ref": "#/$defs/Place"}
    assert closed_schema(schema) == _closed(Place)


def test_a_field_that_is_named_like_a_keyword_is_a_field() -> None:
    class Keywords(BaseModel):
        pattern: str
        items: list[str]
        required: bool

    schema = _closed(Keywords)
    assert schema is not None
    assert list(schema["properties"]) == ["pattern", "items", "required"]
