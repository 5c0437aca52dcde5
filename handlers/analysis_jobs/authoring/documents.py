"""Reads the documents that a job's tenant uploaded."""

from collections.abc import Callable, Sequence

from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.pinned import PinnedVersions
from analysis_jobs.authoring.read_pages import ReadPages
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import Fail
from analysis_jobs.base.values import dataclass
from analysis_jobs.documents import Reading, is_document, upload_key
from analysis_jobs.documents.reader import DocumentReader, require_text
from analysis_jobs.jobs.ports import ArtifactStore, NotFound, TooLarge


@dataclass(frozen=True)
class JobDocuments:
    """Implements the document methods of `Job`. They raise `Fail` with a code that begins with `document_`.

    `check` raises `Stopped` if the attempt must stop. `context` has the checkpoints for the pages that OCR reads.
    """

    tenant: str
    artifacts: ArtifactStore
    pinned: PinnedVersions
    reader: DocumentReader
    max_bytes: int
    check: Callable[[], None]
    context: AttemptContext

    def text(self, document: str) -> str:
        """See `Job.text`."""
        return require_text(self.read(document), _filename(document))

    def read(self, document: str) -> Reading:
        """See `Job.read`."""
        content = self._content(document)
        kept = ReadPages(self.context, document, content)
        return self.reader.read(content, _filename(document), self.check, done=kept.saved(), on_page=kept.save)

    def page_images(self, document: str, pages: Sequence[int] | None, dpi: int) -> list[Attachment]:
        """See `Job.page_images`."""
        return self.reader.draw(self._content(document), _filename(document), self.check, pages=pages, dpi=dpi)

    def attachment(self, document: str) -> Attachment:
        """See `Job.attachment`."""
        return self.reader.attach(self._content(document), _filename(document), self.check)

    def _content(self, document: str) -> bytes:
        if not is_document(document):
            # Any other text could lead to a key outside the tenant's folder.
            raise Fail(
                "document_not_found", f"{document!r} is not a document: give the name that POST /uploads returned"
            )
        try:
            version = self.pinned.version_of(document)
            return self.artifacts.read(upload_key(self.tenant, document), self.max_bytes, version)
        except NotFound as error:
            raise Fail(
                "document_not_found",
                f"{document} was not uploaded before the job was submitted, or this function has no permission to read "
                f"it ({error})",
            ) from error
        except TooLarge as error:
            message = f"{_filename(document)} has {error.size} bytes; the limit is {self.max_bytes}"
            raise Fail("document_too_large", message) from error


def _filename(document: str) -> str:
    return document.rsplit("/", 1)[-1]
