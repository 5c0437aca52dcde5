"""The code of the page about calling from Python runs on a deployment."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import pytest

import analysis_jobs.client as package
from analysis_jobs.client import AsyncClient, Client, Refused
from tests.client.callers import URL, Gateway
from tests.client.environment import variables_of
from tests.docs.pages import blocks, executed, text_of
from tests.handlers.deployment import Deployment, deployed

PAGE = "docs/call/from-python.md"
# The analysis of the page. It asks no model.
LETTERS = """
from pydantic import BaseModel
from analysis_jobs import Analysis, Document, Job

class Letter(BaseModel):
    letter: Document

class Summary(BaseModel):
    text: str

def summarise(job: Job[Letter]) -> Summary:
    return Summary(text=job.text(job.request.letter)[:10])

letters = Analysis("letter-summary", request=Letter, result=Summary, stages=[summarise])
calls = Analysis("call-summary", request=Letter, result=Summary, stages=[summarise])
"""


class Working(Gateway):
    """Lets a worker run before each request, so that a job has completed when the page waits for it."""

    deployment: Deployment

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        if records := self.deployment.messages():
            self.deployment.work(*records)
        return super().__call__(request)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    (tmp_path / "letters_of_the_page.py").write_text(LETTERS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with deployed() as found, patch.dict(os.environ, {"ANALYSES": "letters_of_the_page"}):
        yield found


@pytest.fixture
def shown(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the names of the page. Its clients reach the deployment."""
    gateway = Working()
    gateway.deployment = deployment
    transport = httpx2.MockTransport(gateway)
    monkeypatch.setattr(
        Client.__init__, "__kwdefaults__", {**(Client.__init__.__kwdefaults__ or {}), "transport": transport}
    )
    assert Client.__init__ is AsyncClient.__init__
    return executed(PAGE)


def test_a_letter_is_summarised_over_http(shown: dict[str, Any], tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Ada, thank you.", encoding="utf-8")
    assert shown["summarise"](URL, "acme", letter).text == "Dear Ada, "
    assert asyncio.run(shown["summarise_async"](URL, "acme", b"Dear Bob, thank you.")).text == "Dear Bob, "


def test_a_session_signs_for_an_api_with_iam(shown: dict[str, Any]) -> None:
    assert shown["signed"]({"iam": f"{URL}/iam"}).url == f"{URL}/iam"


def test_a_backend_starts_a_job_in_process(shown: dict[str, Any], deployment: Deployment) -> None:
    variables = variables_of(deployment, "letters_of_the_page")
    job_id = shown["start"](variables, "acme", b"Dear Ada, thank you.")
    deployment.work()
    assert asyncio.run(shown["state"](variables, "acme", job_id)) == "completed"
    other = shown["for_request"](shown["Backend"](variables, "acme"), {"tenant": "globex"})
    assert (other.tenant, list(other.list())) == ("globex", [])


def test_a_backend_names_analyses_of_another_package(shown: dict[str, Any], deployment: Deployment) -> None:
    backend = shown["without_their_code"](variables_of(deployment, "a_module_that_is_not_here"), "acme")
    backend.submit("letter-summary", {"letter": 17})
    with pytest.raises(Refused, match="give one of: call-summary, letter-summary"):
        backend.submit("letters", {})


def test_a_wrong_field_is_explained(shown: dict[str, Any], deployment: Deployment) -> None:
    backend = shown["Backend"](variables_of(deployment, "letters_of_the_page"), "acme")
    assert shown["submit_or_explain"](backend, {"letter": 17}) == "input.letter: Input should be a valid string"


def test_the_page_names_every_error_and_every_method() -> None:
    text = text_of(PAGE)
    kinds = {name: getattr(package, name) for name in package.__all__}
    errors = [name for name, kind in kinds.items() if issubclass(kind, package.ClientError)]
    assert [name for name in errors if f"`{name}`" not in text] == ["Rejected"]
    methods = [name for name in vars(package.Jobs) if not name.startswith("_")]
    assert [name for name in methods if f"`{name}(" not in text] == []
    assert len(blocks(PAGE, "python")) >= 8
