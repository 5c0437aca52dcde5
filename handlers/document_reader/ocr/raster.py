"""Encodes pixels as a PNG or JPEG file."""

import base64
import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from document_reader.task import Emit

# Bedrock has the smallest limits of the supported models: 3.75 MB and 8,000 pixels a side.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html
MAX_BYTES = 3_750_000
MAX_PIXELS_A_SIDE = 8_000
_QUALITY = 85
# Ink is this share of the pixels that differ by so many grey levels (of 255) from their surroundings. The pixels are
# those of a picture with at most about this many pixels on its longest side.
_MIN_INK, _INK_LEVELS, _INK_SIDE = 0.0004, 48, 1_200


@dataclass(frozen=True)
class Raster:
    """Pixels in memory: 1 byte per pixel for grey, 3 for red, green and blue. Each row takes `stride` bytes."""

    width: int
    height: int
    channels: int
    stride: int
    pixels: bytes


def emit_picture(number: int, raster: Raster, emit: Emit, **more: Any) -> None:
    """Emit a picture as PNG, or as JPEG if the PNG is too large for the models. `more` is added to the answer."""
    content, media_type = encoded(raster)
    emit(page=number, picture=base64.b64encode(content).decode(), media_type=media_type, **more)


def blanked(raster: Raster, boxes: Iterable[tuple[float, float, float, float]]) -> Raster:
    """Return the grey raster with white boxes. A box is left, top, right and bottom in pixels."""
    pixels = bytearray(raster.pixels)
    for left, top, right, bottom in boxes:
        start, end = max(0, int(left)), min(raster.width, int(right) + 1)
        if start < end:
            white = b"\xff" * (end - start)
            for row in range(max(0, int(top)), min(raster.height, int(bottom) + 1)):
                at = row * raster.stride + start
                pixels[at : at + len(white)] = white
    return replace(raster, pixels=bytes(pixels))


def has_ink(raster: Raster) -> bool:
    """Tell whether a grey raster has strokes as thin as letters, dark or light. Without Pillow: always True."""
    try:
        from PIL import Image, ImageChops, ImageFilter  # noqa: PLC0415 - needed only for pictures
    except ImportError:  # the package lacks the extra `ocr`
        return True
    picture = Image.frombuffer("L", (raster.width, raster.height), raster.pixels, "raw", "L", raster.stride, 1)
    picture = picture.reduce(max(1, max(picture.size) // _INK_SIDE))
    differences = ImageChops.difference(picture, picture.filter(ImageFilter.BoxBlur(6))).histogram()
    return sum(differences[_INK_LEVELS:]) > _MIN_INK * picture.width * picture.height


def encoded(raster: Raster) -> tuple[bytes, str]:
    """Return the bytes and the media type of a picture. Without Pillow, this is always a PNG in full size."""
    try:
        from PIL import Image  # noqa: PLC0415 - needed only for pictures
    except ImportError:  # the package lacks the extra `ocr`
        return png(raster), "image/png"
    mode = "L" if raster.channels == 1 else "RGB"
    picture = Image.frombuffer(mode, (raster.width, raster.height), raster.pixels, "raw", mode, raster.stride, 1)
    if max(picture.size) > MAX_PIXELS_A_SIDE:
        picture.thumbnail((MAX_PIXELS_A_SIDE, MAX_PIXELS_A_SIDE))
    for image_format, options in (("PNG", {}), ("JPEG", {"quality": _QUALITY})):
        written = io.BytesIO()
        picture.save(written, image_format, **options)
        if written.tell() <= MAX_BYTES or image_format == "JPEG":
            break
    return written.getvalue(), f"image/{image_format.lower()}"


def png(raster: Raster) -> bytes:
    """Return a PNG file (https://www.w3.org/TR/png-3/) with 8 bits per channel and unfiltered rows."""
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
