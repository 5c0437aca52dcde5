"""What the manifest of a package says about its analyses."""

import sys
from datetime import timedelta
from types import ModuleType

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, Job, Rate, Tiers, Trigger
from analysis_jobs.authoring.declarations import declared
from analysis_jobs.base.errors import ConfigurationError


class Order(BaseModel):
    number: str
    plan: str = "free"


class Result(BaseModel):
    total: int


def check(_job: Job[Order]) -> Result:
    return Result(total=1)


def module(monkeypatch: pytest.MonkeyPatch, name: str, *analyses: Analysis[Order, Result]) -> None:
    """Make a module with these analyses that can be imported."""
    made = ModuleType(name)
    for number, analysis in enumerate(analyses):
        setattr(made, f"analysis_{number}", analysis)
    monkeypatch.setitem(sys.modules, name, made)


def test_an_analysis_is_described_for_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Analysis(
        "order-check",
        request=Order,
        result=Result,
        stages=[check],
        model_id="gemini-2.5-pro",
        mostly_waits=True,
        submit_route="POST /orders/{number}/check",
        status_route="GET /orders/{number}/check",
        subject="orders/{number}",
        tiers=Tiers(("gold", "free"), of="plan"),
        admission=Admission(at_most=Rate(1, per=timedelta(hours=1))),
        triggers={"complaint": Trigger(priority="high"), "nightly": Trigger(priority="low"), "other": Trigger()},
    )
    module(monkeypatch, "orders", full)
    module(monkeypatch, "plain", Analysis("plain", request=Order, result=Result, stages=[check]))
    assert declared(["orders", "plain"]) == [
        {
            "name": "order-check",
            "module": "orders",
            "request": "Order",
            "result": "Result",
            "stages": ["check"],
            "model_id": "gemini-2.5-pro",
            "mostly_waits": True,
            "routes": ["POST /orders/{number}/check", "GET /orders/{number}/check"],
            "lanes": ["high", "low"],
            "tiers": ["gold", "free"],
            "triggers": ["complaint", "nightly", "other"],
            "canaries": [],
        },
        {
            "name": "plain",
            "module": "plain",
            "request": "Order",
            "result": "Result",
            "stages": ["check"],
            "model_id": None,
            "mostly_waits": False,
            "routes": [],
            "lanes": [],
            "tiers": [],
            "triggers": [],
            "canaries": [],
        },
    ]


def test_two_analyses_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "another"):
        module(monkeypatch, name, Analysis("same", request=Order, result=Result, stages=[check]))
    with pytest.raises(ConfigurationError, match="two analyses are named 'same'"):
        declared(["one", "another"])


def test_two_analyses_with_one_route_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, parameter in (("one", "number"), ("another", "plan")):
        route, subject = f"POST /orders/{{{parameter}}}/check", f"orders/{{{parameter}}}"
        analysis = Analysis(name, request=Order, result=Result, stages=[check], submit_route=route, subject=subject)
        module(monkeypatch, name, analysis)
    message = r"analyses one and another have the same route: POST /orders/\{plan\}/check"
    with pytest.raises(ConfigurationError, match=message):
        declared(["one", "another"])


def test_a_module_without_an_analysis_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "empty")
    with pytest.raises(ConfigurationError, match="that module defines no Analysis"):
        declared(["empty"])
