"""Reads uploaded documents, within limits."""

import base64
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import field
from typing import Any, Literal, Protocol, TypeAlias

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.base.values import dataclass
from analysis_jobs.documents import Page, Reading, child
from analysis_jobs.documents.turns import Turns
from document_reader.pdf import merging
from document_reader.task import Limits, Task

Check: TypeAlias = Callable[[], None]

# More than any model accepts. The limit on the file's bytes does not limit its text, which may be compressed.
MAX_CHARACTERS = 5_000_000
_MEGABYTE = 2**20
_MAX_DPI = 600


class OcrEngine(Protocol):
    """Reads the text in a picture (optical character recognition)."""

    def recognise(self, picture: bytes) -> tuple[str, float]:
        """Return the text in a PNG or JPEG, line by line, and a confidence of 0 to 1. Without text: "" and 0."""


@dataclass(frozen=True)
class ReaderLimits:
    """Limits of one document: its pages, the pixels of a picture, the memory (in MB) of the reading process."""

    pages: int = 2_000
    pixels: int = 50_000_000
    memory_mb: int = 512


@dataclass(frozen=True)
class DocumentReader:
    """Reads documents. `ocr` reads pages that are pictures; with None they have no text.

    `turns` limits how many documents are read at a time. So all reading processes together fit into the memory of the
    function, also if an invocation runs many jobs.
    `languages` are those that Tesseract reads, by its codes. Another engine decides itself.
    """

    limits: ReaderLimits = field(default_factory=ReaderLimits)
    turns: Turns = field(default_factory=Turns)
    ocr: Literal["tesseract"] | OcrEngine | None = "tesseract"
    languages: tuple[str, ...] = ("eng",)

    def read(
        self,
        content: bytes,
        name: str,
        check: Check,
        *,
        done: Iterable[Page] = (),
        on_page: Callable[[Page], None] = lambda _: None,
    ) -> Reading:
        """Return the text of every page, by OCR if a page is a picture of text.

        `check` is called several times a second, and may raise. `done` are pages of this content that were read before:
        they are not read again. `on_page` gets each other page as soon as it is read, and may raise. Raises `Fail` with
        a code that begins with `document_`, and `MissingExtraError` if the package lacks the library for this kind of
        file.
        """
        engine = self.ocr or "none"
        ocr = engine if isinstance(engine, str) else "other"
        pages = {page.number: page for page in done}
        skip = tuple(sorted(pages))
        task: dict[str, Any] = {"what": "read", "name": name, "ocr": ocr, "languages": self.languages, "skip": skip}
        # Closed: an error of a page keeps its traceback, which would keep the turn and the reading process.
        with closing(self._run(content, check, **task)) as lines:
            kind = next(lines)["kind"]
            for line in lines:  # only one page's picture is in memory at a time
                page = self._page(line)
                pages[page.number] = page
                on_page(page)
                check()  # an engine outside of the child may take seconds for each of many pages that have arrived
        return Reading(kind, tuple(pages[number] for number in sorted(pages)))

    def draw(
        self, content: bytes, name: str, check: Check, *, pages: Sequence[int] | None, dpi: int
    ) -> list[Attachment]:
        """Return PNG or JPEG pictures of pages, small enough for every supported model.

        `pages` counts from 1; None means all pages. `dpi` does not apply to an uploaded picture. Raises as `read` does,
        and `ConfigurationError` for a wrong `dpi` or page number.
        """
        if not 1 <= dpi <= _MAX_DPI:
            raise ConfigurationError(f"page_images(dpi={dpi}): give a dpi of 1 to {_MAX_DPI}")
        wanted = None if pages is None else tuple(sorted(set(pages)))
        if wanted and wanted[0] < 1:
            raise ConfigurationError(f"page_images(pages=…): there is no page {wanted[0]}; pages count from 1")
        _, *lines = self._run(content, check, what="draw", name=name, pages=wanted, dpi=dpi)
        stem = name.rpartition(".")[0] or name
        return [
            Attachment(base64.b64decode(line["picture"]), line["media_type"], f"{stem}-page-{line['page']}")
            for line in lines
        ]

    def attach(self, content: bytes, name: str, check: Check) -> Attachment:
        """Return the document itself, with the media type of its content. Raises as `read` does."""
        [kind] = self._run(content, check, what="look", name=name)
        return Attachment(content, kind["media_type"], name)

    def _page(self, line: dict[str, Any]) -> Page:
        if "picture" not in line:
            return Page(line["page"], line["text"], line["source"], line.get("confidence", 1.0))
        text, confidence = self.ocr.recognise(base64.b64decode(line["picture"]))  # type: ignore[union-attr]
        if "layer" not in line:
            return Page(line["page"], text, "ocr", confidence)
        settled = merging.settled(merging.Layer.of(line["layer"]), text, confidence)
        return Page(line["page"], settled.text, settled.source, settled.confidence)

    def _run(self, content: bytes, check: Check, **task: Any) -> Generator[dict[str, Any]]:
        limits = Limits(self.limits.pages, self.limits.pixels, MAX_CHARACTERS, self.limits.memory_mb * _MEGABYTE)
        with self.turns.taken(check), closing(child.run(Task(limits=limits, **task), content, check)) as lines:
            yield from (line for line in lines if "working" not in line)


def require_text(reading: Reading, name: str) -> str:
    """Return the text of a reading. Raises `Fail` if all pages are empty."""
    if not any(page.text.strip() for page in reading.pages):
        raise Fail("document_no_text", f"{name} has no text: {len(reading.pages)} pages, all empty")
    return reading.text
