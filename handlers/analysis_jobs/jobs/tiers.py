"""The order within a lane: jobs of a better tier go first.

A queue has no such order. So a message of a job with a tier is a right to work and not the job: whoever receives it
asks which job of the lane is next. See docs/decisions/0013-order-within-a-lane.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import BaseModel

# A rank has two digits in the key that the jobs of a lane are sorted by.
_MOST_TIERS = 100
_TIER = re.compile(r"\S(.{0,62}\S)?")


@dataclass(frozen=True)
class TierRequest:
    """What a tier may depend on: who asks, for what, and the validated request."""

    tenant: str
    subject: str | None
    client: str | None
    project: str | None
    request: BaseModel


@dataclass(frozen=True)
class Tiers:
    """The tiers of an analysis, best first, and how a job's is found.

    `of` is a function of what was asked for, or the name of a field of the request: that one its caller may choose
    freely, so it suits a backend that submits for its users, and not the users themselves.

    Raises `ConfigurationError` for no tier, for two of one name and for more than 100.
    """

    order: tuple[str, ...]
    of: Callable[[TierRequest], str] | str

    def __post_init__(self) -> None:
        if not 1 <= len(self.order) <= _MOST_TIERS or len(set(self.order)) < len(self.order):
            raise ConfigurationError(f"tiers {self.order}: give 1 to {_MOST_TIERS} different names, the best one first")
        if unfit := [tier for tier in self.order if not _TIER.fullmatch(tier)]:
            raise ConfigurationError(f"tiers {unfit}: a name has 1 to 64 characters, and no space at its ends")

    def check(self, request: type[BaseModel]) -> None:
        """Raise `ConfigurationError` where `of` names a field that the request does not have."""
        if isinstance(self.of, str) and self.of not in request.model_fields:
            raise ConfigurationError(f"tiers: {request.__name__} has no field {self.of!r}")

    def find(self, asked: TierRequest) -> str | None:
        """Return the tier of what was asked for; None where it is none of `order`."""
        tier: Any = getattr(asked.request, self.of) if isinstance(self.of, str) else self.of(asked)
        return next((known for known in self.order if known == tier), None)

    def tier_rank(self, tier: str) -> int:
        """Return the place of a tier in the order, 0 for the best."""
        return self.order.index(tier)


@dataclass(frozen=True)
class TierPointer:
    """What the message of a job with a tier carries beside the job: its priority and its tier's rank.

    `delayed` tells that the queue delayed the message until the job's wait was over.
    """

    priority: str
    tier_rank: int
    delayed: bool = False

    def body(self) -> dict[str, Any]:
        """Return the fields of the message's body."""
        # These names stay: messages of earlier versions may still be in a queue.
        return {"lane": self.priority, "rank": self.tier_rank, "held_back": self.delayed}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> TierPointer | None:
        """Return what a message's body says; None for a job without a tier. Raises `ValueError`."""
        match body:
            case {"lane": str(lane), "rank": int(rank), "held_back": bool(delayed)} if 0 <= rank < _MOST_TIERS:
                return cls(lane, rank, delayed)
            case {"lane": _} | {"rank": _} | {"held_back": _}:
                raise ValueError("a job with a tier has a lane, a rank and whether it was held back")
        return None
