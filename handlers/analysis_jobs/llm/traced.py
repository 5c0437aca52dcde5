"""A model with a span for each call, in the words of the conventions for generative AI.

No span has a text of the question or of the answer. Conventions: https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.tracing import Attribute, Kind, Span, span
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.llm.router import is_gemini

# Both are words of the vendor. Another text could be anything.
_STOP_REASON = re.compile(r"[A-Za-z0-9_]{1,64}")
_MODEL_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,200}")
_PORTS = {"http": 80, "https": 443}


class TracedModel:
    """A `Model` that makes a span for each call of another one.

    `bedrock_url` and `gemini_url` are the addresses of the vendors. `monotonic` returns seconds.
    """

    def __init__(
        self, model: Model, bedrock_url: str, gemini_url: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._bedrock = _server(bedrock_url)
        self._gemini = _server(gemini_url)
        self._monotonic = monotonic

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`. Its span has failed if the call raises, or if the answer is unusable.

        A call that is broken off because the attempt must stop has the outcome `stopped`.
        """
        attributes = self._attributes(question)
        name = f"{attributes['gen_ai.operation.name']} {question.model_id}"

        def stop() -> None:
            call.set({"analysis_jobs.outcome": "stopped"})

        with span(name, Kind.CLIENT, attributes) as call, cancellation.on_cancel(stop):
            reply = self._model.ask(question, self._timed(on_chunk, call), cancellation)
            call.set(_reply_attributes(reply))
            if reply.fault:
                call.fail(safe_code(reply.fault.code))
            return reply

    def _attributes(self, question: Question) -> dict[str, Attribute]:
        """Return what is known before the call. `metadata` has the analysis, the job's ID and the stage."""
        gemini = is_gemini(question.model_id)
        return {
            "gen_ai.operation.name": "generate_content" if gemini else "chat",
            "gen_ai.output.type": "json" if question.tool else "text",
            "gen_ai.provider.name": "gcp.gemini" if gemini else "aws.bedrock",
            "gen_ai.request.max_tokens": question.most_output_tokens,
            "gen_ai.request.model": question.model_id,
            "gen_ai.request.stream": True,
            **(self._gemini if gemini else self._bedrock),
            **{f"analysis_jobs.{name}": value for name, value in question.metadata.items()},
        }

    def _timed(self, on_chunk: Callable[[str], None], call: Span) -> Callable[[str], None]:
        begun, first = self._monotonic(), True

        def timed(piece: str) -> None:
            nonlocal first
            if first:
                first = False
                call.set({"gen_ai.response.time_to_first_chunk": self._monotonic() - begun})
            on_chunk(piece)

        return timed


def _reply_attributes(reply: Reply) -> dict[str, Attribute | None]:
    """Return what is known after the call. The convention counts cached tokens as input, and `Usage` does not."""
    usage, reason = reply.usage, reply.stop_reason
    return {
        "analysis_jobs.usage_estimated": bool(usage.estimated_calls) or None,
        "gen_ai.response.finish_reasons": (reason if _STOP_REASON.fullmatch(reason) else "_OTHER",) if reason else None,
        "gen_ai.response.model": reply.model if _MODEL_NAME.fullmatch(reply.model) else None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.input_tokens": usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }


def _server(url: str) -> dict[str, Attribute]:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or _PORTS.get(parts.scheme, 443)}
