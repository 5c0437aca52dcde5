"""Contract of both OCR engines: Tesseract from the package, and Amazon Textract."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber
from PIL import Image

from analysis_jobs import wiring
from analysis_jobs.base.errors import JobError
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.documents.textract import Textract
from analysis_jobs.worker.retry_policy import Action, decide
from document_reader.ocr import recognition
from document_reader.ocr.raster import Raster
from tests.handlers.aws import REGION, client
from tests.handlers.builders import some_settings
from tests.handlers.office import picture, scanned_pdf, written_on

LINES = ("Licence of a therapist", "Valid until 30 August 2026")
PNG = picture(written_on(*LINES), "PNG")
BLANK = picture(written_on(), "PNG")
# Responses of Textract: https://docs.aws.amazon.com/textract/latest/dg/API_DetectDocumentText.html
ANSWER: list[dict[str, Any]] = [
    {"BlockType": "PAGE"},
    *({"BlockType": "LINE", "Text": line, "Confidence": 95.0} for line in LINES),
    {"BlockType": "WORD", "Text": "Licence", "Confidence": 90.0},
    {"BlockType": "WORD", "Text": "of", "Confidence": 91.0},
]

type Recognise = Callable[[bytes], tuple[str, float]]


def textract(*answers: list[dict[str, Any]] | str, status: int = 400) -> Textract:
    """Return the engine with a stubbed client. It answers with these blocks, or with the named error."""
    stubbed = client("textract")
    stub = Stubber(stubbed)
    for answer in answers:
        if isinstance(answer, str):
            stub.add_client_error("detect_document_text", answer, "no", status)
        else:
            stub.add_response("detect_document_text", {"Blocks": answer})
    stub.activate()
    return Textract(stubbed)


def _tesseract(content: bytes) -> tuple[str, float]:
    grey = Image.open(io.BytesIO(content)).convert("L")
    found = recognition.recognise(Raster(grey.width, grey.height, 1, grey.width, grey.tobytes()))
    return "\n".join(line for line in found.text.split("\n") if line), found.confidence


@pytest.fixture(params=["tesseract", "textract"])
def recognise(request: pytest.FixtureRequest) -> Recognise:
    def of_textract(content: bytes) -> tuple[str, float]:
        return textract([{"BlockType": "PAGE"}] if content == BLANK else ANSWER).recognise(content)

    return _tesseract if request.param == "tesseract" else of_textract


def test_lines_are_kept_and_the_confidence_is_between_0_and_1(recognise: Recognise) -> None:
    text, confidence = recognise(PNG)
    assert text.split("\n") == list(LINES)
    assert 0.7 < confidence <= 1


def test_an_empty_page_has_no_text_and_confidence_0(recognise: Recognise) -> None:
    assert recognise(BLANK) == ("", 0.0)


def test_the_confidence_is_the_mean_of_the_words() -> None:
    assert textract(ANSWER).recognise(PNG)[1] == pytest.approx(0.905)


@pytest.mark.parametrize(
    ("error", "action", "code"),
    [
        ("UnsupportedDocumentException", Action.FAIL, "ocr_refused"),
        ("BadDocumentException", Action.FAIL, "ocr_refused"),
        ("DocumentTooLargeException", Action.FAIL, "ocr_refused"),
        ("InvalidParameterException", Action.FAIL, "ocr_refused"),
        ("LimitExceededException", Action.DEFER, "ocr_throttled"),
        ("ProvisionedThroughputExceededException", Action.DEFER, "aws_busy"),
        ("ThrottlingException", Action.DEFER, "aws_busy"),
        ("InternalServerError", Action.DEFER, "aws_busy"),
        ("AccessDeniedException", Action.FAIL, "access_denied"),
    ],
)
def test_each_error_of_textract_has_its_decision(error: str, action: Action, code: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - ours, or boto3's: the decision is what counts
        textract(error).recognise(PNG)
    decision = decide(raised.value)
    assert (decision.action, decision.code) == (action, code)


def test_an_image_that_textract_would_refuse_is_not_sent() -> None:
    with pytest.raises(JobError, match="ocr_refused: the picture of a page has 10000001 bytes"):
        textract().recognise(b"x" * 10_000_001)


def test_textract_reads_the_pages_of_a_scan_one_by_one() -> None:
    scan = scanned_pdf(written_on("one"), written_on("two"))
    reader = DocumentReader(ocr=textract(ANSWER, [{"BlockType": "PAGE"}]))
    reading = reader.read(scan, "scan.pdf", lambda: None)
    assert [(page.text, page.source) for page in reading.pages] == [("\n".join(LINES), "ocr"), ("", "ocr")]


@pytest.mark.parametrize(("chosen", "engine"), [("tesseract", str), ("textract", Textract), ("none", type(None))])
def test_the_settings_choose_the_engine_and_the_limits(
    chosen: str, engine: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    limits = {"max_pages": 3, "max_pixels": 4, "document_memory_mb": 65}
    settings = some_settings(ocr_engine=chosen, ocr_languages="eng,deu", **limits)
    reader = wiring.document_reader(settings)
    assert isinstance(reader.ocr, engine)
    assert (reader.limits.pages, reader.limits.pixels, reader.limits.memory_mb) == (3, 4, 65)
    assert chosen != "tesseract" or reader.languages == ("eng", "deu")
