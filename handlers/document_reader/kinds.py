"""Detects the kind of a file from its content. Among the kinds that are text, the name decides."""

import io
import re
import zipfile
from dataclasses import dataclass

from document_reader.encodings import wide_encoding
from document_reader.office.opc import Package
from document_reader.task import UnreadableError


@dataclass(frozen=True)
class Kind:
    """A kind of file: its `name`, as in `Reading.kind`, and its media type."""

    name: str
    media_type: str


PDF = Kind("pdf", "application/pdf")
DOCX = Kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
XLSX = Kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
PPTX = Kind("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation")
ODT = Kind("odt", "application/vnd.oasis.opendocument.text")
TEXT = Kind("text", "text/plain")
CSV = Kind("csv", "text/csv")
EML = Kind("eml", "message/rfc822")
HTML = Kind("html", "text/html")
# As plain text: models that accept XML and JSON as attachments accept them so, and the others accept nothing else.
JSON = Kind("json", "text/plain")
XML = Kind("xml", "text/plain")
RTF = Kind("rtf", "text/rtf")
PNG = Kind("image", "image/png")
JPEG = Kind("image", "image/jpeg")
TIFF = Kind("image", "image/tiff")
WEBP = Kind("image", "image/webp")
HEIC = Kind("image", "image/heic")

