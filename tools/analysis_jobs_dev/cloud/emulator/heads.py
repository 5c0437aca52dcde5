"""Limits that AWS applies to a request before any service reads it: HTTP APIs and S3."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
MAX_REQUEST_LINE_AND_HEADERS: Final = 10_240
MAX_HTTP_PAYLOAD: Final = 10 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html and UsingMetadata.html
MAX_KEY_BYTES: Final = 1_024
MAX_METADATA_BYTES: Final = 2_048
_METADATA: Final = "x-amz-meta-"
_HTTP_API: Final = re.compile(r"/_aws/execute-api/|(?P<host>[a-z0-9]+\.execute-api\.)")
_S3: Final = re.compile(r"/s3/aws4_request|%2Fs3%2Faws4_request")


@dataclass(frozen=True)
class Refusal:
    """A response that AWS gives in place of the service."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True)
class Request:
    """The head of an HTTP request. The names of `headers` are in small letters. `path` and `query` are as sent."""

    method: str
    path: bytes
    query: bytes
    headers: Iterable[tuple[str, bytes]]

    @property
    def by_name(self) -> Mapping[str, str]:
        """The last value of each header."""
        return {name: value.decode("latin-1") for name, value in self.headers}


def refusal(request: Request) -> Refusal | None:
    """Return AWS's refusal of a request, None if the request keeps to the limits."""
    headers = request.by_name
    if _HTTP_API.match(request.path.decode("latin-1")) or _HTTP_API.match(headers.get("host", "")):
        return _refusal_of_http_api(request)
    if _S3.search(headers.get("authorization", "")) or _S3.search(request.query.decode("latin-1")):
        return _refusal_of_s3(request)
    return None


def limited(app: Any) -> Any:  # noqa: ANN401 - an ASGI app
    """Wrap an ASGI app: answer the requests that AWS refuses without calling the app."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        if scope["type"] == "http":
            headers = [(name.decode("latin-1").lower(), value) for name, value in scope["headers"]]
            path = scope.get("raw_path") or scope["path"].encode()
            refused = refusal(
                Request(scope["method"], path.partition(b"?")[0], scope.get("query_string", b""), headers)
            )
            if refused:
                kind = [(b"content-type", refused.content_type.encode())]
                await send({"type": "http.response.start", "status": refused.status, "headers": kind})
                await send({"type": "http.response.body", "body": refused.body.encode()})
                return
        await app(scope, receive, send)

    return answer


def _refusal_of_http_api(request: Request) -> Refusal | None:
    line = len(request.method) + 1 + len(request.path) + 1 + len(request.query) + len(" HTTP/1.1")
    if line + sum(len(value) for _, value in request.headers) > MAX_REQUEST_LINE_AND_HEADERS:
        return _message(431, "Request Header Fields Too Large")
    if int(request.by_name.get("content-length") or 0) > MAX_HTTP_PAYLOAD:
        return _message(413, "Request Entity Too Large")
    return None


def _refusal_of_s3(request: Request) -> Refusal | None:
    key = unquote_to_bytes(request.path).lstrip(b"/").partition(b"/")[2]
    if len(key) > MAX_KEY_BYTES:
        return _s3_error("KeyTooLongError", "Your key is too long")
    metadata = [(name, value) for name, value in request.headers if name.startswith(_METADATA)]
    if sum(len(name.removeprefix(_METADATA)) + len(value) for name, value in metadata) > MAX_METADATA_BYTES:
        return _s3_error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return None


def _message(status: int, text: str) -> Refusal:
    return Refusal(status, "application/json", json.dumps({"message": text}))


def _s3_error(code: str, message: str) -> Refusal:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Refusal(400, "application/xml", body)
