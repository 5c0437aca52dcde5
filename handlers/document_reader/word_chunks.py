"""Reads the files within a Word document that Word shows as a part of its text (`w:altChunk`): HTML, MHTML and text.

Programs that turn web pages into Word files often write nothing else. Word converts such a chunk when it opens a file.
"""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

_MARKED = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CHARSET = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_HEADER = re.compile(rb"\s*(?:MIME-Version|Content-Type|From|Subject|Date):", re.IGNORECASE)
_HTML = re.compile(
    r"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype|html|head|body|div|p|table|h\d)\b",
    re.IGNORECASE | re.DOTALL,
)
_HIDDEN = frozenset({"head", "script", "style", "title"})
_BLOCKS = frozenset(
    {"address", "blockquote", "br", "div", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "pre",
     "table", "tr"}
)  # fmt: skip
_CELLS = frozenset({"td", "th"})


def chunk_lines(content: bytes) -> list[str]:
    """Return the lines of a chunk. A chunk whose encoding is unknown has none."""
    charset = None
    if _HEADER.match(content):
        content, charset = _web_page(content)
    text = _decoded(content, charset)
    if text is None:
        return []
    if not _HTML.match(text):
        return text.splitlines()
    page = _Page()
    page.feed(text)
    page.close()
    return page.lines()


def _web_page(content: bytes) -> tuple[bytes, str | None]:
    """Return the page of an MHTML file, which has the form of a mail, and its declared encoding."""
    message = message_from_bytes(content, policy=policy.default)
    for part in message.walk():
        if isinstance(part, EmailMessage) and part.get_content_type() in {"text/html", "text/plain"}:
            payload = part.get_payload(decode=True)
            return (payload if isinstance(payload, bytes) else b""), part.get_content_charset()
    return b"", None


def _decoded(content: bytes, charset: str | None) -> str | None:
    encodings: list[str | None] = [encoding for mark, encoding in _MARKED if content.startswith(mark)]
    if not encodings:
        declared = _CHARSET.search(content)
        encodings = [charset, declared[1].decode("ascii") if declared else None, "utf-8", "cp1252"]
    for encoding in filter(None, encodings):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return None


class _Page(HTMLParser):
    """Collects the text of a web page: a line for each block and each row of a table, with tabs between its cells."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._hidden = 0

    def lines(self) -> list[str]:
        lines = "".join(self._pieces).split("\n")
        cells = ("\t".join(" ".join(cell.split()) for cell in line.split("\t")) for line in lines)
        return [line.rstrip("\t") for line in cells if line.strip()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _CELLS:
            self._pieces.append("\t")
        elif tag in _BLOCKS:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(re.sub(r"\s+", " ", data))
