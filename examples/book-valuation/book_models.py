"""The request (a book as its catalogue describes it), the models' answers, and the result."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from analysis_jobs import Document

type Words = Annotated[str, Field(min_length=1, max_length=2_000)]
# The model is asked for a number. It is stored as an exact decimal that fits into the database column.
type Money = Annotated[Decimal, Field(ge=0, lt=10**10), WithJsonSchema({"type": "number", "minimum": 0})]


class Sale(BaseModel):
    """A copy that was sold elsewhere."""

    model_config = ConfigDict(extra="forbid")

    year: int = Field(ge=1500, le=2100)
    house: Words
    copy_described: Words
    price: Words = Field(description='Currency and sum, e.g. "EUR 1,900".')


class Book(BaseModel):
    """The request: the book's data in the catalogue. `document` is an uploaded catalogue entry, as text or PDF."""

    model_config = ConfigDict(extra="forbid")

    title: Words
    author: Words | None = None
    published: int | None = Field(default=None, ge=1000, le=2100)
    publisher: Words | None = None
    edition: Words | None = None
    binding: Words | None = None
    condition: Words | None = None
    provenance: Words | None = None
    last_valuation: Words | None = Field(default=None, description='e.g. "EUR 1,800 to EUR 2,400 (2019, insurance)".')
    sales: list[Sale] = Field(default=[], max_length=20)
    document: Document | None = None


class Essay(BaseModel):
    """The appraisal in words."""

    text: str


class Valuation(BaseModel):
    """What the book would bring today."""

    low: Money = Field(description="The low end of the range.")
    high: Money = Field(description="The high end of the range.")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="The currency of both, as an ISO 4217 code.")

    @model_validator(mode="after")
    def _low_is_low(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")
        return self

    @property
    def mid(self) -> Decimal:
        """The middle of the range, in cents."""
        return ((self.low + self.high) / 2).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


class Comparable(BaseModel):
    """A sale that the appraisal leans on."""

    year: int | None = Field(default=None, description="The year of the sale.")
    description: str = Field(description="Where it was sold, and in which state the copy was.")
    price: Money | None = Field(default=None, description="What it brought.")


class MarketAnalysis(BaseModel):
    """The market's view."""

    valuation: Valuation
    comparable_sales: list[Comparable] = Field(default=[], description="The comparable sales.")


class Appraisal(BaseModel):
    """The figures and facts of a book's appraisal."""

    title: str = Field(description="The title of the book.")
    author: str | None = Field(default=None, description="The author of the book.")
    published: int | None = Field(default=None, description="The year in which this copy was published.")
    edition: str | None = Field(default=None, description="Which edition the copy is of.")
    binding: str | None = Field(default=None, description="The binding of the copy.")
    provenance: str | None = Field(default=None, description="The provenance: who owned it before.")
    condition: str = Field(description="The condition of the copy, with its flaws.")
    condition_grade: Literal["fine", "very good", "good", "fair", "poor"] = Field(description="The condition's grade.")
    market_analysis: MarketAnalysis


class Valued(Appraisal):
    """The result: the appraisal, and the middle value for the catalogue."""

    value_mid: Decimal

    @classmethod
    def of(cls, appraisal: Appraisal) -> Self:
        """Return the appraisal with the middle of its range."""
        return cls(**dict(appraisal), value_mid=appraisal.market_analysis.valuation.mid)


def described(book: Book, entry: str = "") -> str:
    """Return a book as text, with one known fact per line, and the text of its catalogue `entry` at the end."""
    facts = {
        "Title": book.title,
        "Author": book.author,
        "Published": book.published,
        "Publisher": book.publisher,
        "Edition": book.edition,
        "Binding": book.binding,
        "Condition": book.condition,
        "Provenance": book.provenance,
        "Valuation": book.last_valuation,
    }
    lines = [f"{label}: {fact}" for label, fact in facts.items() if fact is not None]
    lines += [f"Comparable sale: {sale.year}, {sale.house}, {sale.copy_described}, {sale.price}" for sale in book.sales]
    return "\n".join([*lines, *(["", entry] if entry else [])])
