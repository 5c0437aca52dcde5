"""The object that a stage receives: `Job`.

A module that declares an analysis imports the class for its annotations. So this module imports the parts behind the
class on first use. `worker.attempt` imports them while Lambda initialises the function.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel

from analysis_jobs.authoring.job_files import JobFiles
from analysis_jobs.authoring.job_questions import JobQuestions
from analysis_jobs.authoring.outputs import MISSING, restore_as
from analysis_jobs.base.errors import ConfigurationError, Finished
from analysis_jobs.base.tenants import CANARY_TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from analysis_jobs.authoring.context import AttemptContext
    from analysis_jobs.base.attachment import Attachment
    from analysis_jobs.base.usage import Usage
    from analysis_jobs.documents import Reading
    from analysis_jobs.postgres.database import Database

_CHECKPOINT_NAME = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}")

Request = TypeVar("Request", bound=BaseModel)
Item = TypeVar("Item")
Output = TypeVar("Output")


class Job(JobFiles, JobQuestions, Generic[Request]):
    """One attempt at a job. Every stage of the analysis receives it.

    `request` is the validated input of the job.

    Most methods raise `Stopped` if the attempt must stop: a caller cancelled the job, the lease is lost, or the
    invocation's time is over. `Stopped` is a `BaseException`, so that `except Exception` does not catch it. Let it
    pass. A stage that computes for a long time without calling the job should call `progress` now and then.

    A stage raises `Fail`, `Retry` or `Defer` to end or delay the job. The methods below raise the same errors. The
    guide lists their codes.
    """

    def __init__(self, context: AttemptContext, request: Request) -> None:
        from analysis_jobs.authoring.parts import asker_of, documents_of  # noqa: PLC0415 - see above

        self._context = context
        self._asker = asker_of(context, self._track_answer)
        self._documents = documents_of(context)
        self.request = request

    # The job

    @property
    def job_id(self) -> str:
        """The ID of the job."""
        return self._context.record.job_id

    @property
    def is_canary(self) -> bool:
        """Whether a deployment runs this job to try new code. Nobody waits for its result.

        An analysis that writes to a database or calls another system must not do so for a canary.
        """
        return self._context.record.tenant == CANARY_TENANT

    @property
    def tenant(self) -> str:
        """The tenant that owns the job."""
        return self._context.record.tenant

    @property
    def subject(self) -> str | None:
        """The subject of the job, for example `proposals/42`. None if the job has no subject."""
        return self._context.record.subject

    @property
    def submitted_at(self) -> datetime:
        """When the job was accepted, in UTC. It is the same in every attempt, so use it as today in rules on dates."""
        return self._context.record.created_at

    @property
    def attempt(self) -> int:
        """The number of this attempt, counted from 1."""
        return self._context.record.attempt

    @property
    def usage(self) -> Usage:
        """Model calls and tokens of the job so far, over all attempts."""
        return self._context.report.spending.usage

    def progress(self, percent: int) -> None:
        """Set the progress, 0 to 100. Callers see it after the next heartbeat."""
        self._context.check()
        self._context.report.set_progress(percent)

    def output(self, stage: Callable[..., Any]) -> Any:
        """Return the output of an earlier stage, in the type of its return annotation.

        Raises `KeyError` if the stage has not run.
        """
        return self._context.stage.outputs[stage.__name__]

    def finish(self, result: BaseModel | Mapping[str, Any]) -> NoReturn:
        """End the job now, as completed with this result. Later stages do not run.

        The method raises `Finished`, which is a `BaseException`. Let it pass. `finally` and `with` blocks run as usual.
        """
        self._context.check()
        raise Finished(result)

    # Checkpoints

    def checkpoint(self, name: str, value: Any) -> None:
        """Save partial work. `saved` returns it in the next attempt at this stage.

        Args:
            name: Up to 100 letters, digits and any of `_ . : / -`. The name belongs to this stage.
            value: JSON, pydantic models or dataclasses, up to 5 MB.

        Raises:
            Fail: `checkpoint_invalid`, `checkpoint_too_large`; `checkpoints_too_many` for more than 100 names in a job.
            ConfigurationError: The name is invalid.
        """
        self._context.check()
        survives = self._context.stage.survives_deploys
        self._context.checkpoints.save(self._checkpoint_name(name), value, survives_deploys=survives)

    def saved(self, name: str, default: Any = None, *, kind: Any = Any) -> Any:
        """Return the value that `checkpoint` saved; `default` if there is none, or if it does not fit `kind`.

            claims = job.saved("claims", kind=list[Claim])

        Without `kind`, models are JSON objects under the names of their fields. A checkpoint is valid for one input and
        one code version. New code starts the stage again, unless the stage is declared with `survives_deploys`.
        """
        survives = self._context.stage.survives_deploys
        value = self._context.checkpoints.load(self._checkpoint_name(name), survives_deploys=survives)
        restored = MISSING if value is MISSING else restore_as(kind, value)
        return default if restored is MISSING else restored

    def each(
        self,
        items: Sequence[Item],
        function: Callable[[Item], Output],
        *,
        needs: timedelta = timedelta(),
        at_once: int = 1,
    ) -> list[Output]:
        """Call `function` for every item, and return the outputs in order. Each output is a checkpoint.

        A later attempt calls the function only for the items without a checkpoint. The outputs have the type of the
        function's return annotation. If a call raises an error, running calls finish, no new one starts, and the error
        is raised here.

            pages = job.each(range(1, 41), read_page, at_once=8, needs=timedelta(minutes=1))

        Args:
            items: JSON, pydantic models or dataclasses, for example page numbers.
            function: Takes an item. Returns JSON, a pydantic model or a dataclass, up to 5 MB.
            needs: How long one call may take. If less time is left, the job continues in a new invocation.
            at_once: How many threads call the function.

        Raises:
            Fail: `checkpoint_invalid`, `checkpoint_too_large`.
            ConfigurationError: It is called within another `each`.
        """
        from analysis_jobs.authoring.series import Series  # noqa: PLC0415 - see above

        return Series(self._context, function, len(items)).run(items, needs, at_once)

    def _checkpoint_name(self, name: str) -> str:
        if not _CHECKPOINT_NAME.fullmatch(name):
            raise ConfigurationError(f"checkpoint {name!r}: give up to 100 letters, digits and any of _ . : / -")
        return f"{self._context.stage.name}/{name}"

    # Documents

    def text(self, document: str) -> str:
        """Return the text of an uploaded document, with a form feed between pages. See `read`.

        Raises:
            Fail: `document_no_text` if all pages are empty, and the codes of `read`.
        """
        return self._documents.text(document)

    def read(self, document: str) -> Reading:
        """Return the pages of an uploaded document. The guide lists the kinds of files that are read.

        OCR reads pages that are pictures of text, or lack some of the text that they show. Every page has a
        `confidence` of 0 to 1. Each page that OCR has read is a checkpoint: if the invocation ends before the last
        page, the job continues after it in another one.

            for page in job.read(job.request.document).pages:
                print(page.number, page.text)

        Args:
            document: The name that `POST /uploads` returned. Declare the field as `Document`.

        Raises:
            Fail: `document_not_found`, `document_too_large`, and other codes that begin with `document_` if the
                document cannot be read.
        """
        return self._documents.read(document)

    def page_images(self, document: str, *, pages: Sequence[int] | None = None, dpi: int = 150) -> list[Attachment]:
        """Return pictures of pages of a PDF, or the picture that was uploaded, as attachments for `ask`.

        Args:
            document: See `read`.
            pages: Page numbers, counted from 1. None: all pages.
            dpi: The resolution, 1 to 600.

        Raises:
            Fail: As `read`, and `document_page_missing`.
            ConfigurationError: `pages` or `dpi` is out of range.
        """
        return self._documents.page_images(document, pages, dpi)

    def attachment(self, document: str) -> Attachment:
        """Return an uploaded document as an attachment for `ask`. Raises as `read`."""
        return self._documents.attachment(document)

    # Secrets and databases

    def secret(self, name: str) -> str:
        """Return a secret of the module's `worker.secrets`. It is cached for 5 minutes (setting `SECRET_MAX_AGE_S`).

        Args:
            name: The environment variable that holds the secret's ARN.

        Raises:
            ConfigurationError: The variable does not hold an ARN.
            Fail: `secret_denied`, `secret_not_found`, `secret_invalid`.
        """
        self._context.check()
        return self._context.services.secrets.text(name)

    def secret_json(self, name: str) -> dict[str, Any]:
        """Return a secret that is a JSON object, for example a database login. Raises as `secret`."""
        self._context.check()
        return self._context.services.secrets.json(name)

    def forget_secret(self, name: str) -> None:
        """Drop a secret from the cache. Call it when a server refuses the secret: it may have been rotated."""
        self._context.services.secrets.forget(name)

    def database(self, name: str, *, statement_timeout: timedelta = timedelta(minutes=1)) -> Database:
        """Return a PostgreSQL database. The method does not connect yet. It needs the extra `postgres`.

            with job.database("DATABASE_SECRET").once(job, effect="record") as cursor:
                if cursor is not None:
                    cursor.execute("UPDATE books SET value = %s WHERE id = %s", (value, book))

        Args:
            name: The environment variable that holds the ARN of the login. See `secret`.
            statement_timeout: PostgreSQL cancels a statement that takes longer.
        """
        from analysis_jobs.postgres.connections import LoginSource  # noqa: PLC0415 - import only when used
        from analysis_jobs.postgres.database import Database  # noqa: PLC0415 - import only when used

        ca_bundle = self._context.services.settings.database_ca_bundle
        source = LoginSource(name, lambda: self.secret_json(name), lambda: self.forget_secret(name), ca_bundle)
        return Database(source, self._context, statement_timeout)
