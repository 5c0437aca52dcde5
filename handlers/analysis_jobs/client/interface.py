"""The interface that `Client` and `Backend` share, and `AsyncClient` and `AsyncBackend`.

Code that takes a `Jobs` works over HTTP and in process.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

from analysis_jobs.client.jobs import JobFile, JobInfo, Result, Submitted, UploadForm


class Named(Protocol):
    """Anything with the name of an analysis: its declaration."""

    @property
    def name(self) -> str:
        """The name of the analysis."""


class Model(Protocol):
    """A pydantic model: an input that was validated already."""

    def model_dump(self, *, mode: str = ..., by_alias: bool | None = ...) -> Any:
        """Return the fields of the model."""


class SubmitOptions(TypedDict, total=False):
    """The options of a submission. All may be None.

    `subject` names what is analysed: `books/42`. `priority` is a lane: `high`, `medium` or `low`. `trigger` names one
    of the analysis' triggers. `client` and `project` file the job; `list` filters by the client. For 24 hours, the
    same `idempotency_key` and request return the same job.
    """

    subject: str | None
    priority: str | None
    trigger: str | None
    client: str | None
    project: str | None
    idempotency_key: str | None


class ListOptions(TypedDict, total=False):
    """The filters of a list. At most one of `status`, `client` and `subject`.

    `since` is inclusive. Both times are about the submission.
    """

    status: str | None
    client: str | None
    subject: str | None
    since: datetime | None
    until: datetime | None


class Jobs(Protocol):
    """Submits and follows jobs. Every method may raise the errors of `analysis_jobs.client.errors`."""

    def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """Submit a job. Raises `Refused` (wrong fields), `Limited` (rate reached), `NotAdmitted` and `Expired`."""

    def upload(self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None) -> str:
        """Upload a document: a file, or bytes. Return its name for an input.

        The file name and the content type come from the path, if they are not given. Bytes need a `filename`.
        """

    def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """Return a form with which somebody else, for example a browser, uploads one document of `size` bytes."""

    def status(self, job_id: str) -> JobInfo:
        """Return the state of a job. Raises `NotFound`."""

    def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Return the job as soon as it has ended, in any state.

        Calls `on_status` with each state that it sees. Raises `WaitTimeout` after `timeout_s` seconds.
        """

    def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """Return the result of a completed job, validated as `type_`: a pydantic model, for example.

        Waits up to `timeout_s` seconds for the job. Raises `NotFinished`, `JobFailed` and `InvalidResult`.
        """

    def files(self, job_id: str) -> tuple[JobFile, ...]:
        """Return the files of a job."""

    def download(self, job_id: str, name: str) -> bytes:
        """Return the content of one of a job's files. Raises `NotFound`."""

    def download_url(self, job_id: str, name: str) -> str:
        """Return a URL that downloads a file without other credentials. It expires after a few minutes."""

    def cancel(self, job_id: str) -> JobInfo:
        """Cancel a job, and return it. The worker of a running job stops within seconds. Raises `Conflict`."""

    def retry(self, job_id: str) -> JobInfo:
        """Run a failed or cancelled job again, and return it. An active job is unchanged. Raises `Conflict`."""

    def list(self, **options: Unpack[ListOptions]) -> Iterator[JobInfo]:
        """Yield jobs, newest first. Reads a page at a time. The jobs have no result and no files."""


class AsyncJobs(Protocol):
    """As `Jobs`, for programs with an event loop."""

    async def submit(
        self, analysis: str | Named, job_input: Mapping[str, Any] | Model, /, **options: Unpack[SubmitOptions]
    ) -> Submitted:
        """See `Jobs.submit`."""

    async def upload(
        self, source: Path | bytes, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """See `Jobs.upload`."""

    async def upload_form(self, filename: str, content_type: str, size: int) -> UploadForm:
        """See `Jobs.upload_form`."""

    async def status(self, job_id: str) -> JobInfo:
        """See `Jobs.status`."""

    async def wait(
        self, job_id: str, *, timeout_s: float = 300.0, on_status: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """See `Jobs.wait`."""

    async def result(self, job_id: str, type_: type[Result], *, timeout_s: float = 0.0) -> Result:
        """See `Jobs.result`."""

    async def files(self, job_id: str) -> tuple[JobFile, ...]:
        """See `Jobs.files`."""

    async def download(self, job_id: str, name: str) -> bytes:
        """See `Jobs.download`."""

    async def download_url(self, job_id: str, name: str) -> str:
        """See `Jobs.download_url`."""

    async def cancel(self, job_id: str) -> JobInfo:
        """See `Jobs.cancel`."""

    async def retry(self, job_id: str) -> JobInfo:
        """See `Jobs.retry`."""

    def list(self, **options: Unpack[ListOptions]) -> AsyncIterator[JobInfo]:
        """See `Jobs.list`."""
