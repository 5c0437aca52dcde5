"""Joins text that is not level. PDFium puts many characters of such text on lines of their own."""

import math
from ctypes import c_double
from typing import Any

from pypdfium2 import raw

# Angles that differ by less are the same, in radians. Text at a smaller angle than the second one is level.
_SAME, _LEVEL = 0.02, 0.002
# The usual width of a character, as a part of its size, where its box does not tell it: at about 45 degrees.
_WIDTH = 0.6
# A gap wider than this part of the size is a space. A gap over the second one ends the line.
_SPACE, _END = 0.15, 1.5


def between(layer: Any, before: int, after: int) -> str:
    """Return what is between two characters that PDFium has put on two lines: a newline, a space or nothing."""
    angle = float(raw.FPDFText_GetCharAngle(layer, before))  # clockwise
    other = float(raw.FPDFText_GetCharAngle(layer, after))
    if angle < _LEVEL or abs(other - angle) > _SAME:
        return "\n"
    (x1, y1), (x2, y2) = _origin(layer, before), _origin(layer, after)
    along = (x2 - x1) * math.cos(angle) - (y2 - y1) * math.sin(angle)
    beside = (x2 - x1) * math.sin(angle) + (y2 - y1) * math.cos(angle)
    size = _size(layer, before)
    gap = along - _width(layer, before, angle, size)
    if along <= 0 or gap > _END * size or abs(beside) > size / 2:
        return "\n"
    return " " if gap > _SPACE * size else ""


def _origin(layer: Any, number: int) -> tuple[float, float]:
    x, y = c_double(), c_double()
    raw.FPDFText_GetCharOrigin(layer, number, x, y)
    return x.value, y.value


def _size(layer: Any, number: int) -> float:
    """Return the size of a character in points, as it is drawn."""
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(layer, number, matrix)
    return float(raw.FPDFText_GetFontSize(layer, number)) * math.hypot(matrix.c, matrix.d)


def _width(layer: Any, number: int, angle: float, size: float) -> float:
    """Return the width of a character along its line.

    Its loose box is level. A character of width w and height h in it, turned by an angle a, makes it w cos a + h sin a
    wide and w sin a + h cos a high. Solved for w, this divides by cos 2a.
    """
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(layer, number, box)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    divisor = cosine * cosine - sine * sine
    if abs(divisor) < 0.2:  # noqa: PLR2004 - near 45 degrees
        return _WIDTH * size
    return float(((box.right - box.left) * cosine - (box.top - box.bottom) * sine) / divisor)
