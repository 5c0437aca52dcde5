"""Chooses the vendor of a model by its ID."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.model import Model, Question, Reply

if TYPE_CHECKING:
    from analysis_jobs.base.secrets import Secrets
    from analysis_jobs.llm.sending import Sending


GEMINI_URL = "https://generativelanguage.googleapis.com"
"""The address of Google's API, which its client uses unless `gemini_base_url` replaces it."""


def is_gemini(model_id: str) -> bool:
    """Tell whether a model ID is one of Gemini: `gemini-2.5-flash`, with or without the prefix `models/`."""
    return model_id.removeprefix("models/").startswith("gemini-")


class ModelRouter:
    """A `Model` that passes questions with a `gemini-…` model ID to Gemini, and all others to Bedrock.

    It makes the Gemini client on first use. `gemini_base_url` replaces the address of Google's API, for example by that
    of a proxy. `sending` limits how much memory the questions take that are being sent to Gemini.
    """

    def __init__(
        self, bedrock: Model, secrets: Secrets, gemini_base_url: str = "", sending: Sending | None = None
    ) -> None:
        self._sending = sending
        self._bedrock = bedrock
        self._secrets = secrets
        self._gemini_base_url = gemini_base_url

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
        """See `Model.ask`."""
        model = self._gemini if is_gemini(question.model_id) else self._bedrock
        return model.ask(question, on_chunk, cancellation)

    @cached_property
    def _gemini(self) -> Model:
        from analysis_jobs.llm.gemini.model import GeminiModel  # noqa: PLC0415 - most workers use Bedrock only, and the import is slow

        return GeminiModel(self._secrets, self._gemini_base_url, sending=self._sending)
