"""The small examples: the backend of existing-api on emulated AWS services, and what all examples have in common.

Each example has the tests of its analysis in its own folder. `test_example_projects.py` runs them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

import pytest

import backend
from tests.handlers.databases import SCHEMA
from tests.handlers.deployment import Deployment, deployed
from tests.handlers.events import Context, call, http_event
from tests.handlers.pdfs import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
TICKET = {"text": "The card was charged twice."}


def test_the_minimal_analysis_fits_on_one_screen() -> None:
    lines = (EXAMPLES / "minimal" / "letter_summary.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


def test_the_sql_schema_of_an_example_has_the_librarys_table_of_effects() -> None:
    table = SCHEMA[SCHEMA.index("CREATE") :]
    schemas = list(EXAMPLES.glob("*/schema.sql"))
    assert len(schemas) >= 3
    for schema in schemas:
        assert table in schema.read_text(encoding="utf-8"), schema


@pytest.fixture
def helpdesk() -> Iterator[Deployment]:
    """Deploy the functions with the backend's analysis. The backend gets the variables that its Terraform sets."""
    variables = {"ANALYSES": "ticket_triage", "JOBS_API_URL": "https://jobs.example.com"}
    with deployed() as deployment, patch.dict(os.environ, variables):
        backend._submissions.cache_clear()  # noqa: SLF001 - what an execution environment keeps
        yield deployment
        backend._submissions.cache_clear()  # noqa: SLF001


def post(ticket: str, body: str, *, tenant: str = "acme", headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Call the team's own API as API Gateway does. Return the status and the body."""
    event = http_event("POST", f"/tickets/{ticket}/triage", body, headers=headers, claims={"tenant": tenant})
    answer = backend.handler(event | {"pathParameters": {"id": ticket}}, Context())
    return answer["statusCode"], json.loads(answer["body"])


def test_the_api_of_the_module_shows_a_job_that_the_backend_submits(helpdesk: Deployment) -> None:
    status, accepted = post("17", json.dumps(TICKET))
    assert (status, accepted["status_url"]) == (202, f"https://jobs.example.com/jobs/{accepted['job_id']}")
    job = call("GET", f"/jobs/{accepted['job_id']}").json
    assert (job["status"], job["analysis"], job["subject"]) == ("queued", "ticket-triage", "tickets/17")
    [message] = helpdesk.messages()
    assert accepted["job_id"] in message["body"]


def test_the_backends_jobs_belong_to_the_tenant_of_the_callers_token(helpdesk: Deployment) -> None:
    _, accepted = post("17", json.dumps(TICKET), tenant="globex")
    assert len(helpdesk.messages()) == 1
    assert call("GET", f"/jobs/{accepted['job_id']}").status == 404
    assert call("GET", f"/jobs/{accepted['job_id']}", tenant="globex").status == 200


def test_the_backend_forwards_the_idempotency_key(helpdesk: Deployment) -> None:
    answers = [post("17", json.dumps(TICKET), headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(helpdesk.messages()) == 1


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ("not JSON", 400, "Expecting value"),
        ("[]", 400, "valid dictionary"),
        ("{}", 422, "input.text"),
        ('{"text": ""}', 422, "input.text"),
    ],
)
def test_the_backend_reports_the_errors_of_a_ticket(
    helpdesk: Deployment, body: str, status: int, complaint: str
) -> None:
    said = post("17", body)
    assert said[0] == status
    assert complaint in said[1]["detail"]
    assert helpdesk.messages() == []
