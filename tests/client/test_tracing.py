"""A program that uses OpenTelemetry passes its current span on, over HTTP and in process."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from botocore.credentials import Credentials
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from analysis_jobs.client import AsyncBackend, AsyncClient, Backend, Client
from analysis_jobs.jobs.record import JobKey
from tests.handlers.deployment import Deployment
from tests.handlers.pdfs import REPOSITORY
from tests.handlers.traces import Collected, ids, linked, parent_id, program_with_opentelemetry

URL = "https://jobs.example.com"
ACCEPTED = {"job_id": "j1", "status": "queued", "outcome": "created", "estimated_time_seconds": 1}
FORM = {"document": "d", "upload": {"url": "https://s3.example.com", "fields": {}}, "expires_in_seconds": 60}


class Recorded:
    """Accepts every request, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(200, json=FORM if request.url.path == "/uploads" else ACCEPTED)


@pytest.fixture
def program() -> Iterator[tuple[Collected, trace.Tracer]]:
    with program_with_opentelemetry() as program:
        yield program


def credentials() -> dict[str, Any]:
    return {"sign_with": Credentials("key", "secret"), "region": "eu-west-1"}


@pytest.mark.parametrize("with_token", [True, False])
def test_a_request_has_the_current_span_and_does_not_sign_it(
    program: tuple[Collected, trace.Tracer], *, with_token: bool
) -> None:
    answers = Recorded()
    options = {"token": "t"} if with_token else credentials()
    client = Client(URL, transport=httpx2.MockTransport(answers), **options)
    with program[1].start_as_current_span("checkout"):
        client.submit("greeting", {"name": "Ada"})
    client.submit("greeting", {"name": "Ada"})
    traced, untraced = answers.requests
    trace_id, span_id = ids(program[0].one("checkout"))
    assert traced.headers["traceparent"].startswith(f"00-{trace_id}-{span_id}-")
    assert "traceparent" not in traced.headers["authorization"]
    assert "traceparent" not in untraced.headers


def test_a_request_in_an_event_loop_has_the_current_span(program: tuple[Collected, trace.Tracer]) -> None:
    answers = Recorded()

    async def submit() -> None:
        async with AsyncClient(URL, "t", transport=httpx2.MockTransport(answers)) as client:
            with program[1].start_as_current_span("checkout"):
                await client.submit("greeting", {"name": "Ada"})

    asyncio.run(submit())
    assert ids(program[0].one("checkout"))[0] in answers.requests[0].headers["traceparent"]


def test_a_traceparent_of_the_caller_is_kept_and_s3_gets_none(program: tuple[Collected, trace.Tracer]) -> None:
    answers = Recorded()
    client = Client(URL, "t", transport=httpx2.MockTransport(answers))
    own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with program[1].start_as_current_span("checkout"):
        client.request("GET", "/jobs", headers={"Traceparent": own})
        client.upload(b"x", filename="a.pdf")
    found = [request.headers.get("traceparent") for request in answers.requests]
    assert found[0] == own
    assert (found[1] is None, found[2]) == (False, None)


def test_a_backend_continues_the_trace_of_its_program(
    environment: dict[str, str], program: tuple[Collected, trace.Tracer], deployment: Deployment
) -> None:
    spans, tracer = program
    backend = Backend(environment, "acme")
    with tracer.start_as_current_span("checkout"):
        job_id = backend.submit("greeting", {"name": "Ada"}).job_id
    send, checkout = spans.one("send"), spans.one("checkout")
    assert (ids(send)[0], parent_id(send), send.kind) == (*ids(checkout), SpanKind.PRODUCER)
    row = backend.in_process.submissions.store.get(JobKey("acme", job_id))
    assert row
    assert str(row.trace).startswith(f"00-{ids(send)[0]}-{ids(send)[1]}-")
    assert deployment.work() == [], "a worker without the setting ignores it"
    assert len(spans.all) == 2


def test_a_backend_in_an_event_loop_continues_the_trace(
    environment: dict[str, str], program: tuple[Collected, trace.Tracer]
) -> None:
    async def submit() -> None:
        with program[1].start_as_current_span("checkout"):
            await AsyncBackend(environment, "acme").submit("greeting", {"name": "Ada"})

    asyncio.run(submit())
    assert parent_id(program[0].one("send")) == ids(program[0].one("checkout"))[1]


def test_a_retry_of_a_backend_is_linked_to_the_trace_of_the_job(
    environment: dict[str, str], program: tuple[Collected, trace.Tracer]
) -> None:
    backend = Backend(environment, "acme")
    job_id = backend.submit("greeting", {"name": "Ada"}).job_id
    backend.cancel(job_id)
    backend.retry(job_id)
    first, again = program[0].named("send")
    assert linked(again) == [ids(first)]
    assert ids(again)[0] != ids(first)[0]


def test_a_program_without_a_provider_writes_no_context(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI imports the API of OpenTelemetry, which does nothing without a provider."""
    monkeypatch.setattr(trace, "get_tracer", lambda *_: trace.NoOpTracer())
    backend = Backend(environment, "acme")
    job_id = backend.submit("greeting", {"name": "Ada"}).job_id
    row = backend.in_process.submissions.store.get(JobKey("acme", job_id))
    assert row
    assert row.trace is None


def test_a_program_that_does_not_use_opentelemetry_does_not_import_it() -> None:
    program = (
        "import json, sys, httpx2\n"
        "from analysis_jobs.client import Client\n"
        "answer = lambda request: httpx2.Response(200, json=json.loads(sys.argv[1]))\n"
        "Client('https://jobs.example.com', 't', transport=httpx2.MockTransport(answer)).submit('a', {})\n"
        "print('opentelemetry' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "handlers")}
    run = subprocess.run(
        [sys.executable, "-c", program, json.dumps(ACCEPTED)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout.strip(), run.returncode) == ("False", 0), run.stderr
