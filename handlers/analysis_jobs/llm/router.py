"""Whose a model is: the model port that hands each question to its vendor's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.model import Model, Question, Reply

if TYPE_CHECKING:
    from analysis_jobs.base.secrets import Secrets


def is_gemini(model_id: str) -> bool:
    """Tell whether a model is Google's: `gemini-2.5-flash`, with or without `models/`."""
    return model_id.removeprefix("models/").startswith("gemini-")


class ModelRouter:
    """Asks Gemini for what is named `gemini-…`, Bedrock for everything else. Gemini's port is made on first use."""

    def __init__(self, bedrock: Model, secrets: Secrets, gemini_base_url: str = "") -> None:
        self._bedrock = bedrock
        self._secrets = secrets
        self._gemini_base_url = gemini_base_url

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`."""
        model = self._gemini if is_gemini(question.model_id) else self._bedrock
        return model.ask(question, on_chunk, cancellation)

    @cached_property
    def _gemini(self) -> Model:
        from analysis_jobs.llm.gemini.model import GeminiModel  # noqa: PLC0415 - most workers ask Bedrock alone

        return GeminiModel(self._secrets, self._gemini_base_url)
