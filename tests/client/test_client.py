"""`Client` and `AsyncClient` over HTTP: which requests they send, which they repeat, and the errors they raise."""

import asyncio
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from analysis_jobs.client import AsyncClient, Client, Expired, Forbidden, Limited, Refused, Rejected, Unavailable
from tests.client.answers import ACCEPTED, JOB, URL, Answers, RecordingClock, a_client, answered


def test_a_submission_is_sent_again_with_the_same_random_key() -> None:
    answers = Answers(answered(503), httpx2.ReadError("cut"), answered(202, ACCEPTED))
    assert a_client(answers).submit("greeting", {"name": "Ada"}).job_id == "j1"
    keys = {request.headers["idempotency-key"] for request in answers.requests}
    assert len(answers.requests) == 3
    assert len(keys) == 1
    a_client(answers).submit("greeting", {"name": "Ada"})
    assert answers.requests[-1].headers["idempotency-key"] not in keys
    body = {"analysis": "greeting", "input": {"name": "Ada"}}
    assert [json.loads(request.content) for request in answers.requests] == [body] * 4


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_call_waits_as_long_as_the_api_asks_and_gives_up_after_its_tries(status: int) -> None:
    clock = RecordingClock()
    answers = Answers(answered(status, {"message": "later"}, **{"Retry-After": "7"}))
    with pytest.raises(Rejected, match="later") as raised:
        a_client(answers, tries=3, clock=clock).status("j1")
    assert raised.value.retry_after == 7
    assert isinstance(raised.value, Limited if status == 429 else Unavailable)
    assert len(answers.requests) == 3
    assert all(7 <= pause < 8 for pause in clock.pauses)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered(400), Refused),
        (answered(403, {"message": "Forbidden"}), Forbidden),
        (answered(410, {"detail": "the job has expired"}), Expired),
        (answered(413), Refused),
        (answered(302, None, Location="https://evil.example"), Rejected),
        (answered(429, {"outcome": "limited"}, **{"Retry-After": "1"}), Limited),
        (answered(503, None, **{"Retry-After": "60"}), Unavailable),
    ],
    ids=["400", "403", "410", "413", "302", "limited by a policy", "a long time"],
)
def test_a_call_that_would_fail_again_or_take_long_is_not_repeated(
    answer: httpx2.Response, error: type[Rejected]
) -> None:
    answers = Answers(answer)
    with pytest.raises(error):
        a_client(answers).status("j1")
    assert len(answers.requests) == 1


def test_an_answer_that_is_not_json_is_quoted() -> None:
    with pytest.raises(Unavailable, match="answered 502: <html>bad gateway"):
        a_client(Answers(httpx2.Response(502, text="<html>bad gateway</html>")), tries=1).status("j1")


# Requests of any kind


def test_a_request_reaches_any_path_of_the_api() -> None:
    answers = Answers(answered(503), answered(202, {"job_id": "j1"}, ETag="1"))
    answer = a_client(answers).request("POST", "/books/1/analysis", json={"a": "Zürich"}, query={"b": "c d", "e": None})
    assert (answer.status, answer.json(), answer.headers["etag"]) == (202, {"job_id": "j1"}, "1")
    request = answers.requests[-1]
    assert (str(request.url), request.headers["authorization"]) == (f"{URL}/books/1/analysis?b=c%20d", "Bearer t")
    assert request.content == '{"a":"Zürich"}'.encode()
    assert len({each.headers["idempotency-key"] for each in answers.requests}) == 1, "it is safe to repeat"


def test_a_request_raises_the_errors_of_the_api() -> None:
    with pytest.raises(Refused) as raised:
        a_client(Answers(answered(422, {"errors": [{"field": "year", "message": "give a year"}]}))).request("GET", "/x")
    assert [(each.field, each.message) for each in raised.value.errors] == [("year", "give a year")]


def test_an_asynchronous_client_sends_the_same_requests() -> None:
    answers = Answers(answered(200, {"openapi": "3.1.0"}))

    async def run() -> Any:
        async with AsyncClient(URL, "t", transport=httpx2.MockTransport(answers)) as client:
            return await client.request("GET", "/openapi.json", headers={"Accept": "application/json"})

    assert asyncio.run(run()).json() == {"openapi": "3.1.0"}
    assert "idempotency-key" not in answers.requests[0].headers


def test_the_connections_of_a_client_that_nobody_closed_are_closed() -> None:
    closed = []

    class Transport(httpx2.MockTransport):
        def close(self) -> None:
            closed.append(True)

    client = Client(URL, "t", transport=Transport(Answers(answered(200, JOB))))
    client.status("j1")
    del client
    gc.collect()
    assert closed == [True]


def test_a_job_id_cannot_leave_its_place_in_the_path() -> None:
    answers = Answers(answered(404))
    with pytest.raises(Rejected):
        a_client(answers).retry("../jobs/x?a=b")
    assert answers.requests[0].url.raw_path == b"/jobs/..%2Fjobs%2Fx%3Fa%3Db/retry"


@pytest.mark.parametrize(
    ("text", "sent"),
    [("Zürich €", '{"a":"Zürich €"}'.encode()), ("\ud83d", b'{"a": "\\ud83d"}')],
    ids=["text", "half a pair"],
)
def test_a_body_is_sent_in_as_few_bytes_as_possible(text: str, sent: bytes) -> None:
    answers = Answers(answered(200, {}))
    a_client(answers).request("POST", "/nowhere", json={"a": text})
    assert answers.requests[0].content == sent


# Imports


def test_importing_the_client_imports_nothing_slow() -> None:
    program = (
        "import sys; before = set(sys.modules); import analysis_jobs; base = set(sys.modules);"
        "import analysis_jobs.client; print(sorted(set(sys.modules) - base))"
    )
    handlers = str(Path(__file__).parent.parent.parent / "handlers")
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": handlers}, capture_output=True, text=True, check=True
    )
    added = {name.partition(".")[0].strip("'[] ") for name in run.stdout.split(",")}
    assert added & {"boto3", "botocore", "httpx2", "httpcore2", "aws_lambda_powertools", "urllib3"} == set()
