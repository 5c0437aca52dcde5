"""How `Client` and `AsyncClient` prove who they are: tokens, and signatures with AWS credentials."""

import asyncio
import base64
import json
from itertools import count
from typing import Any

import boto3
import httpx2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from analysis_jobs.client import AsyncClient, Client, Unauthorized
from tests.client.answers import ACCEPTED, JOB, URL, Answers, a_client, answered


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


def test_a_token_with_an_impossible_expiry_is_not_said_to_have_expired() -> None:
    for expiry in (1e400, -(10**20), "soon"):
        with pytest.raises(Unauthorized, match="compare its issuer and audience"):
            a_client(Answers(answered(401)), a_token(exp=expiry, iss="i")).status("j1")


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
