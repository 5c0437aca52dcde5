"""The committed documents of credential-extraction are the ones that the code generates, scans and photographs too."""

import io
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageStat

import make_credentials

DOCUMENTS = Path(__file__).resolve().parents[2] / "examples" / "credential-extraction" / "documents"


def picture(content: bytes) -> Image.Image:
    """Render the first page of a document."""
    if not content.startswith(b"%PDF-"):
        return Image.open(io.BytesIO(content)).convert("L")
    with pypdfium2.PdfDocument(content) as document:
        found: Image.Image = document[0].render().to_pil().convert("L")
    return found


@pytest.mark.parametrize("name", make_credentials.DOCUMENTS)
def test_a_committed_document_is_the_one_that_the_code_makes(name: str) -> None:
    made, committed = picture(make_credentials.DOCUMENTS[name]()), picture((DOCUMENTS / name).read_bytes())
    # Compared as pictures: another version of the JPEG encoder may round differently.
    assert made.size == committed.size
    [difference] = ImageStat.Stat(ImageChops.difference(made, committed)).mean
    assert difference < 1, "run `python tools/make_credentials.py` on their folder"


@pytest.mark.parametrize("name", ["certificate-scan.pdf", "licence-scan.pdf"])
def test_a_scan_has_no_text_layer(name: str) -> None:
    with pypdfium2.PdfDocument(DOCUMENTS / name) as document:
        assert document[0].get_textpage().get_text_bounded() == ""


def test_all_documents_are_made_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_credentials.main(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in DOCUMENTS.iterdir())
    assert len(capsys.readouterr().out.split()) == len(made)
