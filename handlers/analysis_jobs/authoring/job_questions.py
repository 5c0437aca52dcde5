"""The methods of `Job` that ask models. It imports the parts behind them on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analysis_jobs.authoring.asker import Asker
    from analysis_jobs.authoring.context import AttemptContext
    from analysis_jobs.base.attachment import Attachment
    from analysis_jobs.llm.families import Effort, Tier
    from analysis_jobs.prompts import Prompt, RenderedPrompt

DEFAULT_MAX_TOKENS = 4_096

Answer = TypeVar("Answer", bound=BaseModel)


class JobQuestions:
    """A part of `Job`: prompts, and the questions to models."""

    _context: AttemptContext
    _asker: Asker

    def prompt(self, name: str, *, category: str, default: Prompt, **values: str) -> RenderedPrompt:
        """Return the active prompt of a category, with `values` filled in.

            prompt = job.prompt("proposal_writer/step-1", category="RFP", default=DEFAULT, rfp_text=text)

        Args:
            name: `section/sub_section` in the prompt table.
            category: The category.
            default: The prompt to use if the table has no active one.
            **values: A value for each placeholder of the template.

        Raises:
            ConfigurationError: The template has no placeholder for one of the values.
        """
        rendered = (self._stored_prompt(name, category) or default).render(values)
        self._context.report.used_prompt(self._context.stage.name, rendered.source)
        return rendered

    def _stored_prompt(self, name: str, category: str) -> Prompt | None:
        """Return the active prompt; for a canary, the version that its deployment would activate."""
        prompts = self._context.services.prompts
        if version := (self._context.record.prompt_versions or {}).get(name):
            prompt = prompts.version(name, version)
            if prompt and category in prompt.categories:
                return prompt
        section, _, sub_section = name.partition("/")
        return prompts.active(section, sub_section, category)

    @overload
    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        attachments: Sequence[Attachment] = ...,
        max_tokens: int = ...,
        model_id: str | None = None,
        effort: Effort | None = None,
        tier: Tier | None = None,
        thinking_tokens: int | None = None,
        cache: bool | None = None,
    ) -> str: ...

    @overload
    def ask(
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[Answer],
        attachments: Sequence[Attachment] = ...,
        max_tokens: int = ...,
        model_id: str | None = None,
        effort: Effort | None = None,
        tier: Tier | None = None,
        thinking_tokens: int | None = None,
        cache: bool | None = None,
    ) -> Answer: ...

    def ask(  # noqa: PLR0913 - each is a choice of the author, by its name
        self,
        prompt: RenderedPrompt | str,
        *,
        answer: type[BaseModel] | None = None,
        attachments: Sequence[Attachment] = (),
        max_tokens: int = DEFAULT_MAX_TOKENS,
        model_id: str | None = None,
        effort: Effort | None = None,
        tier: Tier | None = None,
        thinking_tokens: int | None = None,
        cache: bool | None = None,
    ) -> BaseModel | str:
        """Ask a model, and return its answer: text, or an instance of `answer`.

        If the answer does not fit the schema of `answer`, the model is asked once more with the errors.

            brief = job.ask(prompt, answer=Brief, attachments=[job.attachment(job.request.document)])

        Args:
            prompt: From `prompt`, or a text.
            answer: The pydantic model that the answer must fit.
            attachments: Pictures and documents. See `page_images` and `attachment`.
            max_tokens: The longest answer, in tokens. Some models count their thoughts too.
            model_id: Default: the analysis's model, then the stack's. IDs with `gemini-` go to Gemini, all others to
                Bedrock.
            effort: How much the model thinks: `minimal`, `low`, `medium`, `high`, `xhigh` or `max`, if it takes that.
            tier: The service tier: `priority`, `default`, `flex` or `reserved`, if the model has it. Default: the tier
                of the job's lane, if the model has that.
            thinking_tokens: The model may think with so many tokens, beside `max_tokens`. For models with a budget.
            cache: Whether to use the vendor's prompt cache for the document in the prompt. None: if the document is
                sent again, or may be. See the guide on models.

        Raises:
            Fail: The request would fail again, for example `model_answer_too_long` or `attachment_too_large`.
            Retry: Another attempt may succeed, for example `model_answer_invalid` or `model_timeout`.
            Defer: The model asks us to wait, for example `model_throttled`.
            ConfigurationError: No model is set, or it does not take `effort`, `tier` or `thinking_tokens`.
        """
        from analysis_jobs.llm.options import AskOptions  # noqa: PLC0415 - import only when used

        return self._asker.ask(
            prompt,
            answer=answer,
            attachments=attachments,
            max_tokens=max_tokens,
            options=AskOptions(model_id, effort, tier, thinking_tokens, cache),
        )

    def _track_answer(self) -> Callable[[float], None]:
        """Return a function that moves the progress by the share (0 to 1) of the answer that has arrived."""
        report, stage = self._context.report, self._context.stage
        begun_at = report.percent

        def move(share: float) -> None:
            if not stage.in_series:  # within `each`, finished items move the progress
                report.move_progress(begun_at, share)

        return move
