"""Chooses the module that reads a kind of file."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from document_reader import kinds
from document_reader.kinds import Kind
from document_reader.task import Emit, Limits, Task

# By the name of a kind: the module, and its function that reads.
_MODULES = {
    "csv": ("text.tables", "read"),
    "docx": ("word.document", "read"),
    "eml": ("text.mail", "read"),
    "html": ("text.web", "read"),
    "image": ("ocr.pictures", "read"),
    "json": ("text.structured", "read_json"),
    "odt": ("text.open_text", "read"),
    "pdf": ("pdf.document", "read"),
    "pptx": ("office.slides", "read"),
    "rtf": ("text.rich_text", "read"),
    "text": ("text.plain", "read"),
    "xlsx": ("excel.sheets", "read"),
    "xml": ("text.structured", "read_xml"),
}


@dataclass(frozen=True)
class Reader:
    """How a kind of file is read.

    `look` returns the number of pages, for kinds that can count them cheaply. `draw` emits pictures of the pages, for
    kinds that have pages to draw.
    """

    read: Callable[[bytes, Task, Emit], None]
    look: Callable[[bytes, Limits], int] | None = None
    draw: Callable[[bytes, Task, Emit], None] | None = None


def reader_of(kind: Kind) -> Reader:
    """Return the reader of a kind. Its module and its libraries are imported now, for this kind only."""
    module, function = ("ocr.heif", "read") if kind == kinds.HEIC else _MODULES[kind.name]
    found = import_module(f"document_reader.{module}")
    return Reader(getattr(found, function), getattr(found, "look", None), getattr(found, "draw", None))
