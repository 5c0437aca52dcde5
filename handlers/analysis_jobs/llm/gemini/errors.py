"""Reads Gemini's error bodies: the name of the error, the time to wait, and whether the API key was refused.

{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": …, "details": [{"@type": …RetryInfo, …}, …]}}
https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from analysis_jobs.base.errors import Defer, Fail, JobError
from analysis_jobs.llm.errors import model_error

_BY_STATUS: dict[int | None, str] = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "INVALID_ARGUMENT",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.BAD_GATEWAY: "UNAVAILABLE",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
    HTTPStatus.GATEWAY_TIMEOUT: "DEADLINE_EXCEEDED",
}
_NAME = re.compile("[A-Z_]+")  # Google's names look like this; a proxy sends names like `Bad Gateway`
_PER_DAY = re.compile("per_?day", re.IGNORECASE)
_DAILY_QUOTA_WAIT = timedelta(hours=1)


class KeyRefused(Fail):
    """Gemini refused the API key. It may have been rotated."""


def api_error(status: int | None, name: str | None, message: str | None, body: Any) -> JobError:
    """Return the error for a job from the HTTP status, the error's name and message, and the parsed body."""
    known_name = name if name and _NAME.fullmatch(name) else _BY_STATUS.get(status, "UNKNOWN")
    details = list(_details(body))
    delay = _retry_delay(details)
    if known_name == "UNAUTHENTICATED" or _is_key_refused(details):
        return KeyRefused("access_denied", f"Gemini refuses the API key: {known_name}: {message}")
    if known_name == "RESOURCE_EXHAUSTED" and _is_daily_quota(details):
        wait = min(delay or _DAILY_QUOTA_WAIT, _DAILY_QUOTA_WAIT)
        return Defer("model_quota_exceeded", f"{known_name}: {message}", wait)
    return model_error(known_name, str(message), str(math.ceil(delay.total_seconds())) if delay else None)


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    details = error.get("details") if isinstance(error, Mapping) else None
    yield from (each for each in details or () if isinstance(each, Mapping))


def _of_type(details: list[Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in details if str(each.get("@type", "")).endswith(f"google.rpc.{name}"))


def _retry_delay(details: list[Mapping[str, Any]]) -> timedelta | None:
    for each in _of_type(details, "RetryInfo"):
        if seconds := re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]+)?)s", str(each.get("retryDelay", ""))):
            return timedelta(seconds=float(seconds[1])) or None
    return None


def _is_key_refused(details: list[Mapping[str, Any]]) -> bool:
    return any(str(each.get("reason", "")).startswith("API_KEY_") for each in _of_type(details, "ErrorInfo"))


def _is_daily_quota(details: list[Mapping[str, Any]]) -> bool:
    violations = (each for failure in _of_type(details, "QuotaFailure") for each in failure.get("violations") or ())
    return any(_PER_DAY.search(str(each.get("quotaId", ""))) for each in violations if isinstance(each, Mapping))
