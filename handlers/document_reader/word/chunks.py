"""Reads the files within a Word document that Word shows as a part of its text (`w:altChunk`): HTML, MHTML and text.

Programs that turn web pages into Word files often write nothing else. Word converts such a chunk when it opens a file.
"""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

from document_reader.encodings import decode
from document_reader.text.web import declared_encoding, visible_text

_HEADER = re.compile(rb"\s*(?:MIME-Version|Content-Type|From|Subject|Date):", re.IGNORECASE)
_HTML = re.compile(
    r"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype|html|head|body|div|p|table|h\d)\b",
    re.IGNORECASE | re.DOTALL,
)


def chunk_lines(content: bytes) -> list[str]:
    """Return the lines of a chunk. Raises `UnreadableError` if its encoding is unknown: its text would be missing."""
    charset = None
    if _HEADER.match(content):
        content, charset = _web_page(content)
    text = decode(content, charset or declared_encoding(content)).text
    shown = visible_text(text) if _HTML.match(text) else text
    return [line for line in shown.splitlines() if line.strip()]


def _web_page(content: bytes) -> tuple[bytes, str | None]:
    """Return the page of an MHTML file, which has the form of a mail, and its declared encoding."""
    message = message_from_bytes(content, policy=policy.default)
    for part in message.walk():
        if isinstance(part, EmailMessage) and part.get_content_type() in {"text/html", "text/plain"}:
            payload = part.get_payload(decode=True)
            return (payload if isinstance(payload, bytes) else b""), part.get_content_charset()
    return b"", None
