"""Finds what is drawn on a PDF page: which part pictures cover, and how many lines and curves there are."""

from collections.abc import Iterator
from ctypes import c_float
from dataclasses import dataclass
from typing import Any, TypeAlias

from pypdfium2 import raw

from document_reader.geometry import Box, View

# A page of more objects is not searched further. Forms inside of forms are searched this deep.
_MAX_OBJECTS = 20_000
_MAX_DEPTH = 4
# PDFium's text functions skip narrower pieces of text, in points (`kSizeEpsilon`). Columns of vertical writing have no
# width if the file does not contain their font.
_NO_WIDTH = 0.01

_Matrix: TypeAlias = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Drawn:
    """Boxes of the pictures, the numbers of paths and of visible pieces of text, and whether anything else is drawn.

    `anything`: there is something besides text. `lost`: the number of pieces of text whose width PDFium takes for 0. It
    draws them, but gives no characters.
    """

    pictures: tuple[Box, ...]
    paths: int
    texts: int
    lost: int
    anything: bool


def drawn_on(page: Any, view: View) -> Drawn:
    """Return what is drawn on a page."""
    pictures, paths, texts, lost, others = [], 0, 0, 0, 0
    page_box = Box(0, 0, *view.size)
    for number, (kind, item, matrix) in enumerate(_objects(page)):
        if number >= _MAX_OBJECTS:
            break
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            pictures.append(_box(item, matrix, view))
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            paths += 1
        elif kind == raw.FPDF_PAGEOBJ_TEXT and page_box.contains(*_box(item, matrix, view).middle):
            texts += 1
            lost += _is_lost(item)
        elif kind in {raw.FPDF_PAGEOBJ_SHADING, raw.FPDF_PAGEOBJ_FORM}:
            others += 1
    return Drawn(tuple(pictures), paths, texts, lost, bool(pictures or paths or others))


def _objects(page: Any) -> Iterator[tuple[int, Any, _Matrix]]:
    """Yield the kind and the handle of each object, and the matrix from its coordinates to those of the page."""
    identity: _Matrix = (1, 0, 0, 1, 0, 0)
    open_ = [(raw.FPDFPage_GetObject(page, n), identity, 1) for n in reversed(range(raw.FPDFPage_CountObjects(page)))]
    while open_:
        item, matrix, depth = open_.pop()
        kind = raw.FPDFPageObj_GetType(item)
        yield kind, item, matrix
        if kind == raw.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            count = min(raw.FPDFFormObj_CountObjects(item), _MAX_OBJECTS)
            inner = _product(_matrix_of(item), matrix)
            open_ += [(raw.FPDFFormObj_GetObject(item, n), inner, depth + 1) for n in reversed(range(count))]


def _matrix_of(item: Any) -> _Matrix:
    found = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(item, found):
        return (1, 0, 0, 1, 0, 0)
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _product(first: _Matrix, second: _Matrix) -> _Matrix:
    """Return the matrix that applies `first`, then `second`."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _is_lost(item: Any) -> bool:
    """Tell whether a piece of text has a height, but no width. A space has neither."""
    left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
    raw.FPDFPageObj_GetBounds(item, left, bottom, right, top)
    return abs(right.value - left.value) < _NO_WIDTH and abs(top.value - bottom.value) > 1


def _box(item: Any, matrix: _Matrix, view: View) -> Box:
    left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
    if not raw.FPDFPageObj_GetBounds(item, left, bottom, right, top):
        return Box(0, 0, 0, 0)
    a, b, c, d, e, f = matrix
    corners = [
        (a * x + c * y + e, b * x + d * y + f) for x in (left.value, right.value) for y in (bottom.value, top.value)
    ]
    across, up = [x for x, _ in corners], [y for _, y in corners]
    return view.box(min(across), min(up), max(across), max(up))
