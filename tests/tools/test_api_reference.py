"""The page of the HTTP API is made from the OpenAPI document, and leaves nothing of it out."""

import re

import pytest

import api_reference
import rfp_analysis
from analysis_jobs.api.openapi import document
from analysis_jobs.authoring.analysis import Analyses
from tests.handlers.builders import some_settings


@pytest.fixture(scope="module")
def api() -> dict[str, object]:
    return document(Analyses([rfp_analysis.rfp_analysis]), some_settings())


@pytest.fixture(scope="module")
def page(api: dict[str, object]) -> str:
    return api_reference.page(api, "rfp_analysis")


def test_each_call_and_each_schema_has_a_heading(api: dict[str, dict[str, dict[str, object]]], page: str) -> None:
    routes = [f"`{method.upper()} {path}`" for path, item in api["paths"].items() for method in item]
    assert "`POST /proposals/{id}/analyze-rfp`" in routes
    assert re.findall(r"^### (.*)$", page, re.MULTILINE) == [*routes, *sorted(api["components"]["schemas"])]


def test_each_link_leads_to_a_schema(page: str) -> None:
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    assert headings
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings


def test_a_call_shows_its_parameters_its_body_and_each_of_its_answers(page: str) -> None:
    section = page.partition("### `POST /jobs`\n")[2].partition("\n### ")[0]
    assert "| `Idempotency-Key` | header | string |" in section
    assert "The body: [RfpAnalysisSubmission](#rfpanalysissubmission)." in section
    assert "[JobAccepted](#jobaccepted) | `Location`, `Retry-After` |" in section
    statuses = re.findall(r"^\| (\d{3}) ", section, re.MULTILINE)
    assert {"200", "202", "422", "429"} <= set(statuses)
    assert statuses == sorted(statuses)


def test_a_field_shows_its_type_and_whether_it_is_required(page: str) -> None:
    section = page.partition("\n### JobAccepted\n")[2].partition("\n### ")[0]
    assert "| `job_id` | string | yes |" in section
