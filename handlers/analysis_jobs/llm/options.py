"""Effort, service tier and thinking budget of a question. They are checked against the model's family beforehand."""

from dataclasses import replace
from typing import NoReturn, get_args

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import ServiceTier
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.families import Effort, Family, Tier, family_of
from analysis_jobs.llm.model import Question

EFFORTS: tuple[Effort, ...] = get_args(Effort)
TIERS: tuple[Tier, ...] = get_args(ServiceTier)


@dataclass(frozen=True)
class AskOptions:
    """Who is asked, the options that not every model takes, and whether to use the prompt cache. See `Job.ask`."""

    model_id: str | None = None
    effort: Effort | None = None
    tier: Tier | None = None
    thinking_tokens: int | None = None
    cache: bool | None = None


def with_options(question: Question, options: AskOptions, lane_tier: Tier | None = None) -> Question:
    """Return the question with the options.

    `lane_tier` is the service tier of the job's lane. It counts if the options have no tier and the model takes it.
    Raises `ConfigurationError` for an option that the model does not take.
    """
    tier = options.tier
    if tier is None and lane_tier is not None and takes_tier(family_of(question.model_id), lane_tier):
        tier = lane_tier
    complete = replace(question, effort=options.effort, tier=tier, thinking_tokens=options.thinking_tokens)
    check_options(complete)
    return complete


def check_options(question: Question) -> None:
    """Raise `ConfigurationError` for an option that the model's family does not take.

    A model that is not in the table takes every valid option. Its vendor may refuse it.
    """
    family = family_of(question.model_id)
    _check_name("effort", question.effort, EFFORTS)
    _check_name("tier", question.tier, TIERS)
    if question.thinking_tokens is not None:
        _check_budget(question, family, question.thinking_tokens)
    if not family.is_known:
        return
    if question.effort is not None and question.effort not in (family.efforts or ()):
        _refuse(question, "effort", _offer("effort", family.efforts, family.thinking_tokens and "thinking_tokens"))
    if question.tier is not None and not takes_tier(family, question.tier):
        _refuse(question, "tier", _offer("tier", family.tiers))


def takes_tier(family: Family, tier: Tier) -> bool:
    """Tell whether a family takes a service tier. A family whose tiers are not known takes every one."""
    return family.tiers is None or tier in family.tiers


def _check_name(option: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ConfigurationError(f"job.ask: {option} is {value!r}; give {', '.join(known[:-1])} or {known[-1]}")


def _check_budget(question: Question, family: Family, tokens: int) -> None:
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
        raise ConfigurationError(f"job.ask: thinking_tokens is {tokens!r}; give a number of tokens of 1 or more")
    if family.thinking_tokens is None:
        if family.is_known:
            alternative = f"; set effort to {_listed(family.efforts)} instead" if family.efforts else ""
            _refuse(question, "thinking_tokens", f"takes no thinking budget{alternative}")
        return
    least, most = family.thinking_tokens
    if not least <= tokens <= most:
        _refuse(question, "thinking_tokens", f"takes a thinking budget of {least} to {most} tokens")


def _offer(option: str, taken: tuple[str, ...] | None, alternative: object = None) -> str:
    if taken:
        return f"takes the {option} {_listed(taken)}"
    return f"takes no {option}{f'; set {alternative} instead' if alternative else ''}"


def _listed(values: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))


def _refuse(question: Question, option: str, what_it_takes: str) -> NoReturn:
    value = getattr(question, option)
    raise ConfigurationError(f"job.ask: {option} is {value!r}, but the model {question.model_id} {what_it_takes}")
