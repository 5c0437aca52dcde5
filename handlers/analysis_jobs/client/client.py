"""`Client` and `AsyncClient`: the HTTP API of a deployment."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, Unpack, cast
from weakref import finalize

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.client import transport as http
from analysis_jobs.client.interface import ListOptions, Model, Named, SubmitOptions
from analysis_jobs.client.jobs import JobFile, JobInfo, Result, Submitted, UploadForm
from analysis_jobs.client.operations import Operation, Operations, Outcome, Pause, Request, Response, api_url
from analysis_jobs.client.signing import Sigv4
from analysis_jobs.client.tokens import why_rejected

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 2.0
TRIES = 5
_UNAUTHORIZED = 401

Token = str | Callable[[], str]
AsyncToken = Token | Callable[[], Awaitable[str]]


class _ApiCaller:
    """What both clients have in common: the settings, the credentials and the operations."""

    def __init__(  # noqa: PLR0913 - keywords with defaults
        self,
        url: str,
        token: AsyncToken | None = None,
        *,
        sign_with: Any = None,
        region: str | None = None,
        ca_bundle: Path | str | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        tries: int = TRIES,
        clock: Clock | None = None,
        transport: Any = None,
    ) -> None:
        if (token is None) == (sign_with is None):
            raise ValueError("give either a token or AWS credentials to sign with (sign_with)")
        self.url = api_url(url)
        self._clock = clock or SystemClock()
        self._given_token = token
        self._sent_token: str | None = None
        self._signer = Sigv4(sign_with, self.url, region) if sign_with is not None else None
        self._operations = Operations(
            self.url, self._clock, tries, connect_timeout_s, explain_unauthorized=self._why_unauthorized
        )
        self._options = partial(http.http_options, ca_bundle, connect_timeout_s, transport)
        self._connect_timeout_s = connect_timeout_s
        self._opening = Lock()

    def _why_unauthorized(self) -> str:
        if self._signer:
            return "check the AWS credentials, their clock and the Region"
        return why_rejected(self._sent_token, self._clock.now())

    def _unreachable(self, request: Request, error: Exception) -> Exception:
        return http.unreachable(request, error, self._connect_timeout_s)


def _with_token(request: Request, token: str) -> dict[str, str]:
    return {**request.headers, "Authorization": f"Bearer {token}"}


class Client(_ApiCaller):
    """Calls the HTTP API of a deployment. `Jobs` describes the methods.

        with Client("https://jobs.example.com", token) as client:
            job = client.submit("rfp-analysis", {"document": client.upload(Path("proposal.pdf"))})
            brief = client.result(job.job_id, Brief, timeout_s=600)

    Args:
        url: The base URL of the API, the module's output `api_url`.
        token: A bearer token, or a function that returns one. The function is called for each request, and once more
            after the API has rejected its token. It should keep the token until it expires.
        sign_with: Instead of a token, a boto3 session or botocore credentials. They sign each request for an API that
            accepts IAM (Signature Version 4).
        region: The Region of the signature, if neither the API's host name nor the session names it.
        ca_bundle: A PEM file of trusted CA certificates, instead of the system's.
        connect_timeout_s: How long a connection may take. A host that was never reached is reported after this time.
        tries: The most requests for one call. A call is repeated after 429, 5xx or a broken connection. It is always
            safe to repeat: a submission has an idempotency key.
        clock: A clock for tests.
        transport: An httpx2 transport for tests, or for special connections.

    One client can be used by several threads. Close it, or use it in a `with` statement.
    """

    _http: "httpx2.Client | None" = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request to a path of the API, for example to a route that the stack adds to it.

        The body is `json`, encoded. Query parameters with the value None are left out. A POST without an
        `Idempotency-Key` gets a random one. Raises the errors of the other methods unless the status is 2xx or 304.
        """
        return self._run(self._operations.request(method, path, json, query, headers or {}))

    def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """Submit a job. Without an `idempotency_key`, a random one is sent."""
        return self._run(self._operations.submit(analysis, job_input, options))

    def upload(self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None) -> str:
        """Upload a document, and return its name for an input."""
        return self._run(self._operations.upload(source, filename, content_type))

    def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """Return a form with which somebody else uploads one document."""
        return self._run(self._operations.upload_form(filename, content_type, size))

    def status(self, job_id: str) -> JobInfo:
        """Return the state of a job."""
        return self._run(self._operations.status(job_id))

    def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Return the job as soon as it has ended, in any state."""
        return self._run(self._operations.wait(job_id, timeout_s, on_status))

    def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """Return the result of a completed job, validated as `type_`."""
        return self._run(self._operations.result(job_id, type_, timeout_s))

    def files(self, job_id: str) -> tuple[JobFile, ...]:
        """Return the files of a job."""
        return self._run(self._operations.files(job_id))

    def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files."""
        return self._run(self._operations.download(job_id, name))

    def download_url(self, job_id: str, name: str) -> str:
        """Return a URL that downloads a file without other credentials."""
        return self._run(self._operations.download_url(job_id, name))

    def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return it."""
        return self._run(self._operations.cancel(job_id))

    def retry(self, job_id: str) -> JobInfo:
        """Run a failed or cancelled job again, and return it."""
        return self._run(self._operations.retry(job_id))

    def list(self, **options: Unpack[ListOptions]) -> Iterator[JobInfo]:
        """Yield jobs, newest first."""
        cursor: str | None = None
        while True:
            jobs, cursor = self._run(self._operations.page(options, cursor))
            yield from jobs
            if cursor is None:
                return

    def _run(self, operation: Operation[Outcome]) -> Outcome:
        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    self._clock.sleep(timedelta(seconds=step.seconds))
                    step = next(operation)
                    continue
                try:
                    answer = self._send(step)
                except Exception as error:  # noqa: BLE001 - the operation decides about every error
                    step = operation.throw(error)
                else:
                    step = operation.send(answer)
        except StopIteration as done:
            return cast("Outcome", done.value)

    def _send(self, request: Request) -> Response:
        if not request.signed:
            return self._perform(request, request.headers)
        if self._signer:
            return self._perform(request, _signed(self._signer, request))
        token = self._token()
        answer = self._perform(request, _with_token(request, token))
        if answer.status == _UNAUTHORIZED and callable(self._given_token) and (fresh := self._token()) != token:
            return self._perform(request, _with_token(request, fresh))
        return answer

    def _token(self) -> str:
        given = self._given_token
        token = given() if callable(given) else given
        if not isinstance(token, str):
            raise TypeError(f"the token is a {type(token).__name__}; give a text, or a function that returns one")
        self._sent_token = token
        return token

    def _perform(self, request: Request, headers: Mapping[str, str]) -> Response:
        httpx = http.load_httpx()
        try:
            return http.response(self._connections().request(**http.arguments(request, headers)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(request, error) from error

    def _connections(self) -> "httpx2.Client":
        with self._opening:
            if self._http is None:
                self._http = http.load_httpx().Client(**self._options())
                # Closes the connections of a client that its owner never closed.
                finalize(self, self._http.close)
            return self._http


class AsyncClient(_ApiCaller):
    """As `Client`, for programs with an event loop. `AsyncJobs` describes the methods.

    `token` may also be a coroutine function. Use one client for one event loop.
    """

    _http: "httpx2.AsyncClient | None" = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request to a path of the API. See `Client.request`."""
        return await self._run(self._operations.request(method, path, json, query, headers or {}))

    async def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """Submit a job. Without an `idempotency_key`, a random one is sent."""
        return await self._run(self._operations.submit(analysis, job_input, options))

    async def upload(
        self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """Upload a document, and return its name for an input."""
        return await self._run(self._operations.upload(source, filename, content_type))

    async def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """Return a form with which somebody else uploads one document."""
        return await self._run(self._operations.upload_form(filename, content_type, size))

    async def status(self, job_id: str) -> JobInfo:
        """Return the state of a job."""
        return await self._run(self._operations.status(job_id))

    async def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Return the job as soon as it has ended, in any state."""
        return await self._run(self._operations.wait(job_id, timeout_s, on_status))

    async def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """Return the result of a completed job, validated as `type_`."""
        return await self._run(self._operations.result(job_id, type_, timeout_s))

    async def files(self, job_id: str) -> tuple[JobFile, ...]:
        """Return the files of a job."""
        return await self._run(self._operations.files(job_id))

    async def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files."""
        return await self._run(self._operations.download(job_id, name))

    async def download_url(self, job_id: str, name: str) -> str:
        """Return a URL that downloads a file without other credentials."""
        return await self._run(self._operations.download_url(job_id, name))

    async def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return it."""
        return await self._run(self._operations.cancel(job_id))

    async def retry(self, job_id: str) -> JobInfo:
        """Run a failed or cancelled job again, and return it."""
        return await self._run(self._operations.retry(job_id))

    async def list(self, **options: Unpack[ListOptions]) -> AsyncIterator[JobInfo]:
        """Yield jobs, newest first."""
        cursor: str | None = None
        while True:
            jobs, cursor = await self._run(self._operations.page(options, cursor))
            for job in jobs:
                yield job
            if cursor is None:
                return

    async def _run(self, operation: Operation[Outcome]) -> Outcome:
        import asyncio  # noqa: PLC0415 - slow to import, and a caller without an event loop does not need it

        try:
            step = next(operation)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = next(operation)
                    continue
                try:
                    answer = await self._send(step)
                except Exception as error:  # noqa: BLE001 - the operation decides about every error
                    step = operation.throw(error)
                else:
                    step = operation.send(answer)
        except StopIteration as done:
            return cast("Outcome", done.value)

    async def _send(self, request: Request) -> Response:
        if not request.signed:
            return await self._perform(request, request.headers)
        if self._signer:
            import asyncio  # noqa: PLC0415 - as in `_run`

            # Credentials may be refreshed by a request to another service.
            return await self._perform(request, await asyncio.to_thread(_signed, self._signer, request))
        token = await self._token()
        answer = await self._perform(request, _with_token(request, token))
        if answer.status == _UNAUTHORIZED and callable(self._given_token) and (fresh := await self._token()) != token:
            return await self._perform(request, _with_token(request, fresh))
        return answer

    async def _token(self) -> str:
        given = self._given_token
        found = given() if callable(given) else given
        token = await found if isawaitable(found) else found
        if not isinstance(token, str):
            raise TypeError(f"the token is a {type(token).__name__}; give a text, or a function that returns one")
        self._sent_token = token
        return token

    async def _perform(self, request: Request, headers: Mapping[str, str]) -> Response:
        httpx = http.load_httpx()
        try:
            return http.response(await self._connections().request(**http.arguments(request, headers)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(request, error) from error

    def _connections(self) -> "httpx2.AsyncClient":
        with self._opening:
            if self._http is None:
                self._http = http.load_httpx().AsyncClient(**self._options())
            return self._http


def _signed(signer: Sigv4, request: Request) -> dict[str, str]:
    return signer.headers(request.method, request.url, dict(request.headers), request.body)
