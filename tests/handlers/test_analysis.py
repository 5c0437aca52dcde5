"""Declaring an analysis: a declaration that cannot work is refused at once, not when the first job runs."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis
from analysis_jobs.authoring.analysis import Analyses, load_analyses
from analysis_jobs.base.errors import ConfigurationError


class Book(BaseModel):
    isbn: str


class Value(BaseModel):
    pounds: float


def price(_job: Any) -> Value:
    return Value(pounds=1)


def describe(_job: Any) -> dict[str, Any]:
    return {}


class Callable:
    def __call__(self, _job: Any) -> Value:
        return Value(pounds=2)


def declare(**fields: Any) -> Analysis[Any, Any]:
    given: dict[str, Any] = {"name": "valuation", "request": Book, "result": Value, "stages": [price]}
    return Analysis(**(given | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "a"},
        {"name": "a" * 63},
        {"name": "v2-final"},
        {"stages": [describe, price]},
        {"max_attempts": 1},
        {"subject": "fixed"},
        {"subject": "books/{id}", "submit_route": "POST /books/{id}/value", "status_route": "GET /books/{id}/value"},
        {"subject": "{a}/{b}", "submit_route": "POST /x/{b}/{a}/{c}"},
        {"subject": "all", "submit_route": "POST /value"},
        {"submit_route": "POST /value"},
        {"submit_route": "POST /{client}/{project}/value", "status_route": "GET /status/{job_id}"},
        {"download_route": "GET /download/{job_id}/{kind}", "downloads": {"excel": "a.xlsx"}},
    ],
)
def test_a_valid_declaration_is_accepted(fields: dict[str, Any]) -> None:
    assert declare(**fields).request is Book


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "a name is lower case letters, digits and hyphens"),
        ({"name": "Valuation"}, "a name is lower case"),
        ({"name": "2nd"}, "a name is lower case"),
        ({"name": "a#b"}, "a name is lower case"),
        ({"name": "a" * 64}, "a name is lower case"),
        ({"name": "valuation\n"}, "a name is lower case"),
        ({"request": dict}, "analysis valuation: request is <class 'dict'>; give a pydantic model"),
        ({"result": Value(pounds=1)}, "analysis valuation: result is .*; give a pydantic model"),
        ({"stages": []}, "analysis valuation: give at least one stage"),
        ({"stages": [price, price]}, "its stages are price, price; give functions with different names"),
        ({"stages": [lambda _: {}]}, "its stages are <lambda>; give functions"),
        ({"stages": [Callable()]}, "its stages are <.*Callable object.*>; give functions"),
        ({"max_attempts": 0}, "analysis valuation: max_attempts is 0; give 1 or more"),
        ({"deadline": timedelta()}, "analysis valuation: deadline is 0:00:00; give a time"),
        ({"submit_route": "GET /x", "subject": "x"}, "route 'GET /x' must have the form 'POST /path'"),
        ({"submit_route": "/x", "subject": "x"}, "route '/x' must have the form 'POST /path'"),
        ({"submit_route": "POST x", "subject": "x"}, "route 'POST x' must have the form 'POST /path'"),
        ({"status_route": "POST /x", "subject": "x"}, "route 'POST /x' must have the form 'GET /path'"),
        ({"status_route": "GET /a b", "subject": "x"}, "route 'GET /a b' must have the form 'GET /path'"),
        (
            {"submit_route": "POST /x/{id}"},
            "submit_route and status_route need a subject; give one like 'proposals/{id}'",
        ),
        ({"submit_route": "POST /{client}/{id}"}, "submit_route and status_route need a subject"),
        ({"status_route": "GET /x/{id}"}, "submit_route and status_route need a subject"),
        ({"submit_route": "POST /x/{job_id}"}, "submit_route and status_route need a subject"),
        (
            {"download_route": "POST /x/{job_id}/{file}"},
            "route 'POST /x/{job_id}/{file}' must have the form 'GET /path'",
        ),
        ({"download_route": "GET /x/{job_id}"}, "needs {job_id} and one other parameter, for example {file}"),
        ({"download_route": "GET /x/{id}/{file}"}, "needs {job_id} and one other parameter"),
        ({"download_route": "GET /x/{job_id}/{a}/{b}"}, "needs {job_id} and one other parameter"),
        (
            {"download_route": "GET /x/{job_id}/{file}", "downloads": {"excel": "../a.xlsx"}},
            "downloads has the file name '../a.xlsx'; give letters, digits, dots, hyphens and underscores",
        ),
        (
            {"submit_route": "POST /x/{id}", "subject": "x/{book}/{id}/{author}"},
            "subject 'x/{book}/{id}/{author}' has {author}, {book}, but route 'POST /x/{id}' does not",
        ),
        (
            {"submit_route": "POST /x/{id}", "status_route": "GET /x", "subject": "x/{id}"},
            "subject 'x/{id}' has {id}, but route 'GET /x' does not",
        ),
        ({"submit_route": "POST /x/{id}", "subject": "x/{}"}, "has {}, but route 'POST /x/{id}' does not"),
        ({"submit_route": "POST /x/{id}", "subject": "x/{id"}, "subject 'x/{id' is not a valid template"),
    ],
)
def test_an_invalid_declaration_is_refused(fields: dict[str, Any], message: str) -> None:
    if ".*" not in message:
        with pytest.raises(ConfigurationError) as refusal:
            declare(**fields)
        assert message in str(refusal.value)
    else:
        with pytest.raises(ConfigurationError, match=message):
            declare(**fields)


# A deployment's analyses


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the import path. Modules from it are removed from `sys.modules` afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    assert set(sys.modules) == before
    return tmp_path


HEAD = "from pydantic import BaseModel\nfrom analysis_jobs import Analysis\ndef stage(job): ...\n"


def write(folder: Path, module: str, *names: str, head: str = HEAD) -> None:
    made = [f"a{n} = Analysis('{name}', BaseModel, BaseModel, [stage])\n" for n, name in enumerate(names)]
    (folder / f"{module}.py").write_text(head + "".join(made), encoding="utf-8")


def test_every_analysis_of_every_module_is_found(modules: Path) -> None:
    write(modules, "books_", "valuation", "summary")
    write(modules, "grants_", "rfp")
    found = load_analyses(" books_ , grants_,")
    assert sorted(found) == ["rfp", "summary", "valuation"]
    assert len(found) == 3
    assert found["rfp"].name == "rfp"


def test_an_analysis_imported_by_a_second_module_counts_once(modules: Path) -> None:
    write(modules, "one_", "valuation")
    (modules / "two_.py").write_text("from one_ import a0\n", encoding="utf-8")
    assert list(load_analyses("one_,two_")) == ["valuation"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("", "ANALYSES is empty; name the module that defines your analyses"),
        (" , ", "ANALYSES is empty"),
        ("nowhere_", "ANALYSES names 'nowhere_', but No module named 'nowhere_'; add it to the package"),
        ("needy_", "ANALYSES names 'needy_', but No module named 'not_in_the_package'; add it to the package"),
        ("barren_", "ANALYSES names 'barren_', but that module defines no Analysis"),
        ("first_,second_", "two analyses are named 'valuation'"),
    ],
)
def test_an_error_explains_why_the_analyses_cannot_be_loaded(modules: Path, paths: str, message: str) -> None:
    write(modules, "needy_", "needy", head=f"import not_in_the_package\n{HEAD}")
    write(modules, "barren_")
    write(modules, "first_", "valuation")
    write(modules, "second_", "valuation")
    with pytest.raises(ConfigurationError) as refusal:
        load_analyses(paths)
    assert message in str(refusal.value)


def test_two_analyses_with_the_same_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two analyses are named 'valuation'"):
        Analyses([declare(), declare()])
