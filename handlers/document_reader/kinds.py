"""Detects the kind of a file from its content, not from its name."""

import io
import re
import zipfile
from dataclasses import dataclass

from document_reader.opc import Package
from document_reader.task import UnreadableError


@dataclass(frozen=True)
class Kind:
    """A kind of file: its `name`, as in `Reading.kind`, and its media type."""

    name: str
    media_type: str


PDF = Kind("pdf", "application/pdf")
DOCX = Kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
XLSX = Kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
TEXT = Kind("text", "text/plain")
PNG = Kind("image", "image/png")
JPEG = Kind("image", "image/jpeg")
TIFF = Kind("image", "image/tiff")
WEBP = Kind("image", "image/webp")

# File name extension -> the name of the expected kind. All pictures have one name: a wrong picture extension is common
# and harmless, because the content decides how the picture is read.
EXTENSIONS = {
    "pdf": "pdf",
    **dict.fromkeys(("docx", "docm", "dotx", "dotm"), "docx"),
    **dict.fromkeys(("xlsx", "xlsm", "xltx", "xltm"), "xlsx"),
    **dict.fromkeys(("txt", "md", "csv", "tsv", "json", "xml", "html", "htm", "log"), "text"),
    **dict.fromkeys(("png", "jpg", "jpeg", "tif", "tiff", "webp"), "image"),
}
# The header may be anywhere within the first 1,024 bytes (ISO 32000, implementation note 13).
_PDF_WINDOW = 1024
# Office files from before 2007, and encrypted ones, are compound files:
# https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_PICTURES = {
    rb"\x89PNG\r\n\x1a\n": PNG,
    rb"\xff\xd8\xff": JPEG,
    rb"II\*\0|MM\0\*": TIFF,
    rb"RIFF....WEBP": WEBP,
}
_UNSUPPORTED = {
    b"GIF8": "a GIF picture",
    b"BM": "a bitmap",
    b"{\\rtf": "rich text (RTF)",
    b"%!PS": "PostScript",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
# Control characters that no text contains: all except tab, line ends, vertical tab, form feed and escape.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# The program that opens an Office file -> its kind, or a description of an unsupported one.
_OF_PROGRAM: dict[str, Kind | str] = {
    "word": DOCX,
    "excel": XLSX,
    "excel binary": "a binary workbook (XLSB)",
    "powerpoint": "a presentation (PPTX)",
}
_SUPPORTED = "upload a PDF, DOCX, XLSX, text, PNG, JPEG, TIFF or WebP file"
MAX_PARTS = 10_000


def detect_kind(content: bytes, name: str) -> Kind:
    """Return the kind of `content`.

    Raises `UnreadableError`: `document_empty`, `document_encrypted` (Office files), `document_unsupported`,
    `document_corrupt` (an archive that cannot be opened), `document_too_complex` (an archive of too many parts), or
    `document_type_mismatch` if the extension of `name` stands for another kind.
    """
    if not content:
        raise UnreadableError("document_empty", "has no bytes")
    expected = EXTENSIONS.get(name.rpartition(".")[2].lower())
    kind = _by_magic(content)
    if isinstance(kind, Kind) and expected in {None, kind.name}:
        return kind
    found = kind if isinstance(kind, str) else _described(kind)
    if expected:
        message = f"is {found}, but its name says {expected}: correct the file or its name"
        raise UnreadableError("document_type_mismatch", message)
    raise UnreadableError("document_unsupported", f"is {found}; {_SUPPORTED}")


def _by_magic(content: bytes) -> Kind | str:
    """Return the kind, or a description of an unsupported file."""
    for magic, kind in _PICTURES.items():
        if re.match(magic, content, re.DOTALL):
            return kind
    if content.startswith(b"PK\x03\x04"):
        return _of_archive(content)
    if b"%PDF-" in content[:_PDF_WINDOW]:
        return PDF
    if content.startswith(_COMPOUND_FILE):
        if _ENCRYPTED_PACKAGE in content:
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
        return "an Office file in a format from before 2007"
    for magic, description in _UNSUPPORTED.items():
        if content.startswith(magic) and (len(magic) > len(b"BM") or _BINARY.search(content)):
            return description
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or not _BINARY.search(content):
        return TEXT
    return "of an unknown kind"


def _of_archive(content: bytes) -> Kind | str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = set(archive.namelist())
            program = Package(archive).program() if len(parts) <= MAX_PARTS else None
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise UnreadableError("document_corrupt", f"cannot be unpacked: {type(error).__name__}") from error
    if len(parts) > MAX_PARTS:
        raise UnreadableError("document_too_complex", f"has {len(parts)} parts; at most {MAX_PARTS} are allowed")
    return _OF_PROGRAM.get(program or "", "a ZIP archive")


def _described(kind: Kind) -> str:
    return kind.media_type.rpartition("/")[2].upper() if kind.name == "image" else kind.name
