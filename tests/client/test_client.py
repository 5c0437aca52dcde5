"""`Client` and `AsyncClient` over HTTP: credentials, retries, and hosts that cannot be reached."""

import asyncio
import base64
import gc
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import httpx2
import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import (
    AsyncClient,
    Client,
    Expired,
    Forbidden,
    Limited,
    Refused,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)

URL = "https://jobs.example.com"
ACCEPTED = {"job_id": "j1", "status": "queued", "outcome": "created", "estimated_time_seconds": 1}
JOB = {"job_id": "j1", "analysis": "greeting", "status": "completed", "result": 1}


class Answers:
    """Gives these answers in order, then the last one for ever. An exception is raised. Records the requests."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def answered(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers=headers)


class RecordingClock(ManualClock):
    """A manual clock that records its pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def sleep(self, duration: timedelta) -> None:
        self.pauses.append(duration.total_seconds())
        super().sleep(duration)


def a_client(answers: Answers, token: Any = "t", **options: Any) -> Client:  # noqa: S107 - not a secret
    return Client(URL, token, transport=httpx2.MockTransport(answers), **{"clock": RecordingClock(), **options})


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


def a_token(**claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


@pytest.mark.parametrize(
    ("token", "hint"),
    [
        (
            a_token(exp=1_000_000_000, iss="https://login.example"),
            "the token expired at 2001-09-09T01:46:40Z; get a new",
        ),
        (
            a_token(exp=9_000_000_000, iss="https://login.example"),
            "does not accept this token of 'https://login.example'",
        ),
        ("secret", "the token is not a JSON Web Token"),
        ("", "no token was sent"),
    ],
    ids=["expired", "another issuer", "not a JWT", "empty"],
)
def test_a_rejected_token_is_explained_and_never_shown(token: str, hint: str) -> None:
    with pytest.raises(Unauthorized, match=hint) as raised:
        a_client(Answers(answered(401, {"message": "Unauthorized"})), token).status("j1")
    assert not token or token not in str(raised.value)


def test_a_token_function_is_asked_once_more_after_401() -> None:
    answers = Answers(answered(401), answered(200, JOB))
    numbers = count(1)
    assert a_client(answers, lambda: f"t{next(numbers)}").status("j1").result == 1
    assert [request.headers["authorization"] for request in answers.requests] == ["Bearer t1", "Bearer t2"]
    same = Answers(answered(401))
    with pytest.raises(Unauthorized):
        a_client(same, lambda: "t").status("j1")
    assert len(same.requests) == 1


def test_an_asynchronous_client_takes_a_coroutine_function() -> None:
    numbers = count(1)

    async def token() -> str:
        return f"t{next(numbers)}"

    async def run() -> Any:
        answers = Answers(answered(401), answered(200, JOB))
        async with AsyncClient(URL, token, transport=httpx2.MockTransport(answers)) as client:
            return (await client.status("j1")).result, [each.headers["authorization"] for each in answers.requests]

    assert asyncio.run(run()) == (1, ["Bearer t1", "Bearer t2"])


def test_something_else_than_a_token_is_refused() -> None:
    with pytest.raises(TypeError, match="the token is a int"):
        a_client(Answers(answered(200, JOB)), lambda: 1).status("j1")
    wrong: tuple[dict[str, Any], ...] = ({}, {"token": "t", "sign_with": object()})
    for options in wrong:
        with pytest.raises(ValueError, match="either a token or AWS credentials"):
            Client(URL, **options)
    with pytest.raises(ValueError, match=r"'jobs\.example\.com' is not the URL of an API"):
        Client("jobs.example.com", "t")


# Signature Version 4

KEYS: dict[str, Any] = {
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "secret",
    "aws_session_token": "session",
}


def signed(request: httpx2.Request, region: str) -> bool:
    """Tell whether API Gateway would accept the signature, computed anew from the request that was sent."""
    authorization = request.headers["authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: request.headers[name] for name in names if name != "host"}
    again = AWSRequest(request.method, str(request.url), headers=headers, data=request.content)
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "session"), "execute-api", region)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return bool(authorization.endswith(f"Signature={signer.signature(text, again)}"))


