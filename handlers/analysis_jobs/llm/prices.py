"""What model calls cost: the vendors' list prices by date (`prices.toml`), and the price of one call in dollars.

`model_prices` of the module replaces a list price, or adds one that is missing. The vendor's bill remains the truth:
discounts and batches are not in the list.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.base.observability import log
from analysis_jobs.base.usage import Usage
from analysis_jobs.base.values import dataclass
from analysis_jobs.llm.model_ids import GEOGRAPHY, family_name

_TABLE = Path(__file__).with_name("prices.toml")
_MILLION = 1_000_000
_MICRODOLLAR = Decimal("0.000001")


class Price(BaseModel):
    """USD per million tokens. The cache's prices default to the price of the input.

    `over` is the price of a whole call that reads more than `long_prompt` tokens. `regional` is the factor for every
    model ID and profile except the `global.` profile. `tiers` are the factors of the service tiers other than the
    default one. A tier without a factor has no known price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_read: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)
    long_prompt: int | None = None
    over: "Price | None" = None
    regional: Decimal = Decimal(1)
    tiers: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict)

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


@dataclass(frozen=True)
class ListPrice:
    """One entry of `prices.toml`: a family's price from `valid_from` to `valid_until`, both days included, in UTC."""

    family: str
    price: Price
    source: str
    valid_from: date
    valid_until: date | None = None


@cache
def list_prices() -> Mapping[str, Sequence[ListPrice]]:
    """Return the entries of each model family, oldest first. The first call that is priced reads the file."""
    import tomllib  # noqa: PLC0415 - a cold start prices nothing

    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"), parse_float=Decimal)
    entries = [_entry(source["source"], **entry) for source in table["sources"] for entry in source["entries"]]
    found: dict[str, list[ListPrice]] = {}
    for entry in sorted(entries, key=lambda entry: entry.valid_from):
        found.setdefault(entry.family, []).append(entry)
    return found


def _entry(source: str, *, family: str, valid_from: date, valid_until: date | None = None, **price: Any) -> ListPrice:
    return ListPrice(family, Price(**price), source, valid_from, valid_until)


def price_on(day: date, entries: Sequence[ListPrice]) -> Price | None:
    """Return a family's price on a day, given its entries, oldest first.

    A day before the first entry takes the first entry's price. Returns None without entries, and after the last day of
    a promotional price that no entry follows.
    """
    begun = [entry for entry in entries if entry.valid_from <= day] or entries[:1]
    if not begun or (begun[-1].valid_until is not None and begun[-1].valid_until < day):
        return None
    return begun[-1].price


class Prices:
    """The prices of a stack: its own first, then the list price of the day that `clock` shows."""

    def __init__(self, own: Mapping[str, Price] | None = None, clock: Clock | None = None) -> None:
        self._own = dict(own or {})
        self._clock = clock or SystemClock()
        self._unknown: set[str] = set()

    @classmethod
    def parse(cls, own: Mapping[str, Any], clock: Clock | None = None) -> Self:
        """Return the table with the prices of the setting `MODEL_PRICES`, by model id.

        Raises `ConfigurationError`, which names the model and the price.
        """
        try:
            return cls(TypeAdapter(dict[str, Price]).validate_python(dict(own)), clock)
        except ValidationError as error:
            wrong = describe(field_errors(error, prefix="MODEL_PRICES"))
            raise ConfigurationError(f"environment: {wrong}") from error

    def cost_usd(self, model_id: str, usage: Usage, tier: str | None = None) -> Decimal | None:
        """Return what a call made now costs, rounded to a millionth of a dollar. `tier` is its service tier.

        Returns None for a model, or a tier of it, without a known price, and logs that once for each.
        """
        price, factor = self._find(model_id)
        of_tier = Decimal(1) if price is None or tier in (None, "default") else price.tiers.get(tier)
        if price is None or of_tier is None:
            self._log_unknown(model_id if price is None else f"the tier {tier} of {model_id}", model_id)
            return None
        return (price.of(usage) * factor * of_tier).quantize(_MICRODOLLAR, ROUND_HALF_UP)

    def _log_unknown(self, what: str, model_id: str) -> None:
        if what not in self._unknown:
            self._unknown.add(what)
            log("model.no_price", f"no price is known of {what}: set model_prices", model_id=model_id)

    def _find(self, model_id: str) -> tuple[Price | None, Decimal]:
        """Return the price of a model, and the factor for its geography, which a stack's own price already includes."""
        name = model_id.rsplit("/", 1)[-1]
        geography = GEOGRAPHY.match(name)
        bare = name[geography.end() :] if geography else name
        family = family_name(model_id)
        for known in (model_id, name, bare, family):
            if known in self._own:
                return self._own[known], Decimal(1)
        price = price_on(self._clock.now().date(), list_prices().get(family, ()))
        is_global = geography is not None and geography[1] == "global"
        return price, Decimal(1) if price is None or is_global else price.regional
