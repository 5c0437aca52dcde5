"""The committed drawings are the ones that their descriptions generate, with a text layer."""

import io
import tomllib
from pathlib import Path

import docx
import pypdfium2
import pytest

import make_drawings

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "drawing-schedule" / "documents"
PLANS = sorted(FOLDER.glob("*.toml"))
AGAIN = "run `python tools/make_drawings.py` on its folder"


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stem)
def test_a_committed_drawing_is_the_one_that_its_description_makes(plan: Path) -> None:
    made = make_drawings.make_drawing(tomllib.loads(plan.read_text(encoding="utf-8")))
    assert made == plan.with_suffix(".pdf").read_bytes(), AGAIN


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stem)
def test_a_drawing_holds_every_tag_and_its_list_as_text(plan: Path) -> None:
    described = tomllib.loads(plan.read_text(encoding="utf-8"))
    with pypdfium2.PdfDocument(plan.with_suffix(".pdf")) as drawing:
        assert len(drawing) == 1
        page = drawing[0]
        layer = page.get_textpage()
        text = layer.get_text_bounded()
        layer.close()
        page.close()
    assert all(device["tag"] in text for device in described["devices"])
    for row in make_drawings.device_rows(described):
        assert " | ".join(row) in " ".join(text.split())


@pytest.mark.parametrize("brief", sorted(FOLDER.glob("*.md")), ids=lambda brief: brief.stem)
def test_a_committed_brief_is_the_one_that_its_text_makes(brief: Path) -> None:
    made = make_drawings.make_brief(brief.read_text(encoding="utf-8"))
    assert made == brief.with_suffix(".docx").read_bytes(), AGAIN
    paragraphs = [paragraph.text for paragraph in docx.Document(io.BytesIO(made)).paragraphs]
    assert paragraphs[0] == brief.read_text(encoding="utf-8").splitlines()[0]


def test_every_document_of_a_folder_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (PLANS[0], FOLDER / "harbour-point-brief.md"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    make_drawings.main(tmp_path)
    made = [tmp_path / f"{PLANS[0].stem}.pdf", tmp_path / "harbour-point-brief.docx"]
    assert capsys.readouterr().out.split() == list(map(str, made))
    assert all(path.exists() for path in made)
