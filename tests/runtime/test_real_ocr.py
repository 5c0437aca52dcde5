"""The package of an example with the OCR extra reads a picture, with nothing but the unpacked zip."""

import base64
import shutil
import zipfile
from pathlib import Path

import pytest

from analysis_jobs_dev.package import example, sources
from analysis_jobs_dev.packager import HOST, build
from tests.handlers.office import picture, scanned_pdf, word, workbook, written_on
from tests.runtime.conftest import Start
from tests.runtime.lambda_runtime import Function

# A function beside the package that reads the document in its event.
SOURCE = """
import base64
from dataclasses import asdict
from analysis_jobs.documents.reader import DocumentReader

def handler(event, context):
    content = base64.b64decode(event["content"])
    return asdict(DocumentReader().read(content, event["name"], lambda: None))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and unpack the package of an example with the extra, for this machine."""
    out = tmp_path_factory.mktemp("dist")
    [manifest] = build(sources(example("credential-extraction")), [HOST], out=out)
    root = out / "task"
    with zipfile.ZipFile(out / manifest.path) as archive:
        archive.extractall(root)
    (root / "reading.py").write_text(SOURCE, encoding="utf-8")
    return root


def _event(content: bytes, name: str) -> dict[str, str]:
    return {"content": base64.b64encode(content).decode(), "name": name}


def test_the_package_reads_a_photo_and_a_scan(unpacked: Path, start: Start) -> None:
    runtime = start(Function(unpacked, "reading.handler", timeout_s=120, memory_mb=1024))
    page = written_on("Licence of a therapist")
    for event in (_event(picture(page, "PNG"), "photo.png"), _event(scanned_pdf(page), "scan.pdf")):
        answer = runtime.invoke(event)
        assert answer.error is None, answer.error
        [read] = answer.value["pages"]
        assert (read["text"], read["source"]) == ("Licence of a therapist", "ocr")
        assert 0.7 < read["confidence"] <= 1


def test_the_package_reads_office_files_without_an_extra(unpacked: Path, start: Start) -> None:
    runtime = start(Function(unpacked, "reading.handler", timeout_s=60, memory_mb=1024))
    for content, name in ((word("x"), "letter.docx"), (workbook({"x": []}), "list.xlsx")):
        answer = runtime.invoke(_event(content, name))
        assert answer.error is None, answer.error
        assert [page["text"] for page in answer.value["pages"]] == ["x"]


def test_without_its_language_the_engine_is_not_there(unpacked: Path, start: Start, tmp_path: Path) -> None:
    """Tesseract uses the language data of the zip, and no other on this machine."""
    root = tmp_path / "task"
    shutil.copytree(unpacked, root)
    shutil.rmtree(root / "share")
    runtime = start(Function(root, "reading.handler", timeout_s=60, memory_mb=1024))
    error = runtime.invoke(_event(picture(written_on("x"), "PNG"), "photo.png")).error
    assert error is not None
    assert "tessdata is not in the package" in error["errorMessage"]
