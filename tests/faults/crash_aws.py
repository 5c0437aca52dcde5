"""moto's AWS in memory for the crash points: each call of its clients is a scheduling point, and a model answers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.core.models import botocore_stubber

from analysis_jobs_dev.cloud.stand_in.eventstream import CONTENT_TYPE, event
from tests.handlers.aws import client


class Watcher(Protocol):
    """What a run does at each call of the clients."""

    def asked(self, params: Mapping[str, Any]) -> None:
        """Look at the parameters of a call."""

    def before(self, call: str) -> None:
        """Act before the request is sent."""

    def after(self, *, landed: bool) -> None:
        """Act after the reply. `landed` is whether AWS executed the call."""

    def answer(self, request: Any) -> AWSResponse:
        """Answer a request to the model."""


class Clients:
    """boto3 clients, made once. Each call that they send is a scheduling point of the current run."""

    def __init__(self) -> None:
        self.run: Watcher | None = None
        self.by_name = {name: client(name) for name in ("dynamodb", "sqs", "s3", "bedrock-runtime")}
        for name, made in self.by_name.items():
            events = made.meta.events
            events.register(f"before-parameter-build.{name}", self._asked)
            events.register(f"before-call.{name}", self._before)
            events.register(f"after-call.{name}", self._after)
        model = self.by_name["bedrock-runtime"].meta.events
        model.unregister("before-send", botocore_stubber)  # moto does not imitate models
        model.register("before-send.bedrock-runtime", self._model)

    def _asked(self, params: Mapping[str, Any], **_: Any) -> None:
        if self.run:
            self.run.asked(params)

    def _before(self, model: Any, **_: Any) -> None:
        if self.run:
            self.run.before(f"{model.service_model.service_name} {model.name}")

    def _after(self, http_response: Any, **_: Any) -> None:
        if self.run:
            self.run.after(landed=http_response.status_code < 300)

    def _model(self, request: Any, **_: Any) -> AWSResponse | None:
        return self.run.answer(request) if self.run else None


@contextmanager
def aws() -> Iterator[Clients]:
    """Yield clients of moto's AWS in memory."""
    with mock_aws():
        yield Clients()


def refusal(url: str, code: str) -> AWSResponse:
    """Return an error of the model."""
    body = json.dumps({"message": code}).encode()
    return AWSResponse(url, 400, _headers("x-amzn-ErrorType", code), _Body(body))


def answer(url: str, text: str) -> AWSResponse:
    """Return a complete answer of the model."""
    events = (
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}}),
    )
    return AWSResponse(url, 200, _headers("content-type", CONTENT_TYPE), _Body(b"".join(events)))


def _headers(name: str, value: str) -> HTTPHeaders:
    headers = HTTPHeaders()
    headers[name] = value
    return headers


class _Body:
    """A response body with urllib3's interface."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: Any) -> bytes:
        return self._body

    def close(self) -> None:
        """Do nothing."""
