"""What the program is asked to do, and how it answers: lines of JSON on standard output.

The file comes on standard input. Answers, one a line:
    {"kind", "media_type", "pages"}                what the file is, and how many pages it has
    {"page", "text", "source", "confidence"}       a page that was read
    {"page", "picture", "media_type"}              a page that was drawn, or that somebody else is to read: base64
    {"working"}                                    a sign of life before something that takes long
    {"error": {"code", "message"}}                 the file cannot be read; the message goes behind the file's name
    {"missing": {"extra", "module"}}               it could, if the package carried this extra
    {"done"}                                       the last line: without it the program was cut off
"""

import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

type Emit = Callable[..., None]

# The program's exit status where it ran out of memory and could still tell.
OUT_OF_MEMORY = 12

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class UnreadableError(Exception):
    """The file is bad, for the reason of this code; `message` is a predicate: it goes behind the file's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class NotPackagedError(Exception):
    """What reads this kind of file comes with an extra that the package does not carry."""

    def __init__(self, extra: str, module: str | None) -> None:
        super().__init__(f"{module} comes with the extra {extra}")
        self.extra = extra
        self.module = module


@contextmanager
def extra(name: str) -> "Iterator[None]":
    """Say that what is imported within comes with the extra `name`; see `analysis_jobs.base.extras`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotPackagedError(name, error.name) from error


@dataclass(frozen=True)
class Limits:
    """How much of a file is taken: pages, pixels a picture, characters of all pages, bytes of memory (None: any)."""

    pages: int
    pixels: int
    characters: int
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Task:
    """What to do with the file on standard input.

    `what`: `look` says what it is; `read` gives the text of its pages; `draw` gives pictures of `pages` (None: of all),
    at `dpi`. `ocr`: who reads pictures of text: `tesseract`; `other`, who is given the pictures; `none`.
    """

    what: str
    name: str
    limits: Limits
    ocr: str = "none"
    pages: tuple[int, ...] | None = None
    dpi: int = 150

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Task":
        """Return the task as `dataclasses.asdict` gave it away."""
        pages = given["pages"]
        return cls(**given | {"limits": Limits(**given["limits"]), "pages": None if pages is None else tuple(pages)})

    def wants(self, page: int) -> bool:
        """Tell whether a page, from 1, is asked for."""
        return self.pages is None or page in self.pages


class Budget:
    """Counts the characters that were read."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.characters
        self._left = limits.characters

    def spend(self, characters: int) -> None:
        """Take characters. Raises UnreadableError where there are no more."""
        self._left -= characters
        if self._left < 0:
            message = f"has more than {self._limit} characters, the most that are read"
            raise UnreadableError("document_too_long", message)


def require_pages(count: int, limits: Limits) -> None:
    """Refuse more pages than are read, and none."""
    if count < 1:
        raise UnreadableError("document_corrupt", "has no pages")
    if count > limits.pages:
        raise UnreadableError("document_too_long", f"has {count} pages; at most {limits.pages} are read")


def cleaned(text: str) -> str:
    """Return text without what no program after this one takes: control characters, halves of surrogate pairs."""
    return _UNPRINTABLE.sub("", text).encode("utf-8", "replace").decode()


def debug(message: str) -> None:
    """Say something for the log, which shows it where the program ends in a way that nobody foresaw."""
    sys.stderr.write(message + "\n")
