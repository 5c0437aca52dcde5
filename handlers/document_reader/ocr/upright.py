"""Turns a scanned page so that its lines are level. docs/decisions/0008-ocr.md has the measurements.

A line of text is a dark row with light rows above and below. So the brightness of the rows changes most between one row
and the next if the lines are level.
"""

from typing import Any

from document_reader.task import extra

MAX_SKEW = 10.0
# Smaller angles do not disturb the recognition.
_MIN_SKEW = 0.4
_COARSE, _FINE = 1.0, 0.25
# The longest side of the picture in which the angle is measured.
_SIDE = 900
# Columns of text score so much better than rows that the page must lie on its side.
_ON_ITS_SIDE = 1.25
# A strip this much longer than wide is a line, or a ruse: rotated, it would need a huge picture.
_MAX_PROPORTION = 12
_WHITE = 255


def levelled(picture: Any, fill: int = _WHITE) -> tuple[Any, bool]:
    """Return a grey picture with level lines, and whether it was turned by 90 degrees.

    It may still be upside down. Only the recognition can tell. Skew of up to `MAX_SKEW` degrees is removed.
    """
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - needed only for OCR

    if max(picture.size) > _MAX_PROPORTION * min(picture.size):
        return picture, False
    ink = _ink(picture)
    angle, level = _best_angle(ink)
    upright_angle, sideways = _best_angle(ink.transpose(Image.Transpose.ROTATE_90))
    turned = sideways > level * _ON_ITS_SIDE
    if turned:
        picture, angle = picture.transpose(Image.Transpose.ROTATE_90), upright_angle
    if abs(angle) >= _MIN_SKEW:
        picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=fill)
    return picture, turned


def _ink(picture: Any) -> Any:
    """Return a small picture of what is darker or lighter than its surroundings: white ink on black."""
    with extra("ocr"):
        from PIL import Image, ImageChops, ImageFilter  # noqa: PLC0415 - needed only for OCR

    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    difference = ImageChops.difference(small, small.filter(ImageFilter.BoxBlur(8)))
    return difference.point(lambda level: _WHITE if level > 40 else 0)  # noqa: PLR2004 - of 255 levels


def _best_angle(ink: Any) -> tuple[float, float]:
    """Return the angle that makes the lines level, and its score."""
    steps = round(MAX_SKEW / _COARSE)
    scores = {number * _COARSE: _score(ink, number * _COARSE) for number in range(-steps, steps + 1)}
    best = max(scores, key=lambda angle: (scores[angle], -abs(angle)))
    for number in range(-3, 4):
        angle = best + number * _FINE
        scores[angle] = _score(ink, angle)
    found = max(scores, key=lambda angle: (scores[angle], -abs(angle)))
    return found, scores[found]


def _score(ink: Any, angle: float) -> float:
    """Return how much neighbouring rows differ if the picture is rotated by `angle`."""
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - needed only for OCR

    turned = ink.rotate(angle, Image.Resampling.NEAREST, fillcolor=0) if angle else ink
    # Four means for each row: columns of text need not be level with each other.
    rows = turned.resize((4, turned.height), Image.Resampling.BOX).tobytes()
    squares: int = sum((one - other) ** 2 for one, other in zip(rows, rows[4:], strict=False))
    return squares / max(1, int(turned.height))
