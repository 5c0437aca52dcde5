"""The documents of a job: those that its tenant uploaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import Fail
from analysis_jobs.documents import Reading, is_document, upload_key
from analysis_jobs.documents.reader import DocumentReader, require_text
from analysis_jobs.jobs.ports import ArtifactStore, NotFound, TooLarge


@dataclass(frozen=True)
class JobDocuments:
    """What `job.read` and its neighbours do; they raise `Fail` with a code that begins in `document_`."""

    tenant: str
    artifacts: ArtifactStore
    reader: DocumentReader
    max_bytes: int
    check: Callable[[], None]

    def text(self, document: str) -> str:
        """See `Job.text`."""
        return require_text(self.read(document), _name(document))

    def read(self, document: str) -> Reading:
        """See `Job.read`."""
        return self.reader.read(self._content(document), _name(document), self.check)

    def page_images(self, document: str, pages: Sequence[int] | None, dpi: int) -> list[Attachment]:
        """See `Job.page_images`."""
        return self.reader.draw(self._content(document), _name(document), self.check, pages=pages, dpi=dpi)

    def attachment(self, document: str) -> Attachment:
        """See `Job.attachment`."""
        return self.reader.attach(self._content(document), _name(document), self.check)

    def _content(self, document: str) -> bytes:
        if not is_document(document):
            # A key made of it might lead out of the tenant's folder.
            raise Fail("document_not_found", f"{document!r} is not what POST /uploads calls a document")
        try:
            return self.artifacts.read(upload_key(self.tenant, document), self.max_bytes)
        except NotFound as error:
            raise Fail(
                "document_not_found",
                f"{document} was not uploaded, or may not be read by this function ({error})",
            ) from error
        except TooLarge as error:
            message = f"{_name(document)} has {error.size} bytes; at most {self.max_bytes} are read"
            raise Fail("document_too_large", message) from error


def _name(document: str) -> str:
    return document.rsplit("/", 1)[-1]
