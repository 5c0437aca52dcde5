"""Reads PDF files with PDFium."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2
from pypdfium2 import raw

from document_reader.ocr.raster import emit_picture
from document_reader.pdf import annotations
from document_reader.pdf import page as pdf_page
from document_reader.task import Budget, Emit, Limits, Task, UnreadableError, require_pages


def look(content: bytes, limits: Limits) -> int:
    """Return the number of pages. Raises `UnreadableError`, like every function here."""
    with _opened(content, limits) as document:
        return len(document)


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text of each page: its text layer with its annotations, OCR of what the layer lacks, or both."""
    budget = Budget(task.limits)
    with _opened(content, task.limits) as document:
        annotations.refuse_xfa(document)
        for number in _wanted(document, task):
            try:
                pdf_page.read(document, number, budget, task, emit)
            except pypdfium2.PdfiumError:
                if len(document) == 1:
                    raise
                # One broken page does not spoil the others. Its confidence says that it was not read.
                emit(page=number, text="", source="text", confidence=0.0)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Emit a colour picture of each page, with the values of its form."""
    with _opened(content, task.limits) as document:
        for number in _wanted(document, task):
            emit(working=number)
            page = document[number - 1]
            try:
                emit_picture(number, pdf_page.drawn(page, task.dpi, task.limits.pixels, grey=False), emit)
            finally:
                # Free the page's fonts and pictures now, not at the next garbage collection.
                page.close()


def _wanted(document: Any, task: Task) -> Iterator[int]:
    return (number for number in range(1, len(document) + 1) if task.wants(number))


@contextmanager
def _opened(content: bytes, limits: Limits) -> Iterator[Any]:
    logging.getLogger("pypdfium2").setLevel(logging.ERROR)  # its hints are for developers
    try:
        with pypdfium2.PdfDocument(content) as document:
            require_pages(len(document), limits)
            _open_forms(document)
            yield document
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password") from error
        raise UnreadableError("document_corrupt", f"cannot be read as a PDF: {error}") from error


def _open_forms(document: Any) -> None:
    """Make form values readable. A document with a broken form is read without them."""
    try:
        document.init_forms()
    except pypdfium2.PdfiumError:
        return
