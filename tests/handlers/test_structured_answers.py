"""The objects that are found in a structured answer, however the model wrapped them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from analysis_jobs.llm.model import Tool
from analysis_jobs.llm.structured import from_calls, from_text


class Brief(BaseModel):
    """A brief."""

    title: str
    pages: int = 1


class Notes(BaseModel):
    notes: list[str]


class Letter(BaseModel):
    input: dict[str, str]


class Node(BaseModel):
    title: str
    children: list["Node"] = []


class Lines(RootModel[list[str]]):
    pass


class Prices(RootModel[dict[str, dict[str, int]]]):
    pass


def tool(model: type[BaseModel]) -> Tool:
    return Tool(model.__name__, "An answer.", model.model_json_schema())


GOOD = {"title": "Dune", "pages": 412}
JSON = json.dumps(GOOD)


@pytest.mark.parametrize(
    "written",
    [
        JSON,
        json.dumps(JSON),
        json.dumps(json.dumps(JSON)),
        f"[{JSON}]",
        json.dumps([JSON]),
        f'{{"Brief": {JSON}}}',
        f'{{"brief": {JSON}}}',
        f'{{"input": {JSON}}}',
        f'{{"parameters": {JSON}}}',
        json.dumps({"input": JSON}),
        f'{{"Brief": [{JSON}]}}',
        f'{{"Brief": {{"input": {JSON}}}}}',
        f'{{"name": "Brief", "input": {JSON}}}',
        f'{{"type": "tool_use", "id": "toolu_1", "name": "Brief", "input": {JSON}}}',
        f'{{"toolUseId": "tooluse_1", "name": "Brief", "input": {JSON}}}',
        f'{{"name": "Brief", "arguments": {json.dumps(JSON)}}}',
    ],
)
def test_a_wrapper_that_the_schema_does_not_know_is_removed(written: str) -> None:
    found = from_calls([written], "", tool(Brief))
    assert found.candidates[0] == GOOD
    assert found.problem == ""


@pytest.mark.parametrize(
    ("model", "written"),
    [
        (Letter, {"input": {"from": "Ada"}}),
        (Prices, {"input": {"low": 1}}),
        (Prices, {"Prices": {"low": 1}}),
        (Brief, {"title": "input", "input": {"title": "no"}}),
        (Brief, {"chapter": {"title": "Dune"}}),
        (Node, {"title": "a", "children": [{"title": "b"}]}),
        (Brief, {}),
    ],
)
def test_an_object_that_may_be_the_answer_stays_the_first_candidate(model: type[BaseModel], written: Any) -> None:
    assert from_calls([json.dumps(written)], "", tool(model)).candidates[0] == written


def test_a_wrapper_with_an_unknown_name_is_a_later_candidate() -> None:
    found = from_calls([json.dumps({"chapter": GOOD})], "", tool(Brief))
    assert found.candidates == ({"chapter": GOOD}, GOOD)


def test_the_wrapper_of_a_recursive_model_is_removed() -> None:
    node = {"title": "a", "children": [{"title": "b"}]}
    assert from_calls([json.dumps({"Node": node})], "", tool(Node)).candidates[0] == node


def test_a_list_is_the_value_of_the_only_property_if_that_is_a_list() -> None:
    assert from_calls(['["a", "b"]'], "", tool(Notes)).candidates == ({"notes": ["a", "b"]},)


@pytest.mark.parametrize("written", ['["a", "b"]', '["a"]', '{"Lines": ["a"]}', '"[\\"a\\"]"'])
def test_a_list_is_the_answer_if_the_schema_is_that_of_a_list(written: str) -> None:
    found = from_text(written, tool(Lines))
    assert Lines.model_validate(found.candidates[0]).root[0] == "a"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (f"[{JSON}, {JSON}]", "the answer is a list of 2 values, not one object"),
        ("[]", "the answer is a list of 0 values, not one object"),
        ('"I cannot say"', "the answer is a string, not a JSON object"),
        ("null", "the answer is null, not a JSON object"),
        ("7", "the answer is a number, not a JSON object"),
        ("true", "the answer is a truth value, not a JSON object"),
        (f"{JSON}{JSON}", "the answer is not valid JSON: "),
        (JSON[:-1], "the answer is not valid JSON: "),
        ('{"title": NaN}', "the answer is not valid JSON: "),
        ("[[[[[[[1]]]]]]]", "the answer is a list of 1 values, not one object"),
    ],
)
def test_an_answer_that_is_not_one_object_has_no_candidate_and_says_why(written: str, problem: str) -> None:
    found = from_calls([written], "", tool(Brief))
    assert found.candidates == ()
    assert found.problem.startswith(problem)


def test_a_tool_that_is_called_twice_gives_both_objects_in_order() -> None:
    found = from_calls([JSON, '{"title": "Emma"}'], "", tool(Brief))
    assert found.candidates == (GOOD, {"title": "Emma"})
    assert found.problem == "Brief was called 2 times, not once"


def test_a_call_without_input_is_an_empty_object_and_says_so() -> None:
    found = from_calls([""], "", tool(Brief))
    assert found.candidates == ({},)
    assert found.problem == "Brief was called without input"


def test_a_call_without_input_leaves_the_answer_to_the_text_beside_it() -> None:
    found = from_calls([""], f"Here it is:\n```json\n{JSON}\n```", tool(Brief))
    assert found.candidates == (GOOD, {})


def test_the_text_beside_a_call_with_a_value_does_not_count() -> None:
    assert from_calls([JSON], '{"title": "Emma"}', tool(Brief)).candidates == (GOOD,)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"```json\n{JSON}\n```",
        f"Here:\n```JSON\n{JSON}\n```\nDone.",
        f"```\n[{JSON}]\n```",
        f'First\n```python\nprint("x")\n```\nthen\n```json\n{{"Brief": {JSON}}}\n```',
        f"```json\nnot this {{\n```\n```json\n{JSON}\n```",
    ],
)
def test_an_answer_in_text_is_found(text: str) -> None:
    assert from_text(text, tool(Brief)).candidates[0] == GOOD


def test_a_fence_within_the_json_does_not_end_it() -> None:
    value = {"title": "Use ```json {} ``` here"}
    assert value in from_text(f"```json\n{json.dumps(value)}\n```", tool(Brief)).candidates


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("I cannot say.", "the answer is text without a JSON object"),
        ("[1, 2]", "the answer is a list of 2 values, not one object"),
        ('{"title": "Du', "the answer is not valid JSON: "),
    ],
)
def test_a_text_without_an_object_says_why(text: str, problem: str) -> None:
    found = from_text(text, tool(Brief))
    assert found.candidates == ()
    assert found.problem.startswith(problem)


_NAMES = st.text(max_size=4) | st.sampled_from(["input", "Brief"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


def _wrap(value: Any, wrapper: str) -> Any:
    if wrapper == "string":
        return json.dumps(value)
    return [value] if wrapper == "list" else {wrapper: value}


@given(value=_VALUES, wrappers=st.lists(st.sampled_from(["string", "list", "Brief", "input"]), max_size=3))
def test_a_good_answer_survives_any_mix_of_wrappers_and_no_value_raises(value: Any, wrappers: list[str]) -> None:
    from_calls([json.dumps(value)], json.dumps(value), tool(Brief))
    wrapped: Any = GOOD
    for wrapper in wrappers:
        wrapped = _wrap(wrapped, wrapper)
    assert from_calls([json.dumps(wrapped)], "", tool(Brief)).candidates[0] == GOOD


@given(text=st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    from_text(text, tool(Brief))
    from_calls([text], text, tool(Brief))
