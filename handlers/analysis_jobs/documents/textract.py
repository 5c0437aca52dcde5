"""Amazon Textract as the engine that reads pictures, for those who prefer the service to what the package carries."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from analysis_jobs.base.errors import Defer, Fail

if TYPE_CHECKING:
    from types_boto3_textract import TextractClient

# Of a request with the picture in it: https://docs.aws.amazon.com/textract/latest/dg/limits-document.html
_MOST_BYTES = 10_000_000
_BAD_PICTURE = {
    "BadDocumentException",
    "DocumentTooLargeException",
    "InvalidParameterException",
    "UnsupportedDocumentException",
}


class Textract:
    """One request (`DetectDocumentText`) a picture. Throttling and denial are decided as for every AWS service."""

    def __init__(self, client: "TextractClient") -> None:
        self._client = client

    def recognise(self, picture: bytes) -> tuple[str, float]:
        """See `OcrEngine.recognise`; the confidence is the mean of the words'. Raises `Fail` for what it refuses."""
        if len(picture) > _MOST_BYTES:
            raise Fail("ocr_refused", f"a page has {len(picture)} bytes as a picture; Textract takes {_MOST_BYTES}")
        try:
            blocks = self._client.detect_document_text(Document={"Bytes": picture})["Blocks"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _BAD_PICTURE:
                raise Fail("ocr_refused", f"Textract does not take a page: {error}") from error
            if code == "LimitExceededException":  # too many requests at once
                raise Defer("ocr_throttled", str(error)) from error
            raise
        lines = [block.get("Text", "") for block in blocks if block.get("BlockType") == "LINE"]
        words = [block.get("Confidence", 0.0) for block in blocks if block.get("BlockType") == "WORD"]
        return "\n".join(lines), sum(words) / len(words) / 100 if words else 0.0
