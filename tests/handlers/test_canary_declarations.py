"""The declaration of a canary: what it expects of a result, and what is refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Between, Canary, Document, Job, Length, Matches, NotEmpty, OneOf
from analysis_jobs.authoring.canary import input_with, unmet
from analysis_jobs.authoring.declarations import declared
from analysis_jobs.base.errors import ConfigurationError

RESULT = {
    "title": "Coastal Road",
    "blank": "  ",
    "none": None,
    "total": 12.5,
    "decimal": "12.50",
    "yes": True,
    "rows": [{"price": 3, "name": "a"}, {"price": 30, "name": ""}],
    "empty": [],
}


@pytest.mark.parametrize(
    ("expect", "reports"),
    [
        ({"title": NotEmpty(), "rows": NotEmpty(), "total": Between(10, 13), "rows.0.price": 3}, []),
        ({"title": Matches("(?i)road$"), "yes": True, "rows.*.price": Between(low=1), "empty": []}, []),
        ({"title": OneOf(["x", "Coastal Road"]), "rows": Length(2, 2), "none": None}, []),
        ({"blank": NotEmpty()}, ['blank: wanted a value that is not empty, found "  "']),
        ({"none": NotEmpty()}, ["none: wanted a value that is not empty, found null"]),
        ({"empty": NotEmpty()}, ["empty: wanted a value that is not empty, found []"]),
        ({"title": "Coastal"}, ['title: wanted "Coastal", found "Coastal Road"']),
        ({"yes": 1}, ["yes: wanted 1, found true"]),
        ({"decimal": Between(12.5, 12.5)}, []),
        ({"decimal": Between(13)}, ['decimal: wanted a number of at least 13, found "12.50"']),
        ({"yes": Between(0, 2)}, ["yes: wanted a number from 0 to 2, found true"]),
        ({"total": Between(high=12)}, ["total: wanted a number of at most 12, found 12.5"]),
        ({"title": Between(low=1)}, ['title: wanted a number of at least 1, found "Coastal Road"']),
        ({"title": Matches("^road")}, ["title: wanted a text that matches '^road', found \"Coastal Road\""]),
        ({"total": Matches("1")}, ["total: wanted a text that matches '1', found 12.5"]),
        ({"title": OneOf(["a", "b"])}, ['title: wanted one of "a", "b", found "Coastal Road"']),
        ({"rows": Length(low=3)}, ["rows: wanted a length of at least 3, found " + json.dumps(RESULT["rows"])]),
        ({"rows.*.price": Between(1, 10)}, ["rows.1.price: wanted a number from 1 to 10, found 30"]),
        ({"rows.*.name": NotEmpty()}, ['rows.1.name: wanted a value that is not empty, found ""']),
        ({"rows.2.price": 3}, ["rows.2.price: wanted 3, found no such field"]),
        ({"title.0": "C"}, ['title.0: wanted "C", found no such field']),
        ({"nothing.at.all": NotEmpty()}, ["nothing.at.all: wanted a value that is not empty, found no such field"]),
    ],
)
def test_a_result_is_compared_with_the_expectations_of_the_manifest(expect: dict[str, Any], reports: list[str]) -> None:
    manifest = json.loads(json.dumps(Canary(expect=expect).declared()))
    assert [str(each) for each in unmet(manifest["expect"], RESULT)] == reports


def test_a_long_value_is_cut_in_a_report() -> None:
    [found] = unmet(Canary(expect={"text": "x"}).declared()["expect"], {"text": "y" * 1_000})
    assert len(found.found) == 200


def test_an_expectation_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="knows no expectation"):
        unmet({"title": {"sounds_like": "x"}}, RESULT)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"expect": {}}, "expect is empty"),
        ({"expect": {"": 1}}, "expect has the field ''"),
        ({"expect": {"a..b": 1}}, "expect has the field 'a..b'"),
        ({"expect": {"a": Matches("(")}}, "is not a regular expression"),
        ({"expect": {"a": Between()}}, "give a lower limit, an upper limit"),
        ({"expect": {"a": Between(2, 1)}}, "give a lower limit, an upper limit"),
        ({"expect": {"a": Length()}}, "give a lower limit, an upper limit"),
        ({"expect": {"a": OneOf([])}}, "give a list of at least one value"),
        ({"expect": {"a": OneOf("abc")}}, "give a list of at least one value"),
        ({"expect": {"a": {1, 2}}}, "input and expect must be JSON"),
        ({"expect": {"a": float("nan")}}, "input and expect must be JSON"),
        ({"max_cost_usd": 0}, "max_cost_usd is 0"),
        ({"max_cost_usd": float("inf")}, "max_cost_usd is inf"),
        ({"time_limit": timedelta()}, "time_limit is 0:00:00"),
        ({"name": "A canary"}, "a name is lower case letters"),
        ({"documents": {"document": "/etc/passwd"}}, "give a path within the project"),
        ({"documents": {"document": "../secret.pdf"}}, "give a path within the project"),
    ],
)
def test_a_wrong_declaration_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match="canary") as refused:
        Canary(**{"expect": {"title": NotEmpty()}, **given})
    assert why in str(refused.value)


def test_documents_are_put_into_the_input() -> None:
    given = {"pages": [{"scan": None}], "title": "x"}
    filled = input_with(given, {"document": "1/a", "pages.0.scan": "1/b", "other.file": "1/c", "list.x": "1/d"})
    assert filled == {
        "pages": [{"scan": "1/b"}],
        "title": "x",
        "document": "1/a",
        "other": {"file": "1/c"},
        "list": {"x": "1/d"},
    }
    assert given == {"pages": [{"scan": None}], "title": "x"}
    assert input_with({"files": []}, {"files.0": "1/a", "files.1": "1/b"}) == {"files": ["1/a", "1/b"]}


@pytest.mark.parametrize("where", ["title.document", "pages.3.scan", "pages.x"])
def test_a_document_without_a_place_in_the_input_is_refused(where: str) -> None:
    with pytest.raises(ConfigurationError, match="has no place for it"):
        input_with({"title": "x", "pages": [{}]}, {where: "1/a"})


class Letter(BaseModel):
    document: Document
    pages: int = 1


class Summary(BaseModel):
    text: str


def summarise(_job: Job[Letter]) -> Summary:
    raise NotImplementedError


def letters(*canaries: Canary) -> Analysis[Letter, Summary]:
    return Analysis("letters", request=Letter, result=Summary, stages=[summarise], canaries=canaries)


def test_canaries_of_one_name_and_unknown_triggers_are_refused() -> None:
    canary = Canary(expect={"text": NotEmpty()})
    with pytest.raises(ConfigurationError, match="give each one a different name"):
        letters(canary, canary)
    with pytest.raises(ConfigurationError, match="has the trigger 'night', which it does not declare"):
        letters(Canary(expect={"text": NotEmpty()}, trigger="night"))


def test_the_manifest_has_the_canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    canary = Canary(documents={"document": "documents/a.txt"}, input={"pages": 2}, expect={"text": NotEmpty()})
    monkeypatch.setattr("analysis_jobs.authoring.declarations.load_analyses", lambda _: {"letters": letters(canary)})
    [found] = declared(["letters"])
    assert found["canaries"] == [canary.declared()]


@pytest.mark.parametrize(
    ("canary", "why"),
    [
        (Canary(expect={"text": NotEmpty()}), "document: "),
        (Canary(expect={"text": NotEmpty()}, input={"document": "documents/a.txt"}), "document: "),
        (
            Canary(expect={"text": NotEmpty()}, documents={"document": "a.txt"}, input={"pages": "many"}),
            "pages: ",
        ),
    ],
)
def test_an_input_that_the_analysis_refuses_does_not_build(
    canary: Canary, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis_jobs.authoring.declarations.load_analyses", lambda _: {"letters": letters(canary)})
    with pytest.raises(ConfigurationError, match="the input of the canary canary is refused") as refused:
        declared(["letters"])
    assert why in str(refused.value)
