"""What an analysis sees of its job."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, overload

from pydantic import BaseModel

from analysis_jobs.authoring.asker import DEFAULT_MAX_TOKENS, Asker
from analysis_jobs.authoring.checkpoints import MISSING
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.documents import JobDocuments
from analysis_jobs.authoring.files import json_file
from analysis_jobs.authoring.series import Series
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import ConfigurationError, Finished
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import Reading
from analysis_jobs.prompts import Prompt, RenderedPrompt

if TYPE_CHECKING:
    from analysis_jobs.postgres.database import Database

_CHECKPOINT_NAME = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}")


class Job[Request: BaseModel]:
    """One attempt at a job, as its stages see it.

    Any use of it raises `Stopped` once the attempt must stop. `Stopped` is not an `Exception`.
    """

    def __init__(self, context: AttemptContext, request: Request) -> None:
        services, record = context.services, context.record
        self._context = context
        self._asker = Asker(
            services.model, context.model_id, record.job_id, context.report.spending, context.control, self._follow
        )
        self._documents = JobDocuments(
            record.tenant,
            services.artifacts,
            services.documents,
            services.settings.max_document_bytes,
            context.check,
        )
        self.request = request

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._context.record.job_id

    @property
    def tenant(self) -> str:
        """Who owns the job."""
        return self._context.record.tenant

    @property
    def subject(self) -> str | None:
        """What is analysed, as `proposals/42`."""
        return self._context.record.subject

    @property
    def submitted_at(self) -> datetime:
        """When the job was accepted: the same in every attempt, as a rule that knows of today wants it."""
        return self._context.record.created_at

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._context.record.attempt

    @property
    def usage(self) -> Usage:
        """What the job's model calls consumed so far, over all attempts."""
        return self._context.report.spending.usage

    def progress(self, percent: int) -> None:
        """Say how far the job is, 0 to 100; callers see it with the next heartbeat."""
        self._context.check()
        self._context.report.set_progress(percent)

    def finish(self, result: BaseModel | Mapping[str, Any]) -> NoReturn:
        """End the job now, as completed with this result of its analysis; later stages do not run.

        It raises what is no `Exception`, so that none is mistaken for it; `finally` and `with` blocks are left as by
        any other.
        """
        self._context.check()
        raise Finished(result)

    def output(self, stage: Callable[..., Any]) -> Any:
        """Return what an earlier stage returned."""
        return self._context.stage.outputs[stage.__name__]

    def write_once(self, name: str, content: bytes, content_type: str) -> bool:
        """Keep a file of the job, at `files/<name>` in its folder of the bucket; return whether it was new.

        A side effect that is keyed by the job: whichever attempt writes first, its file stays, and doing it again
        changes nothing. Callers download it as one of `save_file`, and it raises what that raises.
        """
        self._context.check()
        return self._context.report.files.save_once(name, content, content_type)

    def save_file(self, name: str, content: bytes, content_type: str) -> None:
        """Keep a file of the job, which callers download; what is saved later under the same name replaces it.

        It is shown from the next checkpoint on, at the latest with the end of the stage. Raises `Fail` for a name that
        is more than letters, digits, dot, hyphen and underscore, for more than 50 MB, and for more than 25 files.
        """
        self._context.check()
        self._context.report.files.save(name, content, content_type)

    def save_json(self, name: str, value: Any) -> None:
        """Keep a value (models and dates too) as indented JSON; see `save_file`. Raises `Fail` for what is none."""
        self.save_file(name, json_file(name, value), "application/json")

    def save_csv(self, name: str, rows: Sequence[BaseModel], *, columns: type[BaseModel] | None = None) -> None:
        """Keep rows as a file of comma-separated values, as Excel reads it; see `save_excel` and `save_file`."""
        from analysis_jobs.tables.spreadsheets import CSV_TYPE, csv_file  # noqa: PLC0415 - only who writes one pays for it

        self.save_file(name, csv_file(rows, columns), CSV_TYPE)

    def save_excel(
        self,
        name: str,
        rows: Sequence[BaseModel],
        *,
        sheet: str = "Sheet1",
        title: str | None = None,
        columns: type[BaseModel] | None = None,
    ) -> None:
        """Keep rows as an Excel workbook of one sheet, a column a field; see `save_file`. It needs the extra `excel`.

        A field's `title` heads its column. `title` goes above the header, `columns` names the model where there may be
        no rows. Raises `Fail` for rows of different models, and for more than a sheet holds.
        """
        from analysis_jobs.tables.spreadsheets import EXCEL_TYPE, excel_file  # noqa: PLC0415 - as above

        self.save_file(name, excel_file(rows, columns, sheet=sheet, title=title), EXCEL_TYPE)

    def checkpoint(self, name: str, value: Any) -> None:
        """Keep partial work (JSON) under a name: `saved` gives it back to the next attempt of the stage.

        Raises `Fail` for what is no JSON, for more than 5 MB, and for more than 100 names.
        """
        self._context.check()
        survives = self._context.stage.survives_deploys
        self._context.checkpoints.save(self._named(name), value, survives_deploys=survives)

    def saved(self, name: str, default: Any = None) -> Any:
        """Return what `checkpoint` kept for this input and this version of the code, else `default`."""
        survives = self._context.stage.survives_deploys
        value = self._context.checkpoints.load(self._named(name), survives_deploys=survives)
        return default if value is MISSING else value

    def each[Item, Output](
        self,
        items: Sequence[Item],
        function: Callable[[Item], Output],
        *,
        needs: timedelta = timedelta(),
        at_once: int = 1,
    ) -> list[Output]:
        """Return `function` of each item (both JSON), with a checkpoint an item: no item is done twice.

        Items are done one after the other, or in `at_once` threads. Where less than `needs` is left of the invocation,
        the job goes on with the next item in another one.
        """
        return Series(self._context, function, len(items)).run(items, needs, at_once)

    def _named(self, name: str) -> str:
        if not _CHECKPOINT_NAME.fullmatch(name):
            raise ConfigurationError(f"checkpoint {name!r}: give up to 100 letters, digits and any of _ . : / -")
        return f"{self._context.stage.name}/{name}"

    def text(self, document: str) -> str:
        """Return the text of a document that the caller uploaded, form feeds between pages; see `read`.

        Raises `Fail` (`document_no_text`) where there is none.
        """
        return self._documents.text(document)

    def read(self, document: str) -> Reading:
        """Return the pages of a document that the caller uploaded: PDF, DOCX, XLSX, text or a picture.

        Where a page is a picture of text it is read by OCR, with a confidence. Raises `Fail` with a code that begins in
        `document_` where there is no such file or it cannot be read.
        """
        return self._documents.read(document)

    def page_images(self, document: str, *, pages: Sequence[int] | None = None, dpi: int = 150) -> list[Attachment]:
        """Return pictures of pages (from 1; None: of all) of a PDF or of a picture, for models that read pictures.

        Raises as `read`.
        """
        return self._documents.page_images(document, pages, dpi)

    def attachment(self, document: str) -> Attachment:
        """Return the document itself, for models that take PDFs and pictures. Raises as `read`."""
        return self._documents.attachment(document)

    def prompt(self, name: str, *, category: str, default: Prompt, **values: str) -> RenderedPrompt:
        """Return the active prompt `section/sub-section` of a category, or the default, with `values` put in."""
        section, _, sub_section = name.partition("/")
        prompt = self._context.services.prompts.active(section, sub_section, category) or default
        rendered = prompt.render(values)
        self._context.report.used_prompt(self._context.stage.name, rendered.source)
        return rendered

    def secret(self, name: str) -> str:
        """Return the secret whose ARN the environment variable `name` holds: one of the module's `worker.secrets`.

        It is kept in memory for a few minutes. Raises `ConfigurationError` where the variable holds no ARN, `Fail` with
        a code that begins in `secret_` where AWS does not give it.
        """
        self._context.check()
        return self._context.services.secrets.text(name)

    def secret_json(self, name: str) -> dict[str, Any]:
        """Return a secret that is a JSON object, as Secrets Manager's own of databases. Raises as `secret`."""
        self._context.check()
        return self._context.services.secrets.json(name)

    def forget_secret(self, name: str) -> None:
        """Ask AWS again the next time: for when a secret was refused, which may have been rotated."""
        self._context.services.secrets.forget(name)

    def database(self, name: str, *, statement_timeout: timedelta = timedelta(minutes=1)) -> "Database":
        """Return the PostgreSQL database whose credentials are the secret `name`. It needs the extra `postgres`.

        Nothing is connected yet; one connection is kept while the function is warm.
        """
        from analysis_jobs.postgres.connections import Source  # noqa: PLC0415 - as above
        from analysis_jobs.postgres.database import Database  # noqa: PLC0415 - as above

        ca_bundle = self._context.services.settings.database_ca_bundle
        source = Source(name, lambda: self.secret_json(name), lambda: self.forget_secret(name), ca_bundle)
        return Database(source, self._context, statement_timeout)

    @overload
    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        attachments: Sequence[Attachment] = ...,
        max_tokens: int = ...,
        model_id: str | None = None,
    ) -> str: ...

    @overload
    def ask[Answer: BaseModel](
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[Answer],
        attachments: Sequence[Attachment] = ...,
        max_tokens: int = ...,
        model_id: str | None = None,
    ) -> Answer: ...

    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[BaseModel] | None = None,
        attachments: Sequence[Attachment] = (),
        max_tokens: int = DEFAULT_MAX_TOKENS,
        model_id: str | None = None,
    ) -> BaseModel | str:
        """Ask a model, with pictures and documents beside the prompt; `gemini-…` is Google's, every other Bedrock's.

        With `answer`, in that pydantic model's shape, with one repair turn where it does not fit. Raises `Fail`,
        `Retry` or `Defer`, as the model's error deserves.
        """
        return self._asker.ask(prompt, answer=answer, attachments=attachments, max_tokens=max_tokens, model_id=model_id)

    def _follow(self) -> Callable[[float], None]:
        """Return what moves the progress while an answer arrives. Within `each` the finished items move it."""
        report, stage = self._context.report, self._context.stage
        begun_at = report.percent

        def move(share: float) -> None:
            if not stage.in_series:
                report.move_progress(begun_at, share)

        return move
