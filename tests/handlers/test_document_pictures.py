"""Page images for models, and the preparation of an image before OCR."""

import io
import os

import pytest
from PIL import Image, ImageDraw

from document_reader.ocr import raster, recognition
from document_reader.ocr.raster import Raster, encoded, png
from tests.handlers.office import written_on


def _raster(image: Image.Image, padding: int = 0) -> Raster:
    """Return an image as PDFium does: rows may end in padding bytes."""
    channels = len(image.getbands())
    length = image.width * channels
    content = image.tobytes()
    rows = [content[at : at + length] + b"?" * padding for at in range(0, len(content), length)]
    return Raster(image.width, image.height, channels, length + padding, b"".join(rows))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("padding", [0, 3])
def test_a_package_without_pillow_renders_the_same_pixels(mode: str, padding: int) -> None:
    image = written_on("drawn", mode=mode).resize((311, 100))
    written = Image.open(io.BytesIO(png(_raster(image, padding))))
    written.load()
    assert (written.mode, written.size, written.tobytes()) == (mode, image.size, image.tobytes())
    with_pillow, media_type = encoded(_raster(image, padding))
    assert media_type == "image/png"
    assert Image.open(io.BytesIO(with_pillow)).tobytes() == image.tobytes()


def test_a_page_too_large_as_png_becomes_a_jpeg() -> None:
    noise = Image.frombytes("RGB", (1500, 1200), os.urandom(1500 * 1200 * 3))
    content, media_type = encoded(_raster(noise))
    assert media_type == "image/jpeg"
    assert len(content) < raster.MAX_BYTES


def test_a_page_too_wide_for_a_model_is_scaled_down() -> None:
    content, _ = encoded(_raster(Image.new("L", (10_000, 50), "white")))
    assert Image.open(io.BytesIO(content)).size == (8_000, 40)


def test_ocr_of_a_noisy_page_is_nearly_as_good_as_of_a_clean_page() -> None:
    """The noise filter is used only on pages with specks, because it erases thin letters."""
    lines = ("The holder is licensed to practise this profession", "subject to the rules of the board of therapists")
    page = written_on(*lines).resize((2480, 800))
    specks = ImageDraw.Draw(page)
    for number in range(60_000):
        x, y = number * 7_919 % 2480, number * 104_729 % 800
        specks.point((x, y), fill=255 * (number % 2))
    clean = written_on(*lines).resize((2480, 800))
    assert recognition._noise(page) > recognition._NOISY_SHARE > recognition._noise(clean)  # noqa: SLF001 - the measure
    text = recognition.recognise(_raster(page)).text
    assert [line for line in text.split("\n") if line] == list(lines)


def test_a_small_image_is_enlarged_and_a_huge_image_is_scaled_down() -> None:
    sizes = [
        recognition._prepared(_raster(Image.new("L", size, "white"))).size  # noqa: SLF001 - the measure
        for size in ((300, 100), (1_240, 400), (2_480, 3_508), (8_000, 6_000))
    ]
    assert sizes[:3] == [(1_200, 400), (2_480, 800), (2_480, 3_508)]
    assert sizes[3] == (4_000, 3_000)
