"""Reads PDF files with PDFium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2
from pypdfium2 import raw

from document_reader import recognition
from document_reader.raster import Raster, emit_picture
from document_reader.task import Budget, Emit, Limits, Task, UnreadableError, cleaned, require_pages

_POINTS_PER_INCH = 72
# A page with fewer letters than this, mostly covered by a picture, is a scan with a stamp or a page number.
_MAX_LETTERS_OF_A_SCAN = 60
_MIN_COVERED_BY_A_SCAN = 0.5
_PICTURES = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING, raw.FPDF_PAGEOBJ_FORM)


def look(content: bytes, limits: Limits) -> int:
    """Return the number of pages. Raises `UnreadableError`, like every function here."""
    with _opened(content, limits) as document:
        return len(document)


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text of each page: its text layer, or by OCR if the page is a picture."""
    budget = Budget(task.limits)

    def read_page(page: Any, number: int) -> None:
        text, is_picture = _text_layer(page, budget)
        if is_picture and task.ocr != "none":
            recognition.read_picture(lambda: _for_ocr(page, task.limits), number, task, emit)
        else:
            emit(page=number, text=text, source="text")

    _for_each_page(content, task, read_page)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Emit a colour picture of each page."""

    def draw_page(page: Any, number: int) -> None:
        emit(working=number)
        emit_picture(number, _rendered(page, task.dpi, task.limits.pixels, grey=False), emit)

    _for_each_page(content, task, draw_page)


def _for_each_page(content: bytes, task: Task, handle: Callable[[Any, int], None]) -> None:
    with _opened(content, task.limits) as document:
        for number in range(1, len(document) + 1):
            if not task.wants(number):
                continue
            page = document[number - 1]
            try:
                handle(page, number)
            finally:
                # Free the page's fonts and pictures now, not at the next garbage collection.
                page.close()


@contextmanager
def _opened(content: bytes, limits: Limits) -> Iterator[Any]:
    try:
        with pypdfium2.PdfDocument(content) as document:
            require_pages(len(document), limits)
            yield document
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password") from error
        raise UnreadableError("document_corrupt", f"cannot be read as a PDF: {error}") from error


def _text_layer(page: Any, budget: Budget) -> tuple[str, bool]:
    """Return the text layer of a page, and whether the page's text is in a picture instead."""
    layer = page.get_textpage()
    try:
        budget.spend(layer.count_chars())
        # PDFium joins a hyphenated word across lines, and replaces the hyphen with a control character.
        text = layer.get_text_bounded().replace("\r\n", "\n").replace("\x02", "-\n")
    finally:
        layer.close()
    letters = sum(not character.isspace() for character in cleaned(text))
    if letters == 0:
        # No readable letters: either the font lacks a Unicode table, or there is no text, only drawn objects.
        return "", bool(text.strip()) or any(True for _ in page.get_objects(filter=_PICTURES, max_depth=1))
    return text, letters < _MAX_LETTERS_OF_A_SCAN and _covered_share(page) > _MIN_COVERED_BY_A_SCAN


def _covered_share(page: Any) -> float:
    """Return the share of the page that its largest picture covers. Over 1 if the picture is larger than the page."""
    width, height = page.get_size()
    largest: float = 0.0
    for picture in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        largest = max(largest, abs(right - left) * abs(top - bottom))
    return float(largest / max(width * height, 1.0))


def _for_ocr(page: Any, limits: Limits) -> Raster:
    return _rendered(page, recognition.DPI, min(limits.pixels, recognition.MAX_PIXELS), grey=True)


def _rendered(page: Any, dpi: int, max_pixels: int, *, grey: bool) -> Raster:
    """Draw a page at `dpi`, or at a lower resolution if it would exceed `max_pixels`."""
    width, height = page.get_size()
    scale = dpi / _POINTS_PER_INCH
    scale *= min(1.0, (max_pixels / max(width * height * scale * scale, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=grey, rev_byteorder=not grey)
    try:
        return Raster(bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride, bytes(bitmap.buffer))
    finally:
        bitmap.close()
