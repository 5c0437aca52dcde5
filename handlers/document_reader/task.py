"""The program's protocol. The file comes on standard input; the answers are lines of JSON on standard output.

{"kind", "media_type", "pages"}                the kind of the file, and its number of pages (null: unknown yet)
{"page", "text", "source", "confidence"}       the text of a page
{"page", "picture", "media_type"}              a picture of a page, in base64: drawn, or for another OCR engine
{"page", "picture", "media_type", "layer"}     the same, with the text of the page that the engine need not read
{"open"}                                       the first line if the process could not be confined: the reason
{"working"}                                    progress: a long step for this page begins
{"error": {"code", "message"}}                 the file cannot be read; the message continues after the file's name
{"missing": {"extra", "module"}}               the package lacks this extra, which can read the file
{"done"}                                       the last line; if it is missing, the program crashed or was killed
"""

import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Emit: TypeAlias = Callable[..., None]

# The program's exit status if it ran out of memory and could still report it.
OUT_OF_MEMORY_STATUS = 12

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class UnreadableError(Exception):
    """The file cannot be read. `message` continues a sentence that begins with the file's name: "has no bytes"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class NotPackagedError(Exception):
    """The package lacks the extra with the library for this kind of file."""

    def __init__(self, extra: str, module: str | None) -> None:
        super().__init__(f"{module} comes with the extra {extra}")
        self.extra = extra
        self.module = module


@contextmanager
def extra(name: str) -> "Iterator[None]":
    """Turn a missing module into `NotPackagedError` for the extra `name`. As in `analysis_jobs.base.extras`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotPackagedError(name, error.name) from error


@dataclass(frozen=True)
class Limits:
    """Limits: pages, pixels of a picture, characters of all pages, bytes of the process's memory (None: no limit)."""

    pages: int
    pixels: int
    characters: int
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Task:
    """What to do with the file.

    `what` is `look` (detect the kind), `read` (emit the text of the pages) or `draw` (emit pictures at `dpi`).
    `pages` selects pages, counted from 1; None selects all. `skip` are pages that are not wanted. `ocr` is the engine
    for pages that are pictures: `tesseract`, `other` (emit the picture for an engine outside of this program) or
    `none`. `languages` are Tesseract's codes of the languages that OCR reads.
    """

    what: str
    name: str
    limits: Limits
    ocr: str = "none"
    pages: tuple[int, ...] | None = None
    dpi: int = 150
    languages: tuple[str, ...] = ("eng",)
    skip: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Task":
        """Return the task from the result of `dataclasses.asdict`."""
        pages = given["pages"]
        return cls(
            **given
            | {
                "limits": Limits(**given["limits"]),
                "pages": None if pages is None else tuple(pages),
                "languages": tuple(given["languages"]),
                "skip": tuple(given["skip"]),
            }
        )

    def wants(self, page: int) -> bool:
        """Tell whether a page is selected. Pages count from 1."""
        return (self.pages is None or page in self.pages) and page not in self.skip


class Budget:
    """Counts the characters that are read, up to the limit."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.characters
        self._left = limits.characters

    def spend(self, characters: int) -> None:
        """Count characters. Raises `UnreadableError` (`document_too_long`) over the limit."""
        self._left -= characters
        if self._left < 0:
            message = f"has more than {self._limit} characters, the limit for one document"
            raise UnreadableError("document_too_long", message)


def require_pages(count: int, limits: Limits) -> None:
    """Check the number of pages. Raises `UnreadableError` for none, and for more than the limit."""
    if count < 1:
        raise UnreadableError("document_corrupt", "has no pages")
    if count > limits.pages:
        raise UnreadableError("document_too_long", f"has {count} pages; at most {limits.pages} are allowed")


def cleaned(text: str) -> str:
    """Return the text without control characters and unpaired surrogates, which other programs refuse."""
    return _UNPRINTABLE.sub("", text).encode("utf-8", "replace").decode()


def debug(message: str) -> None:
    """Write a message to standard error. The worker logs it if the program ends unexpectedly."""
    sys.stderr.write(message + "\n")
