"""Answers a request that Terraform sends again as it answered the first one.

On a busy machine the answer can be too late for Terraform's client, or its connection is closed. The client then sends
the request again. It would find what the first one has made, and the apply would end with "already exists". AWS answers
in milliseconds, so this is a fault of the emulator. Requests of the functions are served again: the project's code must
be correct if a request is repeated.
"""

import asyncio
from collections import OrderedDict
from typing import Any, Final

# A client keeps this number when it sends a request again.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
REQUEST_ID: Final = b"amz-sdk-invocation-id"
_TERRAFORM: Final = b"HashiCorp"
_KEPT: Final = 2_000
_SUCCESS: Final = range(200, 300)


class Answer:
    """The answer to a request: the messages that an ASGI app sends."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    @property
    def is_success(self) -> bool:
        """Whether the whole answer is there, and the request did what it asked for."""
        ends = [message for message in self.messages if message["type"] == "http.response.body"]
        return bool(ends) and not ends[-1].get("more_body") and self.messages[0].get("status") in _SUCCESS


def remembering(app: Any) -> Any:  # noqa: ANN401 - an ASGI app
    """Wrap an ASGI app: a repeated request of Terraform gets the first answer. A failed one may be tried again."""
    answers: OrderedDict[bytes, tuple[Answer, asyncio.Task[None]]] = OrderedDict()

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        request_id = _request_id(scope)
        if request_id is None:
            await app(scope, receive, send)
            return
        if request_id in answers:
            known, task = answers[request_id]
            await asyncio.wait([task])
            if known.is_success:
                for message in known.messages:
                    await send(message)
                return
        known = Answer()

        async def noted(message: Any) -> None:  # noqa: ANN401 - as above
            known.messages.append(message)
            await send(message)

        # A task of its own: it goes on when the client has gone, and the server cancels the request.
        task = asyncio.ensure_future(app(scope, receive, noted))
        answers[request_id] = (known, task)
        if len(answers) > _KEPT:
            answers.popitem(last=False)
        await asyncio.shield(task)

    return answer


def _request_id(scope: Any) -> bytes | None:  # noqa: ANN401 - as above
    if scope["type"] != "http":
        return None
    headers = {name.lower(): value for name, value in scope["headers"]}
    return headers.get(REQUEST_ID) if _TERRAFORM in headers.get(b"user-agent", b"") else None
