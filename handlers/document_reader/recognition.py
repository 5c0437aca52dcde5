"""Reading what is written in a picture (OCR), with Tesseract; see docs/decisions/0008-ocr.md for the figures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from document_reader.raster import Raster, emit_picture
from document_reader.task import Emit, NotPackagedError, Task, extra

# What Tesseract reads best, in dots an inch; letters of a printed page are then some 30 pixels high.
DPI = 300
# A page of A4 at 300 dots an inch has 8.7 million.
MOST_PIXELS = 12_000_000
# Smaller pictures were scanned at less, and are enlarged: by 4 at most, more brings nothing.
_SMALL_SIDE = 2_400
_MOST_ENLARGED = 4
# Percent of an unsharp mask: enlarging blurs.
_SHARPENED = 75
# A share of pixels, and by how much each differs from its surroundings.
_NOISY = 0.005
_STANDS_OUT = 100
_LANGUAGE = "eng"
# From `lib/python3.13/site-packages/tesserocr/__init__.py` up.
_ENVIRONMENT_ABOVE = 5


@dataclass(frozen=True)
class Recognised:
    """The text in a picture, and how sure the engine is of it, 0 to 1."""

    text: str
    confidence: float


def give(picture: "Callable[[], Raster]", number: int, task: Task, emit: Emit) -> None:
    """Read a page that is a picture, or give the picture to whoever reads it instead."""
    emit(working=number)
    raster = picture()
    if task.ocr == "other":
        emit_picture(number, raster, emit)
        return
    found = recognise(raster)
    emit(page=number, text=found.text, source="ocr", confidence=found.confidence)


def recognise(raster: "Raster") -> Recognised:
    """Return the text in a grey picture. Not for two threads at once: the engine keeps its picture."""
    picture = _prepared(raster)
    engine = _engine()
    engine.SetImage(picture)
    engine.SetSourceResolution(DPI)
    text = engine.GetUTF8Text().strip()
    # Of nothing it is as sure as of anything.
    confidence = engine.MeanTextConf() / 100 if text else 0.0
    engine.Clear()
    return Recognised(text, max(0.0, min(1.0, confidence)))


def _prepared(raster: "Raster") -> Any:
    with extra("ocr"):
        from PIL import Image, ImageFilter  # noqa: PLC0415 - only where a page is a picture
    size = (raster.width, raster.height)
    picture = Image.frombuffer("L", size, raster.pixels, "raw", "L", raster.stride, 1)
    scale = _scale(*size)
    if scale <= 1 and _noise(picture) > _NOISY:
        picture = picture.filter(ImageFilter.MedianFilter(3))
    if scale != 1:
        other = (max(1, round(raster.width * scale)), max(1, round(raster.height * scale)))
        picture = picture.resize(other, Image.Resampling.LANCZOS)
    if scale > 1:
        picture = picture.filter(ImageFilter.UnsharpMask(radius=scale, percent=_SHARPENED, threshold=0))
    return picture


def _scale(width: int, height: int) -> float:
    """Return how much a picture is enlarged (over 1), or made smaller."""
    most = (MOST_PIXELS / (width * height)) ** 0.5
    enlarged = min(_MOST_ENLARGED, max(1, -(-_SMALL_SIDE // max(width, height))))
    return float(min(enlarged, most))


def _noise(picture: Any) -> float:
    """Return the share of pixels that stand out from all around them: 0.1 % on a clean page, over 1 % on a noisy one.

    On a picture that is to be enlarged the letters themselves are that thin.
    """
    with extra("ocr"):
        from PIL import ImageChops, ImageFilter  # noqa: PLC0415 - only where a page is a picture

    standing_out = ImageChops.difference(picture, picture.filter(ImageFilter.MedianFilter(3))).histogram()
    return float(sum(standing_out[_STANDS_OUT:]) / (picture.width * picture.height))


@cache
def _engine() -> Any:
    with extra("ocr"):
        import tesserocr  # noqa: PLC0415 - only where a page is a picture
    return tesserocr.PyTessBaseAPI(path=str(language_folder(Path(tesserocr.__file__))), lang=_LANGUAGE)


def language_folder(module: Path) -> Path:
    """Return the folder of the language's data, where wheels put it.

    That is beside the packages (`/var/task/share/tessdata` in Lambda), or above them in a virtual environment.
    """
    folders = (above / "share" / "tessdata" for above in module.parents[:_ENVIRONMENT_ABOVE])
    found = next((folder for folder in folders if (folder / f"{_LANGUAGE}.traineddata").is_file()), None)
    if found is None:
        raise NotPackagedError("ocr", "tessdata")
    return found
