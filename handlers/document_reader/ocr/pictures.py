"""Reads uploaded pictures: photographs and scans."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

from document_reader.ocr import recognition
from document_reader.ocr.raster import Raster, emit_picture
from document_reader.task import Emit, Limits, Task, UnreadableError, extra, require_pages

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
# Half of the grey levels. A picture with a smaller share of dark pixels than the second number has no dark writing.
_HALF, _MIN_DARK = 128, 0.01


def look(content: bytes, limits: Limits) -> int:
    """Return the number of pages. Only a TIFF can have more than one."""
    return sum(1 for _ in _frames(content, limits))


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text in each picture of the file, by OCR."""
    for number, frame in enumerate(_frames(content, task.limits), 1):
        if not task.wants(number):
            continue
        if task.ocr == "none":
            emit(page=number, text="", source="text", confidence=0.0)
        else:
            recognition.read_picture(partial(_grey, frame), number, task, emit)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Emit each picture of the file, upright, as PNG or JPEG."""
    for number, frame in enumerate(_frames(content, task.limits), 1):
        if task.wants(number):
            emit(working=number)
            upright = _opaque(_upright(frame)).convert("RGB")
            emit_picture(number, Raster(upright.width, upright.height, 3, upright.width * 3, upright.tobytes()), emit)


def _frames(content: bytes, limits: Limits) -> Iterator[Any]:
    """Yield the pictures. The size of each is checked before its pixels are decoded."""
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - needed only for pictures
    Image.MAX_IMAGE_PIXELS = None  # `limits.pixels` replaces Pillow's limit
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        number = 0
        while True:
            number += 1
            require_pages(number, limits)
            width, height = picture.size
            if width * height > limits.pixels:
                message = f"has {width} x {height} pixels; at most {limits.pixels} are allowed"
                raise UnreadableError("document_too_many_pixels", message)
            yield picture
            if picture.format != "TIFF":
                return
            try:
                picture.seek(number)
            except EOFError:
                return


def _upright(picture: Any) -> Any:
    """Rotate a photograph upright, as its EXIF orientation says."""
    with extra("ocr"):
        from PIL import ImageOps  # noqa: PLC0415 - needed only for pictures

    return ImageOps.exif_transpose(picture)


def _opaque(picture: Any) -> Any:
    """Return the picture on white paper. Light writing on a transparent ground gets black paper: it would disappear."""
    if not picture.has_transparency_data:
        return picture
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - needed only for pictures

    coloured = picture.convert("RGBA")
    paper = Image.new("RGBA", coloured.size, "black" if _is_light(coloured) else "white")
    paper.alpha_composite(coloured)
    return paper


def _is_light(coloured: Any) -> bool:
    """Tell whether nearly everything opaque in a picture is light."""
    opaque = coloured.getchannel("A").point(lambda level: 255 if level > _HALF else 0)
    levels = coloured.convert("L").histogram(opaque)
    return bool(sum(levels[:_HALF]) < _MIN_DARK * sum(levels))


def _grey(picture: Any) -> Raster:
    """Return the picture for OCR: grey, upright, on white paper."""
    if picture.format == "JPEG":
        picture.draft("L", None)  # decode to grey directly: this needs a third of the memory
    upright = _upright(picture)
    if upright.mode in {"I", "I;16", "I;16B", "F"}:
        # Scale 16-bit pixels: Pillow's conversion would clip them at 255.
        grey = upright.convert("I").point(lambda value: value / 257).convert("L")
    else:
        grey = _opaque(upright).convert("L")
    return Raster(grey.width, grey.height, 1, grey.width, grey.tobytes())
