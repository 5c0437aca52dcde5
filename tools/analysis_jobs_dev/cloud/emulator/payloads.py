"""The limits of Lambda for the payloads of a synchronous invocation.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import json
from collections.abc import Callable
from typing import Any, Final

# 6 MB. The message of Lambda's error names the second number for answers.
MAX_REQUEST_BYTES: Final = 6_291_456
MAX_ANSWER_BYTES: Final = 6_291_556

type Execute = Callable[[dict[str, Any], Any], dict[str, Any]]


def json_bytes(value: object) -> int:
    """Return the size of a payload as Lambda's Python 3.13 runtime encodes it: UTF-8, with a space after separators.

    The body of an HTTP response is a string in the payload, so its quotes are escaped once more.
    """
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def limited(execute: Execute) -> Execute:
    """Wrap MiniStack's function that runs a Lambda function: refuse the payloads that Lambda refuses."""

    def limited_execute(function: dict[str, Any], event: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        if json_bytes(event) > MAX_REQUEST_BYTES:
            return _failed(_request_too_large())
        result = execute(function, event)
        answer = result.get("body")
        if result.get("error") or json_bytes(answer) <= MAX_ANSWER_BYTES:
            return result
        log = (
            f"{result.get('log', '')}\nLAMBDA_RUNTIME Failed to post handler success response. Http response code: 413."
        )
        return _failed(_answer_too_large(), log.lstrip())

    return limited_execute


def install(lambda_svc: Any) -> None:  # noqa: ANN401 - MiniStack has no types
    """Limit the payloads of all functions."""
    lambda_svc._execute_function = limited(lambda_svc._execute_function)  # noqa: SLF001 - there is no setting for this


def _failed(body: dict[str, Any], log: str = "") -> dict[str, Any]:
    return {"error": True, "body": body, "log": log}


def _request_too_large() -> dict[str, Any]:
    # The error of Invoke, and the response of an HTTP API with such a request.
    return {
        "errorType": "RequestTooLargeException",
        "errorMessage": f"{MAX_REQUEST_BYTES} byte payload is too large for the RequestResponse invocation type",
        "statusCode": 413,
        "headers": {"Content-Type": "application/json"},
        "body": '{"message":"Request Entity Too Large"}',
    }


def _answer_too_large() -> dict[str, Any]:
    return {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({MAX_ANSWER_BYTES} bytes).",
    }
