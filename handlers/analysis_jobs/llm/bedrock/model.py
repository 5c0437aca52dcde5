"""The port to models, implemented with Bedrock's `ConverseStream`.

It streams every answer, for two reasons: callers see progress, and a cancel can end the call between two pieces. The
client sends exactly one request, because the job engine decides about retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.eventstream import EventStreamError, ParserError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError, Retry
from analysis_jobs.base.observability import log
from analysis_jobs.llm.bedrock.answer import read_answer
from analysis_jobs.llm.bedrock.cache_points import refuses_cache_point, without_cache_point
from analysis_jobs.llm.bedrock.request import request_arguments
from analysis_jobs.llm.bedrock.ways import Feature, Kind, Lessons, Way, choose_way
from analysis_jobs.llm.errors import model_error
from analysis_jobs.llm.families import EffortField, Family, family_of
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.llm.sending import Sending
from analysis_jobs.llm.silence import Silence
from analysis_jobs.llm.sockets import CancellableSocket, make_cancellable, release_sent_bodies

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

# Sends the arguments of `converse_stream`, and returns the response.
_Converse: TypeAlias = Callable[[dict[str, Any]], Any]


class BedrockModel:
    """Asks models through a `bedrock-runtime` client. The client must be configured without retries.

    `sending` limits how much memory the questions take that are being sent.
    """

    def __init__(
        self, client: BedrockRuntimeClient, silence: Silence | None = None, sending: Sending | None = None
    ) -> None:
        make_cancellable(client)
        release_sent_bodies(client)
        self._client = client
        self._sending = sending or Sending()
        self._silence = silence or Silence()
        self._lessons = Lessons()
        self._models_without_cache: set[str] = set()

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`. It sends one request.

        A model may refuse the way in which we ask for a structured answer. Then it sends a second request in the next
        way. The refused request costs nothing. It remembers the refusal, so this happens once for each model.
        """
        family = family_of(question.model_id)
        cancellable = CancellableSocket()

        def converse(arguments: dict[str, Any]) -> Any:
            with self._sending.turn(question, cancellation) as cancellable.on_sent:
                return self._client.converse_stream(**arguments)

        with cancellation.on_cancel(cancellable.shut_down), _translated_errors():
            while True:
                way = choose_way(question, family, self._lessons)
                cancellable.longest_silence = self._silence.limit(question, family, compiles=way.compiles)
                try:
                    reply = self._request(question, way, converse, on_chunk)
                except ClientError as error:
                    if not self._learn(question, way, family, error):
                        raise
                    continue
                if way.compiles:
                    self._silence.has_compiled(question)
                if way.kind is Kind.NATIVE and not family.is_known and reply.data is None and reply.fault is None:
                    # The repair turn then asks in the next way.
                    self._lessons.ignores_schema(question)
                return reply

    def _request(self, question: Question, way: Way, converse: _Converse, on_chunk: Callable[[str], None]) -> Reply:
        effort_field = self._effort_field(question, family_of(question.model_id))
        response = self._send(question, request_arguments(question, way, effort_field), converse)
        return read_answer(response["stream"], question, on_chunk)

    def _send(self, question: Question, arguments: dict[str, Any], converse: _Converse) -> Any:
        """Send a request. A model that refuses its cache point gets it again without, now and from now on."""
        if question.model_id in self._models_without_cache:
            return converse(without_cache_point(arguments))
        try:
            return converse(arguments)
        except ClientError as error:
            if not ((question.cache or question.cache_until) and refuses_cache_point(error)):
                raise
        self._models_without_cache.add(question.model_id)
        log("model.not_cached", "the model refuses a cache point", model_id=question.model_id)
        return converse(without_cache_point(arguments))

    def _effort_field(self, question: Question, family: Family) -> EffortField | None:
        field = family.effort_field or (None if family.is_known else "outputConfig.effort")
        refused = field == "outputConfig.effort" and self._lessons.has_refused(question, Feature.EFFORT)
        return "output_config.effort" if refused else field

    def _learn(self, question: Question, way: Way, family: Family, error: ClientError) -> bool:
        """Remember what the model refused. Returns False if another request makes no sense.

        The error may come within the stream too: `EventStreamError` is a `ClientError`.
        """
        details = error.response["Error"]
        if details["Code"].lower() != "validationexception":
            return False
        message = details.get("Message", "")
        refused = self._lessons.learn(question, way, message, self._effort_field(question, family))
        if refused is None:
            return False
        # Without the vendor's message, which may quote the question.
        log("model.refused", f"the model refuses: {refused.value}", model_id=question.model_id, feature=refused.value)
        return True


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn errors of botocore and urllib3 into errors of this library. They come before the stream or within it."""
    try:
        yield
    except (ClientError, EventStreamError) as error:
        raise _from_code(error) from error
    except (NoConnection, HTTPClientError, HTTPError, ParserError, OSError) as error:
        # Both libraries have a `ReadTimeoutError`: botocore raises its own before the stream, urllib3 within it.
        name = type(error).__name__
        code = "model_timeout" if name == "ReadTimeoutError" else "model_connection"
        raise Retry(code, f"the connection to the model failed: {name}") from error


def _from_code(error: ClientError | EventStreamError) -> JobError:
    details = error.response["Error"]
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return model_error(details["Code"], details.get("Message", ""), headers.get("retry-after"))
