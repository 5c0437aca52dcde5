"""The FastAPI backend of the example existing-api, on moto, as API Gateway and Lambda call it."""

import base64
import importlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, cast
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from analysis_jobs.stores.dynamo import DynamoJobStore
from tests.client.environment import variables_of
from tests.handlers.deployment import Deployment, deployed
from tests.handlers.events import Context, call, http_event
from tests.handlers.fastapi_backend import imported_backend

TICKET = {"text": "The card was charged twice."}


@pytest.fixture(scope="module", autouse=True)
def event_loop() -> Iterator[None]:
    with imported_backend():
        yield


@pytest.fixture
def helpdesk() -> Iterator[Deployment]:
    """Deploy the functions with the example's analysis, and set the variables of the backend."""
    backend = importlib.import_module("backend")
    with deployed() as deployment, patch.dict(os.environ, {"ANALYSES": "ticket_triage"} | variables_of(deployment)):
        backend._backend.cache_clear()  # noqa: SLF001 - what an execution environment keeps
        yield deployment
        backend._backend.cache_clear()  # noqa: SLF001


def ask(
    method: str,
    path: str,
    body: Any = None,
    *,
    raw: bytes | None = None,
    tenant: str = "acme",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Call the team's own API. Return the status and the body."""
    text = None if body is None else json.dumps(body)
    event = http_event(method, path, text, claims={"tenant": tenant}, headers=headers)
    if raw is not None:
        event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
    answer = importlib.import_module("backend").handler(json.loads(json.dumps(event)), cast("Any", Context()))
    # Mangum encodes types of content that it does not know, and API Gateway decodes them.
    content = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
    return answer["statusCode"], json.loads(content)


def test_a_ticket_with_an_attachment_is_submitted_and_read(helpdesk: Deployment) -> None:
    plain = {"content-type": "text/plain"}
    status, attachment = ask("POST", "/attachments/receipt.txt", raw=b"Two payments of 9.99.", headers=plain)
    assert status == 201
    status, accepted = ask("POST", "/tickets/17/triage", {**TICKET, "attachment": attachment["document"]})
    assert (status, accepted["status"]) == (202, "queued")
    assert ask("GET", f"/triages/{accepted['job_id']}") == (200, accepted)
    job = call("GET", f"/jobs/{accepted['job_id']}").json
    assert (job["analysis"], job["subject"]) == ("ticket-triage", "tickets/17"), "the module's API shows it too"
    [message] = helpdesk.messages()
    assert accepted["job_id"] in message["body"]
    status, problem = ask("GET", f"/triages/{accepted['job_id']}/result")
    assert (status, problem["detail"]) == (409, f"job {accepted['job_id']} is still queued")


def test_a_triage_is_cancelled(helpdesk: Deployment) -> None:
    _, accepted = ask("POST", "/tickets/17/triage", TICKET)
    assert ask("POST", f"/triages/{accepted['job_id']}/cancel") == (200, {**accepted, "status": "cancelled"})
    status, problem = ask("GET", f"/triages/{accepted['job_id']}/result")
    assert (status, problem["detail"]) == (409, f"job {accepted['job_id']} is cancelled")
    assert len(helpdesk.messages()) == 1


def test_a_job_belongs_to_the_tenant_of_the_token(helpdesk: Deployment) -> None:
    _, accepted = ask("POST", "/tickets/17/triage", TICKET, tenant="globex")
    assert len(helpdesk.messages()) == 1
    assert ask("GET", f"/triages/{accepted['job_id']}")[0] == 404
    assert ask("GET", f"/triages/{accepted['job_id']}", tenant="globex")[0] == 200


def test_the_backend_forwards_the_idempotency_key(helpdesk: Deployment) -> None:
    answers = [ask("POST", "/tickets/17/triage", TICKET, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(helpdesk.messages()) == 1
    status, problem = ask("POST", "/tickets/17/triage", {"text": "Another."}, headers={"Idempotency-Key": "k1"})
    assert (status, problem["title"]) == (422, "Idempotency key reused")


@pytest.mark.parametrize("body", [{}, {"text": ""}, [], {"text": "x", "attachment": "../other"}])
def test_a_wrong_ticket_is_refused_before_the_queue(helpdesk: Deployment, body: Any) -> None:
    assert ask("POST", "/tickets/17/triage", body)[0] == 422
    assert helpdesk.messages() == []


def test_a_right_that_the_backend_lacks_is_not_the_callers_error(
    helpdesk: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem")

    assert helpdesk.messages() == []
    monkeypatch.setattr(DynamoJobStore, "get", refuse)
    assert ask("GET", f"/triages/{'0' * 26}") == (500, {})
