"""Reads HEIC photographs, as iPhones take them."""

import io

from document_reader.ocr import pictures
from document_reader.task import Emit, Limits, Task, UnreadableError, extra


def look(content: bytes, limits: Limits) -> int:
    """Return the number of pages, which is 1: the other pictures of a file are its thumbnails and bursts."""
    _require_size(content, limits)
    return 1


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text in the photograph, by OCR."""
    emit(working=1)
    pictures.read(_as_tiff(content, task.limits), task, emit)


def draw(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the photograph, upright, as PNG or JPEG."""
    emit(working=1)
    pictures.draw(_as_tiff(content, task.limits), task, emit)


def _require_size(content: bytes, limits: Limits) -> None:
    """Check the size, which is known before the pixels are decoded."""
    with extra("heic"):
        import pi_heif  # noqa: PLC0415 - needed only for HEIC
    try:
        width, height = pi_heif.open_heif(content, convert_hdr_to_8bit=True).size
    except (ValueError, OSError, SyntaxError) as error:
        raise UnreadableError("document_corrupt", f"cannot be read as HEIC: {error}") from error
    if width * height > limits.pixels:
        message = f"has {width} x {height} pixels; at most {limits.pixels} are allowed"
        raise UnreadableError("document_too_many_pixels", message)


def _as_tiff(content: bytes, limits: Limits) -> bytes:
    """Return the photograph without compression. The decoder turns it upright."""
    _require_size(content, limits)
    with extra("heic"):
        import pi_heif  # noqa: PLC0415 - as above
    picture = pi_heif.open_heif(content, convert_hdr_to_8bit=True).to_pillow().convert("RGB")
    picture.info.clear()  # the orientation in the EXIF data would turn it once more
    picture.getexif().clear()
    written = io.BytesIO()
    picture.save(written, "TIFF")
    return written.getvalue()
