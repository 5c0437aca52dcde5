"""What each family of models takes: ways to a structured answer, thinking, effort, service tiers, cache, silence.

`families.toml` is the table.
"""

from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from analysis_jobs.base.settings import ServiceTier
from analysis_jobs.llm.model_ids import family_name

Effort: TypeAlias = Literal["minimal", "low", "medium", "high", "xhigh", "max"]
Tier: TypeAlias = ServiceTier
CacheTtl: TypeAlias = Literal["5m", "1h"]
EffortField: TypeAlias = Literal[
    "outputConfig.effort",
    "output_config.effort",
    "reasoning_effort",
    "reasoningConfig.maxReasoningEffort",
    "thinking_level",
]
ThinkingField: TypeAlias = Literal["thinking.budget_tokens", "thinking_budget"]

# An unknown model may think silently. A lost connection is noticed earlier by the probes of `sockets.py`.
_UNKNOWN_SILENCE_S = 300
_TABLE = Path(__file__).with_name("families.toml")


class Family(BaseModel):
    """What a family of models takes. The defaults are those of an unknown model.

    Args:
        models: Patterns of model names, without geography and release. Empty for an unknown model.
        native_schema: It takes a JSON schema of the answer (`outputConfig.textFormat`).
        strict_tool: It takes `strict` on a tool.
        forced_tool: It takes a tool that it must call (`toolChoice`).
        tools: It takes tools.
        always_thinks: It thinks before it answers, and cannot be told not to.
        efforts: The efforts that it takes, lowest first. None: not known, so all are sent.
        effort_field: Where the effort goes in the request. None: it takes no effort.
        thinking_tokens: The smallest and the largest thinking budget. None: it takes no budget.
        thinking_field: Where the thinking budget goes in the request.
        tiers: The service tiers that it takes. None: not known, so all are sent.
        longest_silence_s: How long its answer may be silent without being lost, in seconds.
        large_documents: Media types of documents that may be larger than Bedrock's 4.5 MB.
        cache_min_tokens: The smallest prefix that the prompt cache takes, in tokens. None: it takes no cache points.
        cache_ttls: How long a cache entry may live, the default first. Empty: it takes no cache points.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ()
    native_schema: bool = True
    strict_tool: bool = False
    forced_tool: bool = True
    tools: bool = True
    always_thinks: bool = False
    efforts: tuple[Effort, ...] | None = None
    effort_field: EffortField | None = None
    thinking_tokens: tuple[int, int] | None = None
    thinking_field: ThinkingField | None = None
    tiers: tuple[Tier, ...] | None = None
    longest_silence_s: float = Field(default=120, gt=0)
    large_documents: tuple[str, ...] = ()
    cache_min_tokens: int | None = Field(default=None, gt=0)
    cache_ttls: tuple[CacheTtl, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the table has this family."""
        return bool(self.models)

    @property
    def longest_silence(self) -> timedelta:
        """How long its answer may be silent without being lost."""
        return timedelta(seconds=self.longest_silence_s)


@cache
def families() -> Sequence[Family]:
    """Return the table, in order. The first question reads the file."""
    import tomllib  # noqa: PLC0415 - a cold start asks nothing

    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return [Family(**entry) for entry in table["families"]]


def family_of(model_id: str) -> Family:
    """Return the family of a model ID, inference profile or ARN. An unknown model has the defaults."""
    name = family_name(model_id)
    for family in families():
        if any(fnmatchcase(name, pattern) for pattern in family.models):
            return family
    return Family(longest_silence_s=_UNKNOWN_SILENCE_S)