@pytest.mark.parametrize("kind", ["session", "credentials"])
@pytest.mark.parametrize(
    ("url", "region"),
    [(URL, "eu-west-1"), ("https://abc.execute-api.us-east-2.amazonaws.com", "us-east-2")],
    ids=["Region of the session", "Region of the host"],
)
def test_every_request_to_the_api_is_signed_and_none_to_s3(kind: str, url: str, region: str) -> None:
    session = boto3.Session(**KEYS, region_name="eu-west-1")
    form = {"document": "d", "upload": {"url": "https://b.s3.amazonaws.com/", "fields": {}}, "expires_in_seconds": 1}
    answers = Answers(
        answered(201, form), answered(204), answered(202, ACCEPTED), answered(200, {"jobs": [], "next_cursor": None})
    )
    source = session if kind == "session" else session.get_credentials()
    client = Client(
        url, sign_with=source, region=None if kind == "session" else region, transport=httpx2.MockTransport(answers)
    )
    client.submit("greeting", {"letter": client.upload(b"x", filename="a.txt"), "name": "Zoë"})
    assert list(client.list(subject="books/ä b+c")) == []
    form_request, upload, submission, listing = answers.requests
    assert all(signed(request, region) for request in (form_request, submission, listing))
    assert "authorization" not in upload.headers
    assert "x-amz-security-token" not in upload.headers


def test_a_signature_needs_a_region_and_credentials() -> None:
    credentials = boto3.Session(**KEYS).get_credentials()
    with pytest.raises(ValueError, match="give a region"):
        Client(URL, sign_with=credentials)


def test_a_token_with_an_impossible_expiry_is_not_said_to_have_expired() -> None:
    for expiry in (1e400, -(10**20), "soon"):
        with pytest.raises(Unauthorized, match="compare its issuer and audience"):
            a_client(Answers(answered(401)), a_token(exp=expiry, iss="i")).status("j1")


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


# Hosts that cannot be reached


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_host_that_was_never_reached_is_reported_after_the_connect_timeout() -> None:
    clock = RecordingClock()
    answers = Answers(httpx2.ConnectError("refused"))
    with pytest.raises(Unreachable, match="cannot be reached: refused"):
        a_client(answers, clock=clock).status("j1")
    assert sum(clock.pauses) < 2, "a wrong URL is reported within two seconds"


def test_a_host_that_answered_before_is_tried_again() -> None:
    answers = Answers(answered(200, JOB), *[httpx2.ConnectError("refused")] * 3, answered(200, JOB))
    client = a_client(answers)
    assert client.status("j1") == client.status("j1")
    assert len(answers.requests) == 5


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx2.ConnectTimeout("slow"), "there was no connection within 2 s"),
        (httpx2.ReadTimeout("slow"), "it did not answer in time"),
        (httpx2.RemoteProtocolError("garbage"), "the connection broke: garbage"),
    ],
)
def test_an_error_says_what_is_wrong_with_the_host(error: Exception, message: str) -> None:
    with pytest.raises(Unreachable, match=message):
        a_client(Answers(error), tries=1).status("j1")


def test_a_connection_that_is_refused_is_an_error_of_both_kinds() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with Client(url, "t", clock=RecordingClock()) as client, pytest.raises(Unreachable, match="cannot be reached"):
        client.status("j1")

    async def run() -> None:
        async with AsyncClient(url, "t", connect_timeout_s=0.1) as client:
            await client.status("j1")

    with pytest.raises(Unreachable, match="cannot be reached"):
        asyncio.run(run())


@pytest.fixture
def tls_server() -> Any:
    """Return the port of a server with a certificate of its own authority, and the authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return authority, context


def serve_once(context: ssl.SSLContext, respond: bytes) -> tuple[int, Callable[[], None]]:
    """Serve TLS connections in a thread. Return the port, and a function that stops."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65_536)
                    tls.sendall(respond)
            except OSError:
                continue

    thread = Thread(target=run, daemon=True)
    thread.start()

    def stop() -> None:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()

    return int(listener.getsockname()[1]), stop


def test_a_bad_certificate_is_reported_at_once_with_the_fix(tls_server: Any, tmp_path: Path) -> None:
    authority, context = tls_server
    body = json.dumps(JOB).encode()
    port, stop = serve_once(context, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    clock = RecordingClock()
    try:
        with (
            Client(f"https://localhost:{port}", "t", clock=clock, connect_timeout_s=60) as client,
            pytest.raises(Unreachable, match=r"TLS failed: .*give ca_bundle") as raised,
        ):
            client.status("j1")
        assert not raised.value.retryable
        assert clock.pauses == []
        authority.cert_pem.write_to_path(tmp_path / "known.pem")
        with (
            Client(f"https://127.0.0.1:{port}", "t", ca_bundle=tmp_path / "known.pem", connect_timeout_s=60) as client,
            pytest.raises(Unreachable, match=r"TLS failed: .*mismatch.*: check the URL"),
        ):
            client.status("j1")
        bundle = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(bundle)
        with Client(f"https://localhost:{port}", "t", ca_bundle=bundle, connect_timeout_s=60) as client:
            assert client.status("j1").result == 1
    finally:
        stop()


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
