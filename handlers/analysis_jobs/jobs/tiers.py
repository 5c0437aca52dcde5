"""The order of the jobs within one queue: jobs of a better tier run first.

SQS cannot deliver messages in this order. So a message of a job with a tier does not fix which job runs: the worker
that receives it claims the best queued job of the same priority. See docs/decisions/0013-order-within-a-lane.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass

if TYPE_CHECKING:
    from pydantic import BaseModel

# A rank has two digits in `lane_sort_key`.
_MAX_TIERS = 100
_TIER_NAME = re.compile(r"\S(.{0,62}\S)?")


@dataclass(frozen=True)
class TierRequest:
    """The input of a tier function: the caller, the subject and the validated request."""

    tenant: str
    subject: str | None
    client: str | None
    project: str | None
    request: BaseModel


@dataclass(frozen=True)
class Tiers:
    """The tiers of an analysis, best first, and how to find the tier of a job.

    `of` is a function of the submission, or the name of a request field. The caller chooses the value of a field, so
    use a field only if the caller is a trusted backend.

    Raises `ConfigurationError` if `order` is empty, has duplicates or more than 100 names, or if a name is invalid.
    """

    order: tuple[str, ...]
    of: Callable[[TierRequest], str] | str

    def __post_init__(self) -> None:
        if not 1 <= len(self.order) <= _MAX_TIERS or len(set(self.order)) < len(self.order):
            raise ConfigurationError(f"tiers {self.order}: give 1 to {_MAX_TIERS} different names, the best tier first")
        if unfit := [tier for tier in self.order if not _TIER_NAME.fullmatch(tier)]:
            raise ConfigurationError(f"tiers {unfit}: give names of 1 to 64 characters without a space at either end")

    def check(self, request: type[BaseModel]) -> None:
        """Raise `ConfigurationError` if `of` names a field that the request model does not have."""
        if isinstance(self.of, str) and self.of not in request.model_fields:
            raise ConfigurationError(f"tiers: {request.__name__} has no field {self.of!r}")

    def find(self, submission: TierRequest) -> str | None:
        """Return the tier of a submission, None if the value is not in `order`."""
        tier: Any = getattr(submission.request, self.of) if isinstance(self.of, str) else self.of(submission)
        return next((known for known in self.order if known == tier), None)

    def tier_rank(self, tier: str) -> int:
        """Return the index of a tier in `order`, 0 for the best."""
        return self.order.index(tier)


@dataclass(frozen=True)
class TierPointer:
    """The extra fields of a message of a job with a tier: its priority and the rank of its tier.

    `delayed` is true if the message was sent with a delay, because the job had to wait.
    """

    priority: str
    tier_rank: int
    delayed: bool = False

    def body(self) -> dict[str, Any]:
        """Return the fields of the message's body."""
        # Earlier versions used these names, and their messages may still be in a queue.
        return {"lane": self.priority, "rank": self.tier_rank, "held_back": self.delayed}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> TierPointer | None:
        """Return the fields of a message's body, None for a job without a tier.

        Raises `ValueError` for incomplete or invalid fields.
        """
        match body:
            case {"lane": str(lane), "rank": int(rank), "held_back": bool(delayed)} if 0 <= rank < _MAX_TIERS:
                return cls(lane, rank, delayed)
            case {"lane": _} | {"rank": _} | {"held_back": _}:
                raise ValueError("the message of a job with a tier needs lane, rank and held_back")
        return None
