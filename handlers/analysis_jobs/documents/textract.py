"""Amazon Textract as the OCR engine, instead of the Tesseract in the package."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from analysis_jobs.base.errors import Defer, Fail

if TYPE_CHECKING:
    from types_boto3_textract import TextractClient

# The limit for a picture inside the request: https://docs.aws.amazon.com/textract/latest/dg/limits-document.html
_MAX_BYTES = 10_000_000
_BAD_PICTURE = {
    "BadDocumentException",
    "DocumentTooLargeException",
    "InvalidParameterException",
    "UnsupportedDocumentException",
}


class Textract:
    """Sends one `DetectDocumentText` request per picture. Other AWS errors are classified as for every service."""

    def __init__(self, client: "TextractClient") -> None:
        self._client = client

    def recognise(self, picture: bytes) -> tuple[str, float]:
        """See `OcrEngine.recognise`. The confidence is the mean over all words.

        Raises `Fail` for a picture that Textract refuses, and `Defer` if there are too many concurrent requests.
        """
        if len(picture) > _MAX_BYTES:
            message = f"the picture of a page has {len(picture)} bytes; Textract accepts at most {_MAX_BYTES}"
            raise Fail("ocr_refused", message)
        try:
            blocks = self._client.detect_document_text(Document={"Bytes": picture})["Blocks"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _BAD_PICTURE:
                raise Fail("ocr_refused", f"Textract refuses the picture of a page: {code}") from error
            if code == "LimitExceededException":  # too many concurrent requests
                raise Defer("ocr_throttled", f"Textract is busy: {code}") from error
            raise
        lines = [block.get("Text", "") for block in blocks if block.get("BlockType") == "LINE"]
        words = [block.get("Confidence", 0.0) for block in blocks if block.get("BlockType") == "WORD"]
        return "\n".join(lines), sum(words) / len(words) / 100 if words else 0.0
