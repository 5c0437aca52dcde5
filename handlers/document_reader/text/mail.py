"""Reads e-mails (EML): the headers, the text, and each attachment by its own kind."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from document_reader.encodings import decode
from document_reader.kinds import EML, detect_kind
from document_reader.readers import Reader, reader_of
from document_reader.task import Emit, NotPackagedError, Task, UnreadableError, debug, require_pages
from document_reader.text.plain import with_newlines
from document_reader.text.web import visible_text

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
# A forward of a forward of a forward; real mails seldom go deeper.
_MAX_DEPTH = 5
_MAX_ATTACHMENTS = 200
_MAX_PARTS = 1_000
# Parts that mail programs do not show.
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
_ENCRYPTED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"}


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the headers and the text of the mail as its first page, then the pages of each attachment.

    The first line of an attachment names it. An attachment that cannot be read is a page with the reason, and with the
    confidence 0. Pictures that the text itself shows, such as a signature's logo, are left out.
    """
    _Mail(task, emit).read(content, depth=1)


class _Mail:
    """Counts the pages, characters and attachments of a mail and of all mails within it."""

    def __init__(self, task: Task, emit: Emit) -> None:
        self._task = task
        self._emit = emit
        self._pages = 0
        self._attachments = 0
        self._characters = 0

    def read(self, content: bytes, depth: int) -> None:
        self._emit(working=self._pages + 1)
        message = BytesParser(policy=policy.default).parsebytes(content)
        assert isinstance(message, EmailMessage)  # noqa: S101 - for the type checker: the policy makes it
        if message.get_content_type() in _ENCRYPTED:
            raise UnreadableError("document_encrypted", "is an encrypted e-mail: upload what it contains")
        parts = list(_parts(message))
        text, confidence = _text_of(parts)
        headers = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
        self._page("\n".join([*headers, "", text]).strip("\n"), source="text", confidence=confidence)
        for part in parts:
            if part.is_attachment:
                self._attachment(part, depth)

    def _attachment(self, part: "_Part", depth: int) -> None:
        self._attachments += 1
        if self._attachments > _MAX_ATTACHMENTS:
            raise UnreadableError("document_too_complex", f"has more than {_MAX_ATTACHMENTS} attachments")
        title = f"Attachment: {part.name}"
        try:
            kind = detect_kind(part.content, part.name)
            if kind == EML:
                self._mail_within(part, title, depth)
            else:
                self._pages_of(part, title, reader_of(kind))
        except UnreadableError as error:
            if error.code in {"document_too_long", "document_too_complex"}:
                raise  # the limits are for the mail with all its attachments
            self._unread(f"{title}\n(not read: {part.name} {error.message})")
        except (NotPackagedError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - libraries raise all kinds of errors for a corrupt file
            debug(repr(error))
            self._unread(f"{title}\n(not read: {part.name} cannot be read: {type(error).__name__})")

    def _mail_within(self, part: "_Part", title: str, depth: int) -> None:
        if depth >= _MAX_DEPTH:
            raise UnreadableError("document_too_complex", f"has mails in more than {_MAX_DEPTH} levels")
        self._page(title, source="text", confidence=1.0)
        self.read(part.content, depth + 1)

    def _pages_of(self, part: "_Part", title: str, reader: Reader) -> None:
        before = self._pages
        skip = tuple(page - before for page in self._task.skip if page > before)
        limits = replace(self._task.limits, characters=self._task.limits.characters - self._characters)
        task = replace(self._task, name=part.name, pages=None, skip=skip, limits=limits)

        def relay(**line: Any) -> None:
            if "page" not in line:
                self._emit(working=self._pages + 1)
                return
            number = line["page"]
            self._pages = before + number - 1
            if "text" in line and number == 1:
                line["text"] = f"{title}\n{line['text']}"
            self._page(**{name: value for name, value in line.items() if name != "page"})

        reader.read(part.content, task, relay)
        if reader.look:  # the last pages may have been skipped
            self._pages = before + reader.look(part.content, limits)

    def _unread(self, text: str) -> None:
        self._page(text, source="text", confidence=0.0)

    def _page(self, text: str = "", **line: Any) -> None:
        self._pages += 1
        require_pages(self._pages, self._task.limits)
        self._characters += len(text)
        if self._characters > self._task.limits.characters:
            message = f"has more than {self._task.limits.characters} characters, the limit for one document"
            raise UnreadableError("document_too_long", message)
        if self._task.wants(self._pages):
            self._emit(page=self._pages, **line | ({} if "picture" in line else {"text": text}))


@dataclass(frozen=True)
class _Part:
    """One part of a mail: its media type, its name, its bytes, and whether it is an attachment."""

    media_type: str
    name: str
    content: bytes
    charset: str | None
    is_attachment: bool


def _parts(message: EmailMessage) -> Iterator[_Part]:
    """Yield the parts with content, in their order. The parts of an attached mail belong to that mail."""
    pending: list[EmailMessage] = [message]
    shown = b""
    for count in range(_MAX_PARTS + 1):
        if not pending:
            return
        if count == _MAX_PARTS:
            raise UnreadableError("document_too_complex", f"has more than {_MAX_PARTS} parts")
        part = pending.pop()
        media_type = part.get_content_type()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            payload: list[Any] = list(part.get_payload())
            pending.extend(each for each in reversed(payload) if isinstance(each, EmailMessage))
            continue
        if media_type in _SIGNATURES:
            continue
        content = _content(part)
        name = _filename(part, media_type)
        is_text = media_type in {"text/plain", "text/html"}
        is_attachment = not is_text or part.get_content_disposition() == "attachment"
        if media_type == "text/html" and not is_attachment:
            shown += content
        identifier = str(part.get("Content-ID", "")).strip(" <>")
        if identifier and part.get_content_maintype() == "image" and f"cid:{identifier}".encode() in shown:
            continue
        yield _Part(media_type, name, content, part.get_content_charset(), is_attachment)


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822" and part.is_multipart():
        return part.get_payload()[0].as_bytes()  # type: ignore[union-attr,index]
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else str(part.get_payload()).encode("utf-8", "replace")


def _filename(part: EmailMessage, media_type: str) -> str:
    try:
        name = part.get_filename() or ""
    except (MessageError, ValueError, LookupError):
        name = ""
    name = "".join(character for character in name.replace("\\", "/").rpartition("/")[2] if character.isprintable())
    if media_type == "message/rfc822":
        return name if name.lower().endswith(".eml") else f"{name or 'message'}.eml"
    return name or "attachment"


def _text_of(parts: list[_Part]) -> tuple[str, float]:
    """Return the text of a mail, from its plain parts or, without any, from its HTML; and the confidence in it."""
    texts = [part for part in parts if not part.is_attachment]
    chosen = [part for part in texts if part.media_type == "text/plain" and part.content.strip()] or texts
    found, confidence = [], 1.0
    for part in chosen:
        if not part.content.strip():
            continue
        decoded = decode(part.content, part.charset)
        text = visible_text(decoded.text) if part.media_type == "text/html" else with_newlines(decoded.text)
        found.append(text.strip("\n"))
        confidence = min(confidence, decoded.confidence_of(text))
    return "\n\n".join(found), confidence


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (MessageError, ValueError, LookupError, AttributeError, IndexError):  # of damaged headers
        return ""
