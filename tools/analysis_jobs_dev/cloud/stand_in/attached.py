"""The text of the pictures and documents beside a prompt, read as the product reads uploads: text layer, OCR."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

from analysis_jobs.base.errors import JobError
from analysis_jobs.documents.reader import DocumentReader

# Vendors count by size and by page. Roughly: https://docs.claude.com/en/docs/build-with-claude/vision
PICTURE_TOKENS: Final = 1_600
_LEAST_DOCUMENT_TOKENS: Final = 250
CHARS_PER_TOKEN: Final = 4
_PICTURES: Final = frozenset({"gif", "heic", "heif", "jpeg", "png", "webp"})
_READ_ELSEWHERE: Final = frozenset({"pdf", "docx", "xlsx", *_PICTURES})


@dataclass(frozen=True)
class Attached:
    """A picture or a document: its format, such as `png` or `pdf`, its bytes, and the name that the caller gave it."""

    format: str
    content: bytes
    name: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture."""
        return self.format in _PICTURES

    @cached_property
    def text(self) -> str:
        """Its text, or a line that says that the stand-in cannot read it."""
        unreadable = f"[the stand-in model cannot read this {self.format}: {self.name or 'without a name'}]"
        return _read(self.format, self.content).strip() or unreadable

    @property
    def tokens(self) -> int:
        """How many tokens it costs to read."""
        return PICTURE_TOKENS if self.is_picture else max(_LEAST_DOCUMENT_TOKENS, len(self.text) // CHARS_PER_TOKEN)


def attached(block: Mapping[str, Any]) -> Attached | None:
    """Return the picture or document in a content block of Converse, None if there is neither."""
    for kind in ("image", "document"):
        if found := block.get(kind):
            return Attached(str(found.get("format", "")), found["source"]["bytes"], str(found.get("name", "")))
    return None


@lru_cache(maxsize=64)
def _read(kind: str, content: bytes) -> str:
    if kind not in _READ_ELSEWHERE:
        return content.decode("utf-8", errors="replace")
    try:
        return DocumentReader().read(content, f"attached.{kind}", lambda: None).text.replace("\f", "\n\n")
    except JobError:
        return ""
