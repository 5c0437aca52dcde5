"""Uploaded documents: their names, and the text read from them.

`child` runs the program `document_reader` in a separate process. A file that cannot be read ends as `Fail`, with a code
for each cause: the same bytes would fail again.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import StringConstraints

from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.base.values import dataclass

# The upload's id and the file's name, as `POST /uploads` returns them. The tenant comes from the caller's token.
# The file's name begins with a letter, a digit or an underscore, so it cannot be `..`.
_DOCUMENT = rf"{ID_PATTERN}/[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}"
Document = Annotated[str, StringConstraints(pattern=rf"^{_DOCUMENT}$")]


@dataclass(frozen=True)
class Page:
    """The text of one page: of a PDF's page, a sheet, a slide, or an e-mail and each of its attachments.

    `number` counts from 1. `source` is `text` for the file's own text, and `ocr` if OCR read the page or a part of it.
    `confidence` is 0 to 1: 1 for text that the file states exactly, less for OCR, for a text layer that does not match
    what is drawn, for a detected encoding and for damaged characters.
    """

    number: int
    text: str
    source: Literal["text", "ocr"]
    confidence: float = 1.0


@dataclass(frozen=True)
class Reading:
    """The text read from a document. `kind` is the file's type, detected from its content."""

    kind: Literal["pdf", "docx", "xlsx", "pptx", "odt", "rtf", "html", "eml", "csv", "json", "xml", "text", "image"]
    pages: tuple[Page, ...]

    @property
    def text(self) -> str:
        """The text of all pages, joined by form feeds."""
        return "\f".join(page.text for page in self.pages)


def upload_key(tenant: str, document: str) -> str:
    """Return the S3 key of a tenant's document."""
    return f"uploads/{tenant}/{document}"


def is_document(text: str) -> bool:
    """Tell whether `text` has the form of a document name from `POST /uploads`."""
    return re.fullmatch(_DOCUMENT, text) is not None


def documents_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value that has the form of a document's name."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text if is_document(text):
                yield text
            case dict() as members:
                waiting += members.values()
            case list() as items:
                waiting += items


def safe_filename(filename: str) -> str:
    """Return a filename of letters, digits, dots, hyphens and underscores, with at most 128 characters.

    Directories are removed. Every run of other characters becomes a hyphen.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", filename.rsplit("/", 1)[-1].rsplit("\\", 1)[-1])
    return name[-128:].strip("-.") or "document"
