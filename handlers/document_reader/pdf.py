"""PDFs, with PDFium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2
from pypdfium2 import raw

from document_reader import recognition
from document_reader.raster import Raster, emit_picture
from document_reader.task import Budget, Emit, Limits, Task, UnreadableError, cleaned, require_pages

_POINTS_PER_INCH = 72
# A page with fewer letters than this, most of which is a picture, is a scan with a stamp or a page number on it.
_FEW_LETTERS = 60
_MOST_OF_A_PAGE = 0.5
_PICTURES = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING, raw.FPDF_PAGEOBJ_FORM)


def look(content: bytes, limits: Limits) -> int:
    """Return how many pages a PDF has. Raises UnreadableError as all here."""
    with _opened(content, limits) as document:
        return len(document)


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Give each page's text layer, and where it has none, what is written in its picture."""
    budget = Budget(task.limits)

    def give(page: Any, number: int) -> None:
        text, is_picture = _text_layer(page, budget)
        if is_picture and task.ocr != "none":
            recognition.give(lambda: _for_ocr(page, task.limits), number, task, emit)
        else:
            emit(page=number, text=text, source="text")

    _each(content, task, give)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Give pictures of the pages, in colour."""

    def give(page: Any, number: int) -> None:
        emit(working=number)
        emit_picture(number, _rendered(page, task.dpi, task.limits.pixels, grey=False), emit)

    _each(content, task, give)


def _each(content: bytes, task: Task, give: Callable[[Any, int], None]) -> None:
    with _opened(content, task.limits) as document:
        for number in range(1, len(document) + 1):
            if not task.wants(number):
                continue
            page = document[number - 1]
            try:
                give(page, number)
            finally:
                # Now, and not when the garbage is collected: a page holds its fonts and pictures.
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
    """Return the text of a page, and whether what is written on it is in a picture instead."""
    layer = page.get_textpage()
    try:
        budget.spend(layer.count_chars())
        # PDFium joins a word that a line end divides, and leaves a control character where the hyphen stood.
        text = layer.get_text_bounded().replace("\r\n", "\n").replace("\x02", "-\n")
    finally:
        layer.close()
    letters = sum(not character.isspace() for character in cleaned(text))
    if letters == 0:
        # Letters that stand for nothing (a font without a table), or none at all, over something that is drawn.
        return "", bool(text.strip()) or any(True for _ in page.get_objects(filter=_PICTURES, max_depth=1))
    return text, letters < _FEW_LETTERS and _covered(page) > _MOST_OF_A_PAGE


def _covered(page: Any) -> float:
    """Return how much of a page its largest picture covers, 0 to 1 or more."""
    width, height = page.get_size()
    largest: float = 0.0
    for picture in page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        largest = max(largest, abs(right - left) * abs(top - bottom))
    return float(largest / max(width * height, 1.0))


def _for_ocr(page: Any, limits: Limits) -> Raster:
    return _rendered(page, recognition.DPI, min(limits.pixels, recognition.MOST_PIXELS), grey=True)


def _rendered(page: Any, dpi: int, most_pixels: int, *, grey: bool) -> Raster:
    """Draw a page; one that is larger than `most_pixels` at this resolution is drawn smaller."""
    width, height = page.get_size()
    scale = dpi / _POINTS_PER_INCH
    scale *= min(1.0, (most_pixels / max(width * height * scale * scale, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=grey, rev_byteorder=not grey)
    try:
        return Raster(bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride, bytes(bitmap.buffer))
    finally:
        bitmap.close()