# File name extension -> the name of the expected kind. All pictures have one name: a wrong picture extension is common
# and harmless, because the content decides how the picture is read.
EXTENSIONS = {
    "pdf": "pdf",
    **dict.fromkeys(("docx", "docm", "dotx", "dotm"), "docx"),
    **dict.fromkeys(("xlsx", "xlsm", "xltx", "xltm"), "xlsx"),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "ppsm", "potx", "potm"), "pptx"),
    **dict.fromkeys(("odt", "ott"), "odt"),
    **dict.fromkeys(("txt", "md", "log", "jsonl"), "text"),
    **dict.fromkeys(("csv", "tsv"), "csv"),
    **dict.fromkeys(("eml", "mht", "mhtml"), "eml"),
    **dict.fromkeys(("html", "htm", "xhtml"), "html"),
    "json": "json",
    "xml": "xml",
    "rtf": "rtf",
    **dict.fromkeys(("png", "jpg", "jpeg", "tif", "tiff", "webp", "heic", "heif"), "image"),
}
# Any text is one of these if its name says so. RTF is not among them: it must begin with its own header.
_TEXTS = {kind.name: kind for kind in (TEXT, CSV, EML, HTML, JSON, XML)}
# The header may be anywhere within the first 1,024 bytes (ISO 32000, implementation note 13).
_PDF_WINDOW = 1024
_PDF_OBJECT = re.compile(rb"\d\s+\d+\s+obj\b")
# Office files from before 2007, and encrypted ones, are compound files:
# https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_PICTURES = {
    rb"\x89PNG\r\n\x1a\n": PNG,
    rb"\xff\xd8\xff": JPEG,
    rb"II\*\0|MM\0\*": TIFF,
}
# These begin with letters, so a text may begin as they do.
_LETTERED_PICTURES = {
    rb"RIFF....WEBP": WEBP,
    # The brands of HEIF files with HEVC pictures: https://nokiatech.github.io/heif/technical.html
    rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)": HEIC,
}
_UNSUPPORTED = {
    b"GIF8": "a GIF picture",
    b"BM": "a bitmap",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
}
# Control characters that no text contains: all except tab, line ends, vertical tab, form feed and escape.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# A text may have one of them, by damage or as the end mark of DOS; a long text, one among so many bytes.
_BYTES_PER_CONTROL = 200
# How a text begins that is more than plain text, for files with another ending or none.
_BEGINNINGS = (
    (re.compile(r"{\\rtf\d"), RTF),
    (re.compile(r"%!PS-Adobe-"), "PostScript"),
    (re.compile(r"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE), HTML),
    (re.compile(r"\s*<\?xml\s[^>]*>\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE), HTML),
    (re.compile(r"\s*<\?xml\s"), XML),
)
_HEADER_LINE = re.compile(r"[!-9;-~]+:|[ \t]")
_BEGINNING_BYTES = 4096
# The program that opens an Office file -> its kind, or a description of an unsupported one.
_OF_PROGRAM: dict[str, Kind | str] = {
    "word": DOCX,
    "excel": XLSX,
    "excel binary": "a binary workbook (XLSB)",
    "powerpoint": PPTX,
}
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_SUPPORTED = (
    "upload a PDF, DOCX, XLSX, PPTX, ODT, RTF, HTML, EML, text, CSV, JSON, XML, PNG, JPEG, TIFF, WebP or HEIC file"
)
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
    kind = _by_magic(content, expected)
    if isinstance(kind, Kind) and expected in {None, kind.name}:
        return kind
    found = kind if isinstance(kind, str) else _described(kind)
    if expected:
        message = f"is {found}, but its name says {expected}: correct the file or its name"
        raise UnreadableError("document_type_mismatch", message)
    raise UnreadableError("document_unsupported", f"is {found}; {_SUPPORTED}")


def _by_magic(content: bytes, expected: str | None) -> Kind | str:
    """Return the kind, or a description of an unsupported file."""
    for magic, kind in _PICTURES.items():
        if re.match(magic, content):
            return kind
    if content.startswith(_COMPOUND_FILE):
        if _ENCRYPTED_PACKAGE in content:
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
        return "an Office file in a format from before 2007"
    text = _is_text(content)
    if _is_pdf(content, expected, text=text):
        return PDF
    if text:
        return _of_text(content, expected)
    if content.startswith(b"PK\x03\x04"):
        return _of_archive(content)
    for magic, kind in _LETTERED_PICTURES.items():
        if re.match(magic, content, re.DOTALL):
            return kind
    found = (description for magic, description in _UNSUPPORTED.items() if content.startswith(magic))
    return next(found, "of an unknown kind")


def _is_text(content: bytes) -> bool:
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return True
    controls = sum(1 for _ in _BINARY.finditer(content))
    return controls <= max(1, len(content) // _BYTES_PER_CONTROL) or wide_encoding(content) is not None


def _is_pdf(content: bytes, expected: str | None, *, text: bool) -> bool:
    """Tell a PDF from a text about PDFs. Both may be all in ASCII."""
    if b"%PDF-" not in content[:_PDF_WINDOW]:
        return False
    if expected == "pdf" or not text:
        return True
    begins = content.lstrip().startswith(b"%PDF-")
    return begins and b"%%EOF" in content[-_PDF_WINDOW:] and _PDF_OBJECT.search(content) is not None


def _of_text(content: bytes, expected: str | None) -> Kind | str:
    if expected in _TEXTS:
        return _TEXTS[expected]
    beginning = content[:_BEGINNING_BYTES].decode("latin-1").replace("\0", "").lstrip("\xef\xbb\xbf\xff\xfe")
    for pattern, kind in _BEGINNINGS:
        if pattern.match(beginning):
            return kind
    return EML if _is_mail(beginning) else TEXT


def _is_mail(beginning: str) -> bool:
    """Tell whether a text begins with the headers of an e-mail. `MIME-Version` is in all but the oldest."""
    for line in beginning.splitlines():
        if line.lower().startswith("mime-version:"):
            return True
        if not _HEADER_LINE.match(line):
            return False
    return False


def _of_archive(content: bytes) -> Kind | str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = set(archive.namelist())
            program = Package(archive).program() if len(parts) <= MAX_PARTS else None
            media_type = _beginning_of(archive, "mimetype", parts)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise UnreadableError("document_corrupt", f"cannot be unpacked: {type(error).__name__}") from error
    if len(parts) > MAX_PARTS:
        raise UnreadableError("document_too_complex", f"has {len(parts)} parts; at most {MAX_PARTS} are allowed")
    if program:
        return _OF_PROGRAM[program]
    if media_type.startswith(_OPEN_DOCUMENT):
        name = media_type.removeprefix(_OPEN_DOCUMENT).decode("ascii", "replace").strip()
        return ODT if name in {"text", "text-template"} else f"an OpenDocument {name}"
    return "a ZIP archive"


def _beginning_of(archive: zipfile.ZipFile, part: str, parts: set[str]) -> bytes:
    """Return the beginning of a part, or nothing if it is not there or encrypted."""
    if part not in parts or archive.getinfo(part).flag_bits & 1:
        return b""
    with archive.open(part) as opened:
        return opened.read(1 << 20)


def _described(kind: Kind) -> str:
    return kind.media_type.rpartition("/")[2].upper() if kind.name == "image" else kind.name
