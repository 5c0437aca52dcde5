"""Documents that a caller uploaded: how they are named, and the text in them.

Every way in which a file can be bad ends as a `Fail` with a code of its own: the same bytes would fail again.
"""

import re
from threading import Lock
from typing import Annotated, Any

from pydantic import StringConstraints

from analysis_jobs.errors import Fail
from analysis_jobs.ids import ID_PATTERN

# As `POST /uploads` answers it: the upload's id and the file's name. The tenant is not in it: it is the caller's.
# The name begins with a letter, a digit or an underscore: `..` is none.
_DOCUMENT = rf"{ID_PATTERN}/[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}"
Document = Annotated[str, StringConstraints(pattern=rf"^{_DOCUMENT}$")]

MAX_PAGES = 2_000
# More than any model reads at once. Far fewer bytes than that unpack to any length: a limit on bytes is none on text.
MAX_CHARACTERS = 5_000_000
# PDFium may be used by one thread at a time, and the jobs of one invocation run in several.
_PDFIUM = Lock()
_PDF_MAGIC = b"%PDF-"
# The specification lets the header stand within the first 1,024 bytes (ISO 32000, implementation note 13).
_MAGIC_WINDOW = 1024


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


def pdf_text(content: bytes, name: str) -> str:
    """Return the text layer of a PDF: pages separated by form feeds, lines by newlines.

    Raises `Fail`: `document_empty`, `document_not_pdf`, `document_encrypted`, `document_corrupt`, `document_too_long`,
    `document_no_text`.
    """
    if not content:
        raise Fail("document_empty", f"{name} has no bytes")
    if _PDF_MAGIC not in content[:_MAGIC_WINDOW]:
        raise Fail("document_not_pdf", f"{name} is not a PDF, whatever its name says")
    with _PDFIUM:
        pages = _pages(content, name)
    if not any(page.strip() for page in pages):
        raise Fail("document_no_text", f"{name} has {len(pages)} pages and no text layer: is it a scan?")
    return "\f".join(pages)


def _pages(content: bytes, name: str) -> list[str]:
    # Imported here: 100 ms that only a worker with a PDF in hand should pay for.
    import pypdfium2  # noqa: PLC0415
    from pypdfium2 import raw  # noqa: PLC0415

    try:
        with pypdfium2.PdfDocument(content) as document:
            if len(document) == 0:
                raise Fail("document_corrupt", f"{name} has no pages")
            if len(document) > MAX_PAGES:
                raise Fail("document_too_long", f"{name} has {len(document)} pages; at most {MAX_PAGES} are read")
            return _texts(document, name)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise Fail("document_encrypted", f"{name} is encrypted: upload it without a password") from error
        raise Fail("document_corrupt", f"{name} cannot be read as a PDF: {error}") from error


def _texts(document: Any, name: str) -> list[str]:
    texts: list[str] = []
    left = MAX_CHARACTERS
    for page in document:
        layer = page.get_textpage()
        left -= layer.count_chars()
        if left < 0:
            raise Fail("document_too_long", f"{name} has more than {MAX_CHARACTERS} characters, the most that are read")
        # PDFium joins a word that a line end divides, and leaves a control character where the hyphen stood.
        texts.append(layer.get_text_bounded().replace("\r\n", "\n").replace("\x02", "-\n"))
        # Now, and not when the garbage is collected: a page holds its fonts and pictures.
        layer.close()
        page.close()
    return texts
