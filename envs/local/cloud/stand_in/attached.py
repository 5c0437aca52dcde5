"""What is in the pictures and documents beside a prompt, as far as a stand-in can read them.

Text files are read as they are, PDFs by their text layer, pictures by OCR; the latter two where the development
environment has what it takes. What cannot be read says so: an answer must not look as if it had been.
"""

import contextlib
import importlib
import io
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

# Bedrock and Gemini count by size and by page; roughly: https://docs.claude.com/en/docs/build-with-claude/vision
PICTURE_TOKENS: Final = 1_600
_LEAST_DOCUMENT_TOKENS: Final = 250
_CHARS_PER_TOKEN: Final = 4
_MOST_PAGES: Final = 200
_ONE_AT_A_TIME = threading.Lock()  # neither PDFium nor Tesseract's start is made for threads
_TEXTS: Final = frozenset({"csv", "html", "md", "txt", "css", "javascript", "markdown", "plain", "rtf", "xml"})
_PICTURES: Final = frozenset({"gif", "heic", "heif", "jpeg", "jpg", "png", "webp"})


@dataclass(frozen=True)
class Attached:
    """A picture or a document: its format as `png` or `pdf`, and its bytes."""

    format: str
    content: bytes
    name: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether it is one."""
        return self.format in _PICTURES

    @cached_property
    def text(self) -> str:
        """What it says; empty where that cannot be read here."""
        return _read(self.format, self.content).strip()

    @property
    def shown(self) -> str:
        """What it says, or that it cannot be read."""
        return self.text or f"[the stand-in model cannot read this {self.format}: {self.name or 'it has no name'}]"

    @property
    def tokens(self) -> int:
        """How many tokens it costs to read."""
        return PICTURE_TOKENS if self.is_picture else max(_LEAST_DOCUMENT_TOKENS, len(self.text) // _CHARS_PER_TOKEN)


def attached(block: Mapping[str, Any]) -> Attached | None:
    """Return what a content block of Converse holds, None where it holds neither picture nor document."""
    for kind in ("image", "document"):
        if found := block.get(kind):
            return Attached(str(found.get("format", "")), found["source"]["bytes"], str(found.get("name", "")))
    return None


@lru_cache(maxsize=64)
def _read(kind: str, content: bytes) -> str:
    read: Callable[[bytes], str] = _pdf if kind == "pdf" else _picture if kind in _PICTURES else _plain
    # Whatever a broken file makes its reader raise: a model would look at it, shrug, and answer all the same.
    with contextlib.suppress(Exception), _ONE_AT_A_TIME:
        return read(content) if kind == "pdf" or kind in _PICTURES or kind in _TEXTS else ""
    return ""


def _plain(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def _pdf(content: bytes) -> str:
    pypdfium2 = _module("pypdfium2")
    if pypdfium2 is None:
        return ""
    with pypdfium2.PdfDocument(content) as document:
        pages = list(document)[:_MOST_PAGES]
        texts = [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in pages]
        if any(text.strip() for text in texts):
            return "\n\n".join(texts)
        return "\n\n".join(_recognized(page.render(scale=200 / 72).to_pil()) for page in pages[:10])


def _picture(content: bytes) -> str:
    image = _module("PIL.Image")
    return "" if image is None else _recognized(image.open(io.BytesIO(content)))


def _recognized(picture: Any) -> str:  # noqa: ANN401 - a picture of PIL's, which may not be here
    tesserocr = _module("tesserocr")
    if tesserocr is None:
        return ""
    data = Path(sys.prefix) / "share" / "tessdata"
    where = {"path": str(data)} if data.is_dir() else {}
    return str(tesserocr.image_to_text(picture.convert("L"), lang="eng", **where))


def _module(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module of the development environment, None where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
