"""Checks the parts of an Office file (a zip archive) before they are parsed."""

import io
import zipfile
import zlib
from contextlib import suppress
from typing import IO

from document_reader.task import UnreadableError

# Office never writes these. With entities, a few hundred bytes of XML can expand to gigabytes.
_DECLARATIONS = tuple(
    mark.encode(encoding) for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
_CHUNK_BYTES = 1 << 16
_OVERLAP_BYTES = 32
_XML_ENDINGS = (".xml", ".rels", ".vml")
# A parsed XML tree takes about ten times the bytes of its text. The process's memory limit catches larger trees.
MAX_UNPACKED_BYTES = 200_000_000


def require_safe_archive(content: bytes) -> None:
    """Check the archive's sizes, and scan its XML parts for entities, one chunk at a time.

    Raises `UnreadableError`: `document_encrypted`, `document_corrupt`, or `document_too_complex` if the archive unpacks
    to too much data or declares XML entities.
    """
    left = MAX_UNPACKED_BYTES
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for part in archive.infolist():
            if part.flag_bits & 1:
                raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
            # The size in the archive can be trusted: `zipfile` never returns more bytes of a part than that.
            left -= part.file_size
            if left < 0:
                message = f"unpacks to more than {MAX_UNPACKED_BYTES} bytes"
                raise UnreadableError("document_too_complex", message)
            if part.filename.lower().endswith(_XML_ENDINGS):
                # A damaged part has no entities. Whether the text needs it is decided later.
                with suppress(zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError):
                    _require_no_entities(archive, part)


def opened(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> IO[bytes]:
    """Open an XML part.

    Raises `UnreadableError` (`document_too_complex`) if it declares XML entities. The name of a part may hide from
    `require_safe_archive` that it is XML.
    """
    if not part.filename.lower().endswith(_XML_ENDINGS):
        _require_no_entities(archive, part)
    return archive.open(part)


def _require_no_entities(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    with archive.open(part) as stream:
        tail = b""
        while chunk := stream.read(_CHUNK_BYTES):
            window = tail + chunk
            if any(mark in window for mark in _DECLARATIONS):
                message = f"declares XML entities in {part.filename}; Office programs never do"
                raise UnreadableError("document_too_complex", message)
            tail = window[-_OVERLAP_BYTES:]
