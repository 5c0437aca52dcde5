"""Pictures: photos and scans that were uploaded, and drawn pages that are given away."""

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from document_reader import recognition
from document_reader.task import Emit, Limits, Task, UnreadableError, extra, require_pages

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
# What models take: Bedrock 3.75 MB and 8,000 pixels a side, the narrowest of them.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html
MOST_BYTES = 3_750_000
MOST_PIXELS_A_SIDE = 8_000
_QUALITY = 85


@dataclass(frozen=True)
class Raster:
    """Pixels as a drawing library leaves them: 1 byte a pixel is grey, 3 are red, green, blue; a row has `stride`."""

    width: int
    height: int
    channels: int
    stride: int
    pixels: bytes


def look(content: bytes, limits: Limits) -> int:
    """Return how many pages a picture has: more than one can only be in a TIFF."""
    return sum(1 for _ in _frames(content, limits))


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Give what is written in each picture of the file."""
    for number, frame in enumerate(_frames(content, task.limits), 1):
        if not task.wants(number):
            continue
        if task.ocr == "none":
            emit(page=number, text="", source="text")
        else:
            recognition.give(partial(_grey, frame), number, task, emit)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Give each picture of the file upright, as PNG or JPEG."""
    for number, frame in enumerate(_frames(content, task.limits), 1):
        if task.wants(number):
            emit(working=number)
            upright = _upright(frame).convert("RGB")
            emit_picture(number, Raster(upright.width, upright.height, 3, upright.width * 3, upright.tobytes()), emit)


def _frames(content: bytes, limits: Limits) -> Iterator[Any]:
    """Yield the pictures, each before a pixel of it is unpacked and after its size was looked at."""
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - only for a picture
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        number = 0
        while True:
            number += 1
            require_pages(number, limits)
            width, height = picture.size
            if width * height > limits.pixels:
                message = f"has {width} x {height} pixels; at most {limits.pixels} are read"
                raise UnreadableError("document_too_many_pixels", message)
            yield picture
            if picture.format != "TIFF":
                return
            try:
                picture.seek(number)
            except EOFError:
                return


def _upright(picture: Any) -> Any:
    """Turn a photo as its camera was held."""
    with extra("ocr"):
        from PIL import ImageOps  # noqa: PLC0415 - only for a picture

    return ImageOps.exif_transpose(picture)


def _grey(picture: Any) -> Raster:
    """Return a picture as OCR wants it: grey, upright, what is transparent white."""
    with extra("ocr"):
        from PIL import Image  # noqa: PLC0415 - only for a picture

    if picture.format == "JPEG":
        picture.draft("L", None)  # grey from the start: a third of the memory
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        paper = Image.new("RGBA", coloured.size, "white")
        paper.alpha_composite(coloured)
        grey = _upright(paper).convert("L")
    elif picture.mode in {"I", "I;16", "I;16B", "F"}:
        # 16 bits a pixel: Pillow would cut them off at 255, and not scale them.
        grey = _upright(picture).convert("I").point(lambda value: value / 257).convert("L")
    else:
        grey = _upright(picture).convert("L")
    return Raster(grey.width, grey.height, 1, grey.width, grey.tobytes())


def emit_picture(number: int, raster: Raster, emit: Emit) -> None:
    """Give a picture away: PNG, and where that is too large for models, JPEG."""
    content, media_type = encoded(raster)
    emit(page=number, picture=base64.b64encode(content).decode(), media_type=media_type)


def encoded(raster: Raster) -> tuple[bytes, str]:
    """Return the bytes and the media type of a picture."""
    try:
        from PIL import Image  # noqa: PLC0415 - only for a picture
    except ImportError:  # not every package carries it, and drawing a page does not need it
        return png(raster), "image/png"
    mode = "L" if raster.channels == 1 else "RGB"
    picture = Image.frombuffer(mode, (raster.width, raster.height), raster.pixels, "raw", mode, raster.stride, 1)
    if max(picture.size) > MOST_PIXELS_A_SIDE:
        picture.thumbnail((MOST_PIXELS_A_SIDE, MOST_PIXELS_A_SIDE))
    for image_format, options in (("PNG", {}), ("JPEG", {"quality": _QUALITY})):
        written = io.BytesIO()
        picture.save(written, image_format, **options)
        if written.tell() <= MOST_BYTES or image_format == "JPEG":
            break
    return written.getvalue(), f"image/{image_format.lower()}"


def png(raster: Raster) -> bytes:
    """Return a PNG (https://www.w3.org/TR/png-3/), 8 bits a channel, rows unfiltered."""
    packer = zlib.compressobj(6)
    length = raster.width * raster.channels
    rows = memoryview(raster.pixels)
    packed = [
        packer.compress(b"\0" + rows[at : at + length]) for at in range(0, raster.height * raster.stride, raster.stride)
    ]
    colour = 0 if raster.channels == 1 else 2
    header = struct.pack(">IIBBBBB", raster.width, raster.height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(packed) + packer.flush()), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
