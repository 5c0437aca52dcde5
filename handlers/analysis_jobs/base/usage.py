"""The usage of model calls."""

from dataclasses import astuple
from typing import Self

from analysis_jobs.base.values import dataclass


@dataclass(frozen=True)
class Usage:
    """Numbers of calls and tokens. `input_tokens` excludes the tokens that a prompt cache read or wrote.

    `estimated_calls` is the number of calls for which the vendor reported no usage. Their tokens are estimates.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    estimated_calls: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))
