"""Reads the text in pictures (OCR) with Tesseract. docs/decisions/0008-ocr.md explains the numbers below."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from document_reader.geometry import Box
from document_reader.ocr import languages, upright
from document_reader.ocr.raster import Raster, emit_picture
from document_reader.task import Emit, Task, extra

# The best resolution for Tesseract. The letters of a printed page are then about 30 pixels high.
DPI = 300
# An A4 page at 300 dpi has 8.7 million pixels.
MAX_PIXELS = 12_000_000
# A picture with smaller sides was scanned at a lower resolution, and is enlarged. Factors over 4 bring no improvement.
_MIN_SIDE = 2_400
_MAX_ENLARGEMENT = 4
# Enlarging blurs: the strength of the unsharp mask against it, in percent.
_SHARPENING = 75
# A picture is noisy if this share of its pixels differs from the surroundings by so many grey levels (of 255).
_NOISY_SHARE = 0.005
_NOISE_LEVELS = 100
# Text that is upside down gets a lower confidence than this. So the page is turned and read again.
_SURE = 0.7
_HALF_TURN = 180


@dataclass(frozen=True)
class RecognisedLine:
    """A line of text, its box as parts of the picture's width and height (0 to 1), and the confidence in it, 0 to 1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True)
class Recognised:
    """The text in a picture, the engine's confidence in it (0 to 1), and its lines.

    The boxes of the lines are those in the picture as it was read: upright. `turned` tells whether it had to be turned.
    """

    text: str
    confidence: float
    lines: tuple[RecognisedLine, ...] = ()
    turned: bool = False


def read_picture(picture: "Callable[[], Raster]", number: int, task: Task, emit: Emit) -> None:
    """Emit the text of a page that is a picture. With another OCR engine, emit the picture for it instead."""
    emit(working=number)
    raster = picture()
    if task.ocr == "other":
        emit_picture(number, raster, emit)
        return
    found = recognise(raster, task.languages, lambda: emit(working=number))
    emit(page=number, text=found.text, source="ocr", confidence=found.confidence)


def recognise(
    raster: "Raster", codes: tuple[str, ...] = languages.DEFAULT, progress: Callable[[], None] = lambda: None
) -> Recognised:
    """Return the text in a grey picture, even if it is askew, on its side or upside down.

    `codes` are Tesseract's codes of the languages. `progress` is called before each further attempt. Not thread-safe:
    the engine holds one picture.
    """
    engine = _engine(codes)
    picture, on_its_side = upright.levelled(_prepared(raster))
    best = _read(engine, picture, turned=on_its_side)
    # Without any text, nothing would be found upside down either.
    if best.confidence >= _SURE or not best.text:
        return best
    progress()
    other = _read(engine, picture.rotate(_HALF_TURN), turned=True)
    return max(best, other, key=_quality)


def _quality(found: Recognised) -> float:
    """Return a measure to compare readings of one picture: garbage is short or has a low confidence."""
    return sum(len(line.text) * max(0.0, line.confidence - 0.3) for line in found.lines)


def _read(engine: Any, picture: Any, *, turned: bool) -> Recognised:
    engine.SetImage(picture)
    engine.SetSourceResolution(DPI)
    text = engine.GetUTF8Text().strip()
    # Without text, the engine's confidence is meaningless.
    confidence = engine.MeanTextConf() / 100 if text else 0.0
    lines = tuple(_lines(engine, picture.size)) if text else ()
    engine.Clear()
    return Recognised(text, max(0.0, min(1.0, confidence)), lines, turned)


def _lines(engine: Any, size: tuple[int, int]) -> list[RecognisedLine]:
    with extra("ocr"):
        import tesserocr  # noqa: PLC0415 - needed only for OCR

    level = tesserocr.RIL.TEXTLINE
    width, height = size
    lines = []
    for found in tesserocr.iterate_level(engine.GetIterator(), level):
        text = (found.GetUTF8Text(level) or "").strip()
        place = found.BoundingBox(level)
        if text and place:
            left, top, right, bottom = place
            box = Box(left / width, top / height, right / width, bottom / height)
            lines.append(RecognisedLine(text, box, max(0.0, found.Confidence(level) / 100)))
    return lines


def _prepared(raster: "Raster") -> Any:
    with extra("ocr"):
        from PIL import Image, ImageFilter  # noqa: PLC0415 - needed only for OCR
    size = (raster.width, raster.height)
    picture = Image.frombuffer("L", size, raster.pixels, "raw", "L", raster.stride, 1)
    scale = _scale(*size)
    if scale <= 1 and _noise(picture) > _NOISY_SHARE:
        picture = picture.filter(ImageFilter.MedianFilter(3))
    if scale != 1:
        other = (max(1, round(raster.width * scale)), max(1, round(raster.height * scale)))
        picture = picture.resize(other, Image.Resampling.LANCZOS)
    if scale > 1:
        picture = picture.filter(ImageFilter.UnsharpMask(radius=scale, percent=_SHARPENING, threshold=0))
    return picture


def _scale(width: int, height: int) -> float:
    """Return the factor to resize a picture by: over 1 enlarges it."""
    largest = (MAX_PIXELS / (width * height)) ** 0.5
    enlarged = min(_MAX_ENLARGEMENT, max(1, -(-_MIN_SIDE // max(width, height))))
    return float(min(enlarged, largest))


def _noise(picture: Any) -> float:
    """Return the share of pixels that differ from all their neighbours: 0.1 % on a clean page, over 1 % on a noisy one.

    Not for a picture that needs enlarging: its letters are so thin that they count as noise.
    """
    with extra("ocr"):
        from PIL import ImageChops, ImageFilter  # noqa: PLC0415 - needed only for OCR

    differences = ImageChops.difference(picture, picture.filter(ImageFilter.MedianFilter(3))).histogram()
    return float(sum(differences[_NOISE_LEVELS:]) / (picture.width * picture.height))


@cache
def _engine(codes: tuple[str, ...]) -> Any:
    with extra("ocr"):
        import tesserocr  # noqa: PLC0415 - needed only for OCR
    folder = languages.language_folder(Path(tesserocr.__file__), codes)
    return tesserocr.PyTessBaseAPI(path=str(folder), lang="+".join(codes))
