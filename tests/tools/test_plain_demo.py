"""A project without a demo.toml: its API says which field names the document."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Document, Job
from analysis_jobs.api import openapi
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs_dev.cloud.demo_file import DemoFile
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.plain_demo import described_by
from tests.handlers.builders import some_settings

LETTER = Path("letter.pdf")
INPUT = Path("input.json")


class Invoice(BaseModel):
    invoice: Document
    appendix: Document | None = None
    language: str = "en"


class Picture(BaseModel):
    caption: str = ""
    picture: Document | None = None


class Words(BaseModel):
    words: list[str]


class Pair(BaseModel):
    left: Document
    right: Document


def demo(*requests: type[BaseModel], analysis: str = "first", document: Path = LETTER) -> DemoFile:
    def read(job: Job[BaseModel]) -> BaseModel:
        return job.request

    names = ["first", "second"]
    analyses = [
        Analysis(name, request=each, result=each, stages=[read]) for name, each in zip(names, requests, strict=False)
    ]
    return described_by(openapi.document(Analyses(analyses), some_settings()), analysis, document)


@pytest.mark.parametrize(("request_model", "field"), [(Invoice, "invoice"), (Picture, "picture")])
def test_the_document_goes_where_the_request_names_one(request_model: type[BaseModel], field: str) -> None:
    found = demo(request_model)
    assert [(each.file, each.input) for each in found.documents] == [("letter.pdf", field)]
    assert not found.is_json


def test_a_request_without_a_document_is_a_json_document() -> None:
    assert demo(Words, document=INPUT).is_json
    with pytest.raises(CloudError, match=r"A job of first takes no document: give its input as a file \*\.json"):
        demo(Words)


def test_the_analysis_is_the_one_asked_for_or_the_first() -> None:
    assert demo(Words, Invoice, analysis="second").submit.analysis == "second"
    assert demo(Invoice, Words, analysis="a-module-of-another-name").submit.analysis == "first"


def test_a_request_of_several_documents_needs_a_demo_file() -> None:
    with pytest.raises(CloudError, match=r"first needs several documents, left, right: write a demo\.toml"):
        demo(Pair)
