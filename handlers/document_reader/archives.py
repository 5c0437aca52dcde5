"""The parts of an Office file, looked at before anything parses them."""

import io
import zipfile

from document_reader.task import UnreadableError

# Office writes none of these. Entities are how a few hundred bytes of XML become gigabytes.
_DECLARATIONS = tuple(
    mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
_PIECE = 1 << 16
_OVERLAP = 32
# A tree of XML takes some ten times the bytes of its text; what the memory does not hold is refused there.
MOST_UNPACKED_BYTES = 200_000_000


def require_harmless(content: bytes) -> None:
    """Unpack each part once, a piece at a time, and keep nothing.

    Raises UnreadableError: `document_encrypted`, `document_corrupt`, and `document_too_complex` for what unpacks to too
    much or declares entities.
    """
    left = MOST_UNPACKED_BYTES
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for part in archive.infolist():
            if part.flag_bits & 1:
                raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
            # The archive says how large its parts are, and `zipfile` gives out no more than that.
            left -= part.file_size
            if left < 0:
                message = f"unpacks to more than {MOST_UNPACKED_BYTES} bytes"
                raise UnreadableError("document_too_complex", message)
            if part.filename.lower().endswith((".xml", ".rels", ".vml")):
                _require_no_entities(archive, part)


def _require_no_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    with archive.open(part) as opened:
        before = b""
        while piece := opened.read(_PIECE):
            seen = before + piece
            if any(mark in seen for mark in _DECLARATIONS):
                message = f"declares XML entities in {part.filename}, as no Office program does"
                raise UnreadableError("document_too_complex", message)
            before = seen[-_OVERLAP:]
