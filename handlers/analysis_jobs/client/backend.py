"""`Backend` and `AsyncBackend`: jobs from a backend's own process, without the HTTP API.

They write the row, the input and the message with the IAM role of the caller. The policies are outputs of the module.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Unpack

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.tenants import is_tenant
from analysis_jobs.client.errors import WaitTimeout
from analysis_jobs.client.interface import ListOptions, Model, Named, SubmitOptions
from analysis_jobs.client.jobs import JobFile, JobInfo, Result, Submitted, UploadForm
from analysis_jobs.client.operations import Outcome, checked_input, document_of, list_query
from analysis_jobs.client.results import validated

if TYPE_CHECKING:
    from analysis_jobs.authoring.analysis import Analysis
    from analysis_jobs.authoring.undeclared import UndeclaredAnalysis
    from analysis_jobs.client.in_process import InProcess

_FIRST_POLL_S = 0.5
_LAST_POLL_S = 3.0


class _Setup:
    """The settings of a backend and its services. The services are built for the first call, for all tenants."""

    def __init__(self, build: "Callable[[], InProcess]") -> None:
        self._build = build
        self._lock = Lock()
        self._built: InProcess | None = None

    def services(self) -> "InProcess":
        with self._lock:
            if self._built is None:
                self._built = self._build()
            return self._built


class Backend:
    """Submits and follows the jobs of one tenant, in process. `Jobs` describes the methods.

        backend = Backend(os.environ, tenant="acme")
        job = backend.submit("ticket-triage", {"text": "The card was charged twice."})

    Args:
        environment: The module's output `backend_environment`: a mapping, or `os.environ` if the variables were added
            to those of the function. Nothing else is read.
        tenant: The owner of the jobs. The caller is trusted to name the right one. A backend of several tenants leaves
            it out, and calls `for_tenant` for each request.
        analyses: The analyses that this backend submits: their declarations, or names. The input of a declared analysis
            is validated at once. The input of a named one is validated by the worker, so a wrong input fails the job;
            see `UndeclaredAnalysis`. By default, the modules of the setting ANALYSES are imported.
        session: A boto3 session (default: a new one for boto3's default credentials and Region).
        metrics: Whether to print a metric line for each accepted job, in CloudWatch's embedded metric format. On Lambda
            the module's alarms and dashboard count the job through it. Elsewhere, send the output to CloudWatch Logs.
        clock: A clock for tests.

    One backend can be used by several threads.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults
        self,
        environment: Mapping[str, str],
        tenant: str | None = None,
        *,
        analyses: "Iterable[Analysis[Any, Any] | UndeclaredAnalysis | str] | None" = None,
        session: Any = None,
        metrics: bool = True,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        given = None if analyses is None else tuple(analyses)
        # A copy: the settings stay as they were when the backend was made.
        self._open(_Setup(partial(_services, dict(environment), given, session, clock, metrics=metrics)), tenant, clock)

    def _open(self, setup: _Setup, tenant: str | None, clock: Clock, actor: str | None = None) -> None:
        if tenant is not None and not is_tenant(tenant):
            raise ConfigurationError(
                f"tenant {tenant!r}: give up to 128 letters, digits and _.@:+- that begin with a letter or a digit"
            )
        self._tenant = tenant
        self._actor = actor
        self._setup = setup
        self.clock = clock

    @property
    def tenant(self) -> str:
        """The owner of the jobs. Raises `ConfigurationError` if none was given."""
        if self._tenant is None:
            raise ConfigurationError("this backend has no tenant: give one to Backend, or call for_tenant")
        return self._tenant

    def for_tenant(self, tenant: str, *, actor: str | None = None) -> "Backend":
        """Return a backend for another tenant. It shares the connections with this one.

        `actor` names the user for whom the backend acts, in the lines of the audit trail.
        """
        other = Backend.__new__(Backend)
        other._open(self._setup, tenant, self.clock, actor)  # noqa: SLF001 - of the same class
        return other

    @property
    def in_process(self) -> "InProcess":
        """The operations without types, which `AsyncBackend` uses too."""
        services = self._setup.services()
        return replace(services, actor=self._actor) if self._actor else services

    def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """Submit a job. It needs the policy `submit`."""
        named = analysis if isinstance(analysis, str) else analysis.name
        return self.in_process.submit(self.tenant, named, checked_input(job_input), options)

    def upload(self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None) -> str:
        """Upload a document, and return its name for an input. It needs the policy `submit` or `upload`."""
        return self.in_process.upload(self.tenant, *document_of(source, filename, content_type))

    def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """Return a form with which somebody else uploads one document. It needs the policy `submit` or `upload`."""
        return self.in_process.upload_form(self.tenant, filename, content_type, size)

    def status(self, job_id: str) -> JobInfo:
        """Return the state of a job. It needs the policy `read`."""
        return self.in_process.status(self.tenant, job_id)

    def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Return the job as soon as it has ended, in any state. It needs the policy `read`."""
        polls = _Polls(self.clock, timeout_s, on_status)
        while (pause_s := polls.next(job := self.status(job_id))) is not None:
            self.clock.sleep(timedelta(seconds=pause_s))
        return job

    def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """Return the result of a completed job, validated as `type_`. It needs the policy `read`."""
        job = self.wait(job_id, timeout_s=timeout_s) if timeout_s > 0 else self.status(job_id)
        return validated(job, job.result, type_)

    def files(self, job_id: str) -> tuple[JobFile, ...]:
        """Return the files of a job. It needs the policy `read`."""
        return self.status(job_id).files

    def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files. It needs the policy `read`."""
        return self.in_process.download(self.tenant, job_id, name)

    def download_url(self, job_id: str, name: str) -> str:
        """Return a URL that downloads a file without other credentials. It needs the policy `read`."""
        return self.in_process.download_url(self.tenant, job_id, name)

    def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return it. It needs the policy `cancel`."""
        return self.in_process.cancel(self.tenant, job_id)

    def retry(self, job_id: str) -> JobInfo:
        """Run a failed or cancelled job again, and return it. It needs the policy `retry`."""
        return self.in_process.retry(self.tenant, job_id)

    def list(self, **options: Unpack[ListOptions]) -> Iterator[JobInfo]:
        """Yield jobs, newest first. It needs the policy `read`."""
        query, cursor = list_query(options), None
        while True:
            jobs, cursor = self.in_process.page(self.tenant, query, cursor)
            yield from jobs
            if cursor is None:
                return


class AsyncBackend:
    """As `Backend`, for programs with an event loop. `AsyncJobs` describes the methods.

    boto3 blocks, so each call runs in a thread. The arguments are those of `Backend`.
    """

    def __init__(self, environment: Mapping[str, str], tenant: str | None = None, **options: Any) -> None:
        self._backend = Backend(environment, tenant, **options)

    @property
    def tenant(self) -> str:
        """The owner of the jobs."""
        return self._backend.tenant

    def for_tenant(self, tenant: str, *, actor: str | None = None) -> "AsyncBackend":
        """Return a backend for another tenant. It shares the connections with this one."""
        other = AsyncBackend.__new__(AsyncBackend)
        other._backend = self._backend.for_tenant(tenant, actor=actor)  # noqa: SLF001 - of the same class
        return other

    async def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """Submit a job. It needs the policy `submit`."""
        return await _in_thread(partial(self._backend.submit, analysis, job_input, **options))

    async def upload(
        self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """Upload a document, and return its name for an input. It needs the policy `submit` or `upload`."""
        return await _in_thread(partial(self._backend.upload, source, filename=filename, content_type=content_type))

    async def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """Return a form with which somebody else uploads one document. It needs the policy `submit` or `upload`."""
        return await _in_thread(partial(self._backend.upload_form, filename, content_type, size))

    async def status(self, job_id: str) -> JobInfo:
        """Return the state of a job. It needs the policy `read`."""
        return await _in_thread(partial(self._backend.status, job_id))

    async def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Return the job as soon as it has ended, in any state. It needs the policy `read`."""
        import asyncio  # noqa: PLC0415 - slow to import, and a caller without an event loop does not need it

        polls = _Polls(self._backend.clock, timeout_s, on_status)
        while (pause_s := polls.next(job := await self.status(job_id))) is not None:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(pause_s)
        return job

    async def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """Return the result of a completed job, validated as `type_`. It needs the policy `read`."""
        job = await (self.wait(job_id, timeout_s=timeout_s) if timeout_s > 0 else self.status(job_id))
        return validated(job, job.result, type_)

    async def files(self, job_id: str) -> tuple[JobFile, ...]:
        """Return the files of a job. It needs the policy `read`."""
        return (await self.status(job_id)).files

    async def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files. It needs the policy `read`."""
        return await _in_thread(partial(self._backend.download, job_id, name))

    async def download_url(self, job_id: str, name: str) -> str:
        """Return a URL that downloads a file without other credentials. It needs the policy `read`."""
        return await _in_thread(partial(self._backend.download_url, job_id, name))

    async def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return it. It needs the policy `cancel`."""
        return await _in_thread(partial(self._backend.cancel, job_id))

    async def retry(self, job_id: str) -> JobInfo:
        """Run a failed or cancelled job again, and return it. It needs the policy `retry`."""
        return await _in_thread(partial(self._backend.retry, job_id))

    async def list(self, **options: Unpack[ListOptions]) -> AsyncIterator[JobInfo]:
        """Yield jobs, newest first. It needs the policy `read`."""
        query, cursor = list_query(options), None
        while True:
            page = partial(self._backend.in_process.page, self.tenant, query, cursor)
            jobs, cursor = await _in_thread(page)
            for job in jobs:
                yield job
            if cursor is None:
                return


class _Polls:
    """Decides how long to wait between two reads of a job."""

    def __init__(self, clock: Clock, timeout_s: float, on_status: Callable[[JobInfo], None] | None) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._on_status = on_status
        self._until = clock.now() + timedelta(seconds=timeout_s)
        self._shown: Mapping[str, Any] | None = None
        self._number = 0

    def next(self, job: JobInfo) -> float | None:
        """Return the seconds until the next read, None if the job has ended. Raises `WaitTimeout`."""
        if self._on_status and job.raw != self._shown:
            self._shown = job.raw
            self._on_status(job)
        if job.ended:
            return None
        left = (self._until - self._clock.now()).total_seconds()
        if left <= 0:
            raise WaitTimeout(f"job {job.job_id} was still {job.status} after {self._timeout_s:g} s", job)
        pause_s = min(_LAST_POLL_S, math.ldexp(_FIRST_POLL_S, min(self._number, 8)), left)
        self._number += 1
        return pause_s


async def _in_thread(call: Callable[[], Outcome]) -> Outcome:
    import asyncio  # noqa: PLC0415 - as above

    return await asyncio.to_thread(call)


def _services(
    environment: Mapping[str, str],
    analyses: "tuple[Analysis[Any, Any] | UndeclaredAnalysis | str, ...] | None",
    session: Any,
    clock: Clock,
    *,
    metrics: bool,
) -> "InProcess":
    try:
        from analysis_jobs.client.in_process import InProcess  # noqa: PLC0415 - imports boto3, which is slow
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"Backend needs {error.name}: pip install 'analysis-jobs[aws]'") from error
    return InProcess.build(environment, analyses, session, clock, metrics=metrics)
