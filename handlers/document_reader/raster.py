"""Pixels, and how they become a PNG or JPEG file."""

import base64
import io
import struct
import zlib
from dataclasses import dataclass

from document_reader.task import Emit

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
