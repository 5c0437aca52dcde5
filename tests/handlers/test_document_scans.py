"""Scans that are askew, on their side, upside down, transparent, or in another language."""

import io

import pytest
from PIL import Image

from analysis_jobs.base.extras import MissingExtraError
from analysis_jobs.documents.reader import DocumentReader
from tests.handlers.office import picture, written_on
from tests.handlers.pdf_pages import LETTER
from tests.handlers.pdfs import pdf


def _read(content: bytes, *languages: str) -> tuple[list[str], float]:
    reader = DocumentReader(languages=languages or ("eng",))
    [page] = reader.read(content, "scan.png", lambda: None).pages
    return [line for line in page.text.split("\n") if line], page.confidence or 0.0


@pytest.mark.parametrize("angle", [4, -10, 90, 180, 270, 186, 85])
def test_a_scan_is_levelled_and_turned_upright(angle: int) -> None:
    turned = written_on(*LETTER).rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    lines, confidence = _read(picture(turned, "PNG"))
    assert (lines, confidence > 0.8) == (list(LETTER), True)


def _clear(ink: str, mode: str = "RGBA", background: str = "black") -> Image.Image:
    """Return the letter in this colour on a transparent ground, with the background's colour under it."""
    written = written_on(*LETTER)
    clear = Image.new("RGB", written.size, background)
    clear.paste(ink, mask=written.point(lambda level: 255 - level))
    clear.putalpha(written.point(lambda level: 255 - level))
    return clear.convert(mode)


@pytest.mark.parametrize("image", [_clear("black"), _clear("black", "LA"), _clear("navy"), _clear("white")])
def test_a_transparent_ground_becomes_white_or_black_for_light_writing(image: Image.Image) -> None:
    lines, confidence = _read(picture(image, "PNG"))
    assert (lines, confidence > 0.8) == (list(LETTER), True)


def test_a_transparent_scan_on_its_side_is_turned_by_its_exif_orientation() -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    turned = _clear("black").rotate(90, expand=True)
    assert _read(picture(turned, "PNG", exif=orientation))[0] == list(LETTER)


def test_a_picture_for_a_model_has_white_paper() -> None:
    drawn = DocumentReader().draw(picture(_clear("black"), "PNG"), "a.png", lambda: None, pages=None, dpi=150)
    assert Image.open(io.BytesIO(drawn[0].content)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_the_languages_of_the_setting_are_read() -> None:
    line = "Die Größe der Förderung für das Gebäude ist höchstens 75.000 Euro"
    [drawn] = DocumentReader().draw(pdf([line]), "a.pdf", lambda: None, pages=None, dpi=150)
    content = drawn.content
    assert _read(content, "deu")[0] == [line]
    assert _read(content, "eng", "deu")[0] == [line]


def test_a_language_without_its_data_names_the_extra() -> None:
    with pytest.raises(MissingExtraError, match='tessdata for xyz is not in the package: add "ocr-xyz" to `extras`'):
        _read(picture(written_on("x"), "PNG"), "eng", "xyz")
