"""The committed example PDFs are the ones that their texts generate."""

from pathlib import Path

import pytest

import make_documents

REPOSITORY = Path(__file__).resolve().parents[2]
TEXTS = sorted(REPOSITORY.glob("examples/*/documents/*.txt"))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_a_committed_document_is_the_one_that_its_text_makes(text: Path) -> None:
    made = make_documents.make_pdf(text.read_text(encoding="utf-8"))
    assert made == text.with_suffix(".pdf").read_bytes(), "run `python tools/make_documents.py` on its folder"


def test_every_text_of_a_folder_becomes_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(f"{name}\n\n- an item\n---\nthe next page\n", encoding="utf-8")
    make_documents.main(tmp_path)
    made = sorted(tmp_path.glob("*.pdf"))
    assert [path.name for path in made] == ["one.pdf", "two.pdf"]
    assert capsys.readouterr().out.split() == [str(path) for path in made]
    assert all(path.read_bytes().startswith(b"%PDF-") for path in made)
