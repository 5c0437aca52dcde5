"""The four ways to call a deployment: over HTTP and in process, blocking and in an event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from analysis_jobs.client import AsyncBackend, AsyncClient, Backend, Client, Jobs
from tests.handlers.aws import client
from tests.handlers.deployment import BUCKET
from tests.handlers.events import http_event, send

URL = "https://jobs.example.com"
KINDS = ("client", "async client", "backend", "async backend")


class Gateway:
    """Answers HTTP requests with the API function, and those to S3 with moto's bucket. Records the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        self.requests.append(request)
        if request.url.host != urlsplit(URL).hostname:
            assert "authorization" not in request.headers, "S3 must not see the token"
            return _bucket(request)
        tenant = request.headers["authorization"].removeprefix("Bearer ")
        answer = send(
            http_event(
                request.method,
                request.url.path,
                request.content.decode() or None,
                query=dict(request.url.params),
                headers={name: value for name, value in request.headers.items() if name != "authorization"},
                claims={"tenant": tenant},
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body.encode())


def _bucket(request: httpx2.Request) -> httpx2.Response:
    s3 = client("s3")
    if request.method == "POST":
        parts = form_parts(request)
        s3.put_object(Bucket=BUCKET, Key=parts["key"].decode(), Body=parts["file"])
        return httpx2.Response(204)
    key = request.url.path.removeprefix("/").removeprefix(f"{BUCKET}/")
    return httpx2.Response(200, content=s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def form_parts(request: httpx2.Request) -> dict[str, bytes]:
    """Return the parts of a multipart form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.content, policy=HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): cast("bytes", part.get_payload(decode=True))
        for part in message.iter_parts()
    }


class Blocking:
    """Runs the coroutines of an asynchronous client, so that one test covers both kinds."""

    def __init__(self, jobs: Any, runner: asyncio.Runner) -> None:
        self._jobs = jobs
        self._runner = runner

    def list(self, **options: Any) -> Iterator[Any]:
        """Return all jobs of a list."""
        return iter(self._runner.run(_all(self._jobs.list(**options))))

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self._runner.run(getattr(self._jobs, name)(*arguments, **options))


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in found]


def caller(kind: str, tenant: str, environment: Mapping[str, str], runner: asyncio.Runner, gateway: Gateway) -> Jobs:
    """Return a caller of the deployment. The token is the tenant's name."""
    transport = httpx2.MockTransport(gateway)
    match kind:
        case "client":
            return Client(URL, tenant, transport=transport)
        case "async client":
            return cast("Jobs", Blocking(AsyncClient(URL, tenant, transport=transport), runner))
        case "backend":
            return Backend(environment, tenant)
    return cast("Jobs", Blocking(AsyncBackend(environment, tenant), runner))
