"""What model calls cost: list prices as data, and a call's price in dollars.

USD per million tokens, as the vendors' pages gave them in October and November 2026:
https://platform.claude.com/docs/en/about-claude/pricing, https://aws.amazon.com/bedrock/pricing/ (on demand),
https://ai.google.dev/gemini-api/docs/pricing (paid tier, text). Discounts, batch and service tiers are not in them: the
bill decides. `model_prices` of the module replaces any of them, or adds what is missing.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.observability import log
from analysis_jobs.base.usage import Usage

_MILLION = 1_000_000
_MICRODOLLAR = Decimal("0.000001")


class Price(BaseModel):
    """USD per million tokens. A cache's prices are those of the input where they are not given.

    `over` is the price of a whole call that reads more than `long_prompt` tokens; `regional` what a profile or a model
    of one geography costs more than a `global.` one, as a factor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_read: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)
    long_prompt: int | None = None
    over: "Price | None" = None
    regional: Decimal = Decimal(1)

    def of(self, usage: Usage) -> Decimal:
        """Return what one call costs."""
        read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        if self.over and self.long_prompt and read > self.long_prompt:
            return self.over.of(usage)
        parts = (
            usage.input_tokens * self.input,
            usage.output_tokens * self.output,
            usage.cache_read_tokens * _given(self.cache_read, self.input),
            usage.cache_write_tokens * _given(self.cache_write, self.input),
        )
        return sum(parts, Decimal()) / _MILLION


def _given(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price


def _price(prices: str, *, over: str = "", long_prompt: int | None = None, regional: str = "1") -> Price:
    """Read `input output cache_read cache_write`; a vendor that does not charge for writing has no fourth."""
    named = dict(zip(("input", "output", "cache_read", "cache_write"), map(Decimal, prices.split()), strict=False))
    longer = _price(over) if over else None
    return Price(**named, over=longer, long_prompt=long_prompt, regional=Decimal(regional))


@cache
def _list_prices() -> Mapping[str, Price]:
    claude, nova, gemini = "anthropic.claude", "amazon.nova", "gemini"
    # Claude from 4.5 on: ten percent more anywhere but in the `global.` profile.
    opus, sonnet, old_opus = _price("5 25 0.5 6.25", regional="1.1"), "3 15 0.3 3.75", _price("15 75 1.5 18.75")
    return {
        f"{claude}-opus-5-5": _price("4 20 0.2 5", regional="1.1"),
        **dict.fromkeys((f"{claude}-opus-{version}" for version in ("5", "4-8", "4-7", "4-6", "4-5")), opus),
        **dict.fromkeys((f"{claude}-opus-4-1", f"{claude}-opus-4", f"{claude}-3-opus"), old_opus),
        f"{claude}-sonnet-5-5": _price("2 10 0.1 2.5", regional="1.1"),
        f"{claude}-sonnet-5": _price("2 10 0.2 2.5", regional="1.1"),
        f"{claude}-sonnet-4-6": _price(sonnet, regional="1.1"),
        f"{claude}-sonnet-4-5": _price(sonnet, regional="1.1"),
        **dict.fromkeys((f"{claude}-{name}" for name in ("sonnet-4", "3-7-sonnet", "3-5-sonnet")), _price(sonnet)),
        f"{claude}-3-sonnet": _price("3 15"),
        f"{claude}-haiku-5-5": _price(
            "0.1 0.5 0.01 0.125", long_prompt=100_000, over="0.5 2.5 0.05 0.625", regional="1.1"
        ),
        f"{claude}-haiku-4-5": _price("1 5 0.1 1.25", regional="1.1"),
        f"{claude}-3-5-haiku": _price("0.8 4 0.08 1"),
        f"{claude}-3-haiku": _price("0.25 1.25 0.03 0.3"),
        f"{nova}-premier": _price("2.5 12.5 0.625"),
        f"{nova}-pro": _price("0.8 3.2 0.2"),
        f"{nova}-lite": _price("0.06 0.24 0.015"),
        f"{nova}-micro": _price("0.035 0.14 0.00875"),
        f"{gemini}-3.8-flash": _price("0.75 3.75 0.075"),  # twice that from 2027 on
        f"{gemini}-3.1-pro": _price("2 12 0.2", long_prompt=200_000, over="4 18 0.4"),
        f"{gemini}-3.1-flash-lite": _price("0.25 1.5 0.025"),
        f"{gemini}-3-pro": _price("2 12 0.2", long_prompt=200_000, over="4 18 0.4"),
        f"{gemini}-3-flash": _price("0.5 3 0.05"),
        f"{gemini}-2.5-pro": _price("1.25 10 0.125", long_prompt=200_000, over="2.5 15 0.25"),
        f"{gemini}-2.5-flash": _price("0.3 2.5 0.03"),
        f"{gemini}-2.5-flash-lite": _price("0.1 0.4 0.01"),
    }


# Of an ARN what comes last; of the rest, whose geography it is, the family, and which release of it.
_GEOGRAPHY = re.compile(r"(global|us-gov|us|eu|apac|jp|au|ca)\.(?=[a-z0-9]+\.)")
_RELEASE = re.compile(r"(-\d{8}|-v\d+|-\d{3}|-latest|-preview[a-z0-9-]*)*(:[a-z0-9:]+)?$")


class Prices:
    """The price table, with a stack's own prices before the list's; asked by model id, as calls are made with."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self._own = dict(own or {})
        self._unknown: set[str] = set()

    @classmethod
    def parse(cls, own: Mapping[str, Any]) -> Self:
        """Return the table with the prices of the setting `MODEL_PRICES`, by model id.

        Raises `ConfigurationError`, which names the model and the price.
        """
        try:
            return cls(TypeAdapter(dict[str, Price]).validate_python(dict(own)))
        except ValidationError as error:
            wrong = "; ".join(f"MODEL_PRICES.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(f"environment: {wrong}") from error

    def cost_usd(self, model_id: str, usage: Usage) -> Decimal | None:
        """Return what a call costs, in whole millionths of a dollar; None, and a log line once, for no known price."""
        price, factor = self._find(model_id)
        if price is None:
            if model_id not in self._unknown:
                self._unknown.add(model_id)
                log("model.no_price", f"no price is known of {model_id}: set model_prices", model_id=model_id)
            return None
        return (price.of(usage) * factor).quantize(_MICRODOLLAR, ROUND_HALF_UP)

    def _find(self, model_id: str) -> tuple[Price | None, Decimal]:
        """Return the price of a model, and the factor for where it runs. A stack's own price is what it pays."""
        name = model_id.rsplit("/", 1)[-1]
        geography = _GEOGRAPHY.match(name)
        bare = name[geography.end() :] if geography else name
        family = _RELEASE.sub("", bare)
        for known in (model_id, name, bare, family):
            if known in self._own:
                return self._own[known], Decimal(1)
        price = _list_prices().get(family)
        is_global = geography is not None and geography[1] == "global"
        return price, Decimal(1) if price is None or is_global else price.regional
