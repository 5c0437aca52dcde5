"""Documents that a caller uploaded: how they are named, and what was read in them.

They are read in a process of their own (`child`, `document_reader`). Every way in which a file can be bad ends as a
`Fail` with a code of its own: the same bytes would fail again.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import StringConstraints

from analysis_jobs.base.ids import ID_PATTERN

# As `POST /uploads` answers it: the upload's id and the file's name. The tenant is not in it: it is the caller's.
# The name begins with a letter, a digit or an underscore: `..` is none.
_DOCUMENT = rf"{ID_PATTERN}/[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}"
Document = Annotated[str, StringConstraints(pattern=rf"^{_DOCUMENT}$")]


@dataclass(frozen=True)
class Page:
    """A page as it was read: from the file's own text, or by OCR with a `confidence` of 0 to 1. `number` is from 1.

    Of a workbook it is a sheet.
    """

    number: int
    text: str
    source: Literal["text", "ocr"]
    confidence: float | None = None


@dataclass(frozen=True)
class Reading:
    """What was read in a document. `kind` is what it is by its content."""

    kind: Literal["pdf", "docx", "xlsx", "text", "image"]
    pages: tuple[Page, ...]

    @property
    def text(self) -> str:
        """The text of all pages, form feeds between them."""
        return "\f".join(page.text for page in self.pages)


def upload_key(tenant: str, document: str) -> str:
    """Return where a caller's document is in the bucket."""
    return f"uploads/{tenant}/{document}"


def is_document(text: str) -> bool:
    """Tell whether `text` names a document as `POST /uploads` does."""
    return re.fullmatch(_DOCUMENT, text) is not None


def safe_filename(filename: str) -> str:
    """Return `filename` with everything but letters, digits, dot, hyphen and underscore replaced, at most 128 long."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", filename.rsplit("/", 1)[-1].rsplit("\\", 1)[-1])
    return name[-128:].strip("-.") or "document"
