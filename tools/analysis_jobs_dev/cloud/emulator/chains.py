"""Lambda's loop detection for chains through SQS, which MiniStack has for direct invocations only.

Lambda counts how often a chain of messages has invoked a function. It stops the chain after about 16 invocations,
unless the function's recursion configuration is `Allow`. The count travels with each message that the function sends:
in AWS as the `Lineage` of `X-Amzn-Trace-Id`, in MiniStack as a header of its own.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final

DEPTH_HEADER: Final = b"x-ministack-invoke-depth"
# No queue allows more receives than this before a message moves to the dead-letter queue.
_MOST_RECEIVES: Final = 1000

_depth_of_request: ContextVar[int] = ContextVar("depth_of_request", default=0)


class Chains:
    """The depth of each message that a function has sent: how many invocations its chain had by then."""

    def __init__(self) -> None:
        self._depths: dict[str, int] = {}

    def sent(self, message_id: str, depth: int) -> None:
        """Record that an invocation of this depth has sent a message. Depth 0: no function sent it."""
        if depth:
            self._depths[message_id] = depth

    def depth_of(self, message_ids: Iterable[str]) -> int:
        """Return the depth of an invocation with these messages."""
        return 1 + max((self._depths.get(each, 0) for each in message_ids), default=0)


def install(app: Any, lambda_svc: Any, sqs: Any) -> Any:  # noqa: ANN401 - MiniStack has no types
    """Count the chains through SQS and stop those that Lambda stops. Return the ASGI app that reads the counts."""
    chains = Chains()
    send = counting_send(chains, sqs._act_send_message)  # noqa: SLF001 - there is no setting for this, here and below
    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = send  # noqa: SLF001
    lambda_svc._run_sqs_batch = _stopping_run(chains, lambda_svc, sqs)  # noqa: SLF001
    return _reading_depth(app)


def counting_send(chains: Chains, send: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap MiniStack's SendMessage: record the depth of the function that sends."""

    def counted(*request: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        result = send(*request)
        chains.sent(result["MessageId"], _depth_of_request.get())
        return result

    return counted


def _reading_depth(app: Any) -> Any:  # noqa: ANN401 - as above
    async def read(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as above
        given = dict(scope.get("headers", [])).get(DEPTH_HEADER, b"0")
        _depth_of_request.set(int(given) if given.isdigit() else 0)
        await app(scope, receive, send)

    return read


def _stopping_run(chains: Chains, lambda_svc: Any, sqs: Any) -> Callable[..., None]:  # noqa: ANN401 - as above
    """Wrap MiniStack's function that invokes a Lambda function with a batch of messages."""
    run = lambda_svc._run_sqs_batch  # noqa: SLF001

    def stopping(mapping: Any, record: Any, event: Any, batch: Any, queue_url: str, queue: str) -> None:  # noqa: ANN401, PLR0913, PLR0917 - its signature
        name, depth = mapping["FunctionName"], chains.depth_of(message["id"] for message in batch)
        function = lambda_svc._functions.get(name) or record  # noqa: SLF001
        if lambda_svc._recursive_loop_drop(name, function, depth):  # noqa: SLF001
            _drop(sqs, batch, queue_url)
            return
        before = lambda_svc._invoke_depth.set(depth)  # noqa: SLF001
        try:
            run(mapping, record, event, batch, queue_url, queue)
        finally:
            lambda_svc._invoke_depth.reset(before)  # noqa: SLF001

    return stopping


def _drop(sqs: Any, batch: Any, queue_url: str) -> None:  # noqa: ANN401 - as above
    """Move the messages to the dead-letter queue at once; delete them if there is none."""
    with sqs._queues_lock:  # noqa: SLF001
        for message in batch:
            message["receive_count"], message["visible_at"] = _MOST_RECEIVES, 0
        sqs._dlq_sweep(sqs._get_q(queue_url))  # noqa: SLF001
    sqs._delete_messages_for_esm(queue_url, {message["receipt_handle"] for message in batch})  # noqa: SLF001
