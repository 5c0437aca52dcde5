"""Reads the text in pictures (OCR) with Tesseract. docs/decisions/0008-ocr.md explains the numbers below."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from document_reader.raster import Raster, emit_picture
from document_reader.task import Emit, NotPackagedError, Task, extra

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
_LANGUAGE = "eng"
# A virtual environment's folder is so many levels above `lib/python3.13/site-packages/tesserocr/__init__.py`.
_LEVELS_TO_ENVIRONMENT = 5


@dataclass(frozen=True)
class Recognised:
    """The text in a picture, and the engine's confidence in it, 0 to 1."""

    text: str
    confidence: float


def read_picture(picture: "Callable[[], Raster]", number: int, task: Task, emit: Emit) -> None:
    """Emit the text of a page that is a picture. With another OCR engine, emit the picture for it instead."""
    emit(working=number)
    raster = picture()
    if task.ocr == "other":
        emit_picture(number, raster, emit)
        return
    found = recognise(raster)
    emit(page=number, text=found.text, source="ocr", confidence=found.confidence)


def recognise(raster: "Raster") -> Recognised:
    """Return the text in a grey picture. Not thread-safe: the engine holds one picture."""
    picture = _prepared(raster)
    engine = _engine()
    engine.SetImage(picture)
    engine.SetSourceResolution(DPI)
    text = engine.GetUTF8Text().strip()
    # Without text, the engine's confidence is meaningless.
    confidence = engine.MeanTextConf() / 100 if text else 0.0
    engine.Clear()
    return Recognised(text, max(0.0, min(1.0, confidence)))


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
def _engine() -> Any:
    with extra("ocr"):
        import tesserocr  # noqa: PLC0415 - needed only for OCR
    return tesserocr.PyTessBaseAPI(path=str(language_folder(Path(tesserocr.__file__))), lang=_LANGUAGE)


def language_folder(module: Path) -> Path:
    """Return the folder of the language data that its wheel installed.

    It is beside the packages in Lambda (`/var/task/share/tessdata`), and above them in a virtual environment.
    """
    folders = (above / "share" / "tessdata" for above in module.parents[:_LEVELS_TO_ENVIRONMENT])
    found = next((folder for folder in folders if (folder / f"{_LANGUAGE}.traineddata").is_file()), None)
    if found is None:
        raise NotPackagedError("ocr", "tessdata")
    return found
