"""Reads one page of a PDF: compares its text layer with what is drawn, and asks OCR for the rest.

OCR reads a page
- that has no text layer, but something is drawn;
- with characters for which the font has no usable Unicode value;
- with letters that make no words: the font's table may give wrong letters;
- with pictures that the text layer does not cover: a scan, in one piece or in strips, below a stamp.

The text that can be trusted is painted white before, so that OCR reads only what is missing.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pypdfium2 import raw

from document_reader.geometry import Box, View, share
from document_reader.ocr import recognition
from document_reader.ocr.raster import Raster, blanked, emit_picture, has_ink
from document_reader.pdf import annotations, merging, trust
from document_reader.pdf.drawn import Drawn, drawn_on
from document_reader.pdf.lines import Line, text_of
from document_reader.pdf.merging import Layer, PageText
from document_reader.pdf.text_layer import TextLayer, read_layer, view_of
from document_reader.task import Budget, Emit, NotPackagedError, Task

_POINTS_PER_INCH = 72
# Tesseract reads no picture with a longer side.
_MAX_SIDE = 32_000
# A page with a larger share of characters without Unicode values is read by OCR; above the second number all of it.
_SOME_BAD, _MOST_BAD = 0.02, 0.5
# Pictures without text over them are read if they cover this share of the page.
_MIN_PICTURE = 0.12
# A page is a scan if they cover more than this share, and the text is not longer than a few stamps.
_MIN_SCAN, _MAX_STAMPS = 0.5, 400
# A page lacks characters if it has more pieces of text than twice its characters and so many.
_FEW_TEXTS = 20
# It also does if so many pieces of text, and such a part of them, give none.
_FEW_LOST, _SOME_LOST = 5, 0.05
# Then its text layer is not to be trusted, even if OCR finds nothing.
_LACKING = 0.3
# On a page of so few letters, so many lines and curves may be letters too.
_MANY_PATHS = 100
# A layer that an OCR program put over a scan is as good as that program.
_OCR_LAYER = 0.8
# Text covers the space to the next line too, in points.
_LEADING = 6.0


@dataclass(frozen=True)
class _Found:
    """How a page is displayed, its lines that are trusted, and whether OCR should read the rest."""

    view: View
    kept: list[Line]
    layer: Layer
    needs_ocr: bool


def read(document: Any, number: int, budget: Budget, task: Task, emit: Emit) -> None:
    """Emit the text of a page."""
    emit(working=number)
    with ExitStack() as open_pages:
        page = _page(document, number, open_pages)
        view = view_of(page)
        layer = read_layer(page, budget)
        lines = layer.lines
        if notes := annotations.notes_on(document, page, view):
            if _flattened(page, notes):
                page = _page(document, number, open_pages)
                annotations.add_appearances(notes, layer, read_layer(page, budget))
            lines = annotations.place(notes, layer)
        found = _compared(lines, layer, drawn_on(page, view), view)
        if not found.needs_ocr or task.ocr == "none":
            _emit(number, merging.unread(found.layer) if found.needs_ocr else _trusted(found), emit)
            return
        try:
            _recognise(page, number, found, task, emit)
        except (NotPackagedError, MemoryError):
            if found.layer.is_scan:
                raise  # without OCR most of the page would be missing
            _emit(number, merging.unread(found.layer), emit)


def drawn(page: Any, dpi: int, max_pixels: int, *, grey: bool) -> Raster:
    """Draw a page at `dpi`, or at a lower resolution if it would exceed `max_pixels`."""
    width, height = page.get_size()
    scale = dpi / _POINTS_PER_INCH
    scale *= min(1.0, (max_pixels / max(width * height * scale * scale, 1.0)) ** 0.5)
    scale = min(scale, _MAX_SIDE / max(width, height, 1.0))
    bitmap = page.render(scale=scale, grayscale=grey, rev_byteorder=not grey)
    try:
        return Raster(bitmap.width, bitmap.height, bitmap.n_channels, bitmap.stride, bytes(bitmap.buffer))
    finally:
        bitmap.close()


def _page(document: Any, number: int, open_pages: ExitStack) -> Any:
    page = document[number - 1]
    # Free the page's fonts and pictures now, not at the next garbage collection.
    open_pages.callback(page.close)
    return page


def _flattened(page: Any, notes: Sequence[annotations.Note]) -> bool:
    """Draw the annotations into the page, so that their text is in its text layer. The page must be opened again."""
    if not any(note.has_appearance and note.drawn for note in notes):
        return False
    return bool(raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS)


def _compared(lines: list[Line], layer: TextLayer, drawing: Drawn, view: View) -> _Found:
    """Compare the text with what is drawn."""
    letters = sum(not each.text.isspace() for line in lines for each in line.characters)
    lost = drawing.lost >= _FEW_LOST and drawing.lost > _SOME_LOST * drawing.texts
    lacking = lost or drawing.texts > 2 * letters + _FEW_TEXTS
    if letters == 0:
        return _Found(view, [], Layer(pieces=drawing.texts * lacking), drawing.anything or lacking)
    kept, doubted, enough = _divided(lines, layer)
    uncovered = 0.0
    if not layer.invisible:
        covered = view.cells(_spaced(line.box) for line in kept)
        uncovered = share(view.cells(drawing.pictures) & ~covered)
    is_scan = lacking or (uncovered >= _MIN_SCAN and letters <= _MAX_STAMPS)
    outlined = letters <= _MAX_STAMPS and drawing.paths >= _MANY_PATHS
    confidence = min(layer.certainty, _OCR_LAYER if layer.invisible else 1.0) * (
        1 - min(1.0, layer.bad / max(1, layer.letters))
    )
    confidence *= _LACKING if lacking else 1.0
    found = Layer(text_of(kept), text_of(doubted), confidence, is_scan or not kept, enough, drawing.texts * lacking)
    return _Found(view, kept, found, bool(doubted) or lacking or uncovered >= _MIN_PICTURE or outlined)


def _divided(lines: list[Line], layer: TextLayer) -> tuple[list[Line], list[Line], float]:
    """Return the lines to trust, the lines to doubt, and how much of these OCR must confirm."""
    bad = layer.bad / max(1, layer.letters)
    if bad > _MOST_BAD:
        return [], lines, merging.SOME_WRONG
    if bad > _SOME_BAD:
        return [line for line in lines if not line.bad], [line for line in lines if line.bad], merging.SOME_WRONG
    if trust.is_implausible(text_of(lines)):
        return [], lines, merging.ALL_WRONG
    odd = trust.implausible_lines([(line.font, line.text) for line in lines])
    kept = [line for number, line in enumerate(lines) if number not in odd]
    return kept, [lines[number] for number in sorted(odd)], merging.ALL_WRONG


def _spaced(box: Box) -> Box:
    return Box(box.left - _LEADING, box.top - _LEADING, box.right + _LEADING, box.bottom + _LEADING)


def _trusted(found: _Found) -> PageText:
    return PageText(found.layer.whole, "text", found.layer.confidence)


def _recognise(page: Any, number: int, found: _Found, task: Task, emit: Emit) -> None:
    emit(working=number)
    raster = drawn(page, recognition.DPI, min(task.limits.pixels, recognition.MAX_PIXELS), grey=True)
    if found.kept:
        raster = blanked(raster, _boxes(found.kept, raster, found.view))
        if not has_ink(raster):
            _emit(number, _trusted(found), emit)
            return
    if task.ocr == "other":
        emit_picture(number, raster, emit, **({"layer": found.layer.as_dict()} if found.layer.whole else {}))
        return
    read = recognition.recognise(raster, task.languages, lambda: emit(working=number))
    lines = merging.legible(read.lines, is_scan=found.layer.is_scan)
    if not found.kept:
        _emit(number, merging.settled(found.layer, read.text if lines else "", read.confidence), emit)
        return
    confidence = sum(line.confidence for line in lines) / max(1, len(lines))
    text = "\n".join(line.text for line in lines)
    merged = None if read.turned else _woven(found.kept, lines, found.view)
    _emit(number, merging.settled(found.layer, text, confidence, merged=merged), emit)


def _boxes(lines: list[Line], raster: Raster, view: View) -> list[tuple[float, float, float, float]]:
    """Return the boxes of the characters in pixels, a little larger: glyphs may reach beyond their box."""
    width, height = view.size
    across, down = raster.width / max(width, 1e-6), raster.height / max(height, 1e-6)
    boxes = []
    for line in lines:
        for each in line.characters:
            box = each.box
            if not each.made:
                margin = 1 + (box.bottom - box.top) / 10
                boxes.append(
                    (
                        (box.left - margin) * across,
                        (box.top - margin) * down,
                        (box.right + margin) * across,
                        (box.bottom + margin) * down,
                    )
                )
    return boxes


def _woven(kept: list[Line], found: Sequence[recognition.RecognisedLine], view: View) -> str:
    _, height = view.size
    return merging.woven(
        [(line.box.top, line.text) for line in kept if line.text],
        [(line.box.top * height, line.text) for line in found],
    )


def _emit(number: int, page: PageText, emit: Emit) -> None:
    emit(page=number, text=page.text, source=page.source, confidence=round(page.confidence, 4))
