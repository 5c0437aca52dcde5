"""Rules for extracted fields, declared in the field's annotation. A violation becomes a finding, not an exception.

    class Certificate(BaseModel):
        number: Annotated[str | None, Required(), IsText(pattern=r"CE-[0-9]{6}")] = None
        issued_on: Annotated[str | None, IsDate(not_in_future=True)] = None
        expires_on: Annotated[str | None, IsDate(after="issued_on", within_years=10)] = None
        credits: Annotated[float | None, IsNumber(minimum=0.5, maximum=60, decimal_places=1)] = None

    checked = review(certificate, today=job.submitted_at.date(), confidence={"number": 0.93})

Nested models and lists are checked too; a finding names its field by a dotted path, such as `items.2.quantity`. Only
`Required` applies to a missing value (None). Declare wide types (`str | None`, not `date`): if the schema refuses a
value, the model is asked again; if a rule refuses it, the value is kept and shown to a reviewer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, Field

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass
from analysis_jobs.extraction.dates import DateOrder, as_date, possible_dates

_DAYS_A_YEAR = 365.25


class Finding(BaseModel):
    """A violation of a rule: the field's dotted path, the value as read, the rule, and a sentence for people."""

    field: str
    value: Any
    rule: str
    message: str


class Checked(BaseModel):
    """The result of a review: the findings, the known confidences of 0 to 1, and whether a person should look."""

    findings: list[Finding]
    confidence: dict[str, Annotated[float, Field(ge=0, le=1)]]
    needs_review: bool


@dataclass(frozen=True)
class RuleContext:
    """What a rule may use beside its value: the other fields of the same model, and the date of the review."""

    siblings: Mapping[str, Any]
    today: date


# The name of a rule, and the end of a sentence that begins with the field: "is not a date".
Violation: TypeAlias = tuple[str, str]


class Rule:
    """A rule for a field. Subclass it for rules of your own."""

    def broken(self, value: Any, around: RuleContext) -> Iterator[Violation]:
        """Yield every violation of the rule by `value`."""
        raise NotImplementedError

    def looks_at(self) -> tuple[str, ...]:
        """Return the names of the other fields that the rule reads."""
        return ()


@dataclass(frozen=True)
class Required(Rule):
    """The field must have a value.

    With `when`, only if that field has one of the values in `equals`, or any value if `equals` is empty.
    """

    when: str | None = None
    equals: tuple[Any, ...] = ()

    def looks_at(self) -> tuple[str, ...]:
        """See `Rule.looks_at`."""
        return (self.when,) if self.when else ()

    def broken(self, value: Any, around: RuleContext) -> Iterator[Violation]:
        """See `Rule.broken`."""
        if not _is_missing(value):
            return
        if self.when is None:
            yield "required", "is missing"
            return
        other = around.siblings[self.when]
        if other in self.equals if self.equals else not _is_missing(other):
            yield "required", f"is missing, although {self.when} is {other!r}"


@dataclass(frozen=True)
class IsDate(Rule):
    """The value must be a date, or text that `as_date` can read as one date.

    A text such as `03/04/2026` can be two dates. That is a finding, unless `order` says how the documents write dates:
    `day_first`, `month_first` or `year_first`. `after` names a field with an earlier date. `within_years` limits the
    distance from the date of the review, in both directions: a date further away was probably misread.
    """

    not_in_future: bool = False
    after: str | None = None
    within_years: float | None = None
    order: DateOrder | None = None

    def looks_at(self) -> tuple[str, ...]:
        """See `Rule.looks_at`."""
        return (self.after,) if self.after else ()

    def broken(self, value: Any, around: RuleContext) -> Iterator[Violation]:
        """See `Rule.broken`."""
        possible = possible_dates(value, self.order)
        if len(possible) != 1:
            choice = " or ".join(map(str, possible))
            yield ("ambiguous_date", f"can be {choice}") if possible else ("date", "is not a date")
            return
        [day] = possible
        if self.not_in_future and day > around.today:
            yield "not_in_future", f"is after {around.today}, the date of the review"
        earlier = as_date(around.siblings[self.after], self.order) if self.after else None
        if earlier is not None and day <= earlier:
            yield "after", f"is not after {self.after}, {earlier}"
        if self.within_years is not None and abs((day - around.today).days) > self.within_years * _DAYS_A_YEAR:
            yield "within_years", f"is more than {self.within_years:g} years from {around.today}"


@dataclass(frozen=True)
class IsNumber(Rule):
    """The value must be a finite number, or text that is one.

    It must be between `minimum` and `maximum`, inclusive, with at most `decimal_places`.
    """

    minimum: float | None = None
    maximum: float | None = None
    decimal_places: int | None = None

    def __post_init__(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ConfigurationError(f"{self}: minimum is greater than maximum; no number satisfies both")

    def broken(self, value: Any, around: RuleContext) -> Iterator[Violation]:  # noqa: ARG002 - the signature of `Rule`
        """See `Rule.broken`."""
        number = _as_number(value)
        if number is None:
            yield "number", "is not a number"
            return
        if self.minimum is not None and number < Decimal(str(self.minimum)):
            yield "minimum", f"is below {self.minimum:g}"
        if self.maximum is not None and number > Decimal(str(self.maximum)):
            yield "maximum", f"is above {self.maximum:g}"
        if self.decimal_places is not None and _places(number) > self.decimal_places:
            yield "decimal_places", f"has more than {self.decimal_places} decimal places"


@dataclass(frozen=True)
class IsText(Rule):
    """The value must be text.

    All of it must match `pattern`. It must have `shortest` to `longest` characters. With `one_of`, it must equal one of
    these texts, ignoring case.
    """

    pattern: str | None = None
    shortest: int = 0
    longest: int | None = None
    one_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ConfigurationError(f"{self}: the pattern is not a regular expression: {error}") from error
        if self.longest is not None and self.shortest > self.longest:
            raise ConfigurationError(f"{self}: shortest is greater than longest; no text satisfies both")

    def broken(self, value: Any, around: RuleContext) -> Iterator[Violation]:  # noqa: ARG002 - the signature of `Rule`
        """See `Rule.broken`."""
        if not isinstance(value, str):
            yield "text", "is not text"
            return
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            yield "pattern", f"does not match {self.pattern}"
        if len(value) < self.shortest:
            yield "shortest", f"has fewer than {self.shortest} characters"
        if self.longest is not None and len(value) > self.longest:
            yield "longest", f"has more than {self.longest} characters"
        if self.one_of and value.casefold() not in map(str.casefold, self.one_of):
            yield "one_of", f"is not one of {', '.join(self.one_of)}"


def findings(fields: BaseModel, *, today: date) -> list[Finding]:
    """Return the violations of the rules of a model's fields, in the order of the fields.

    Raises `ConfigurationError` if a rule names a field that its model does not have.
    """
    return list(_of_model(fields, today, ""))


def review(
    fields: BaseModel,
    *,
    today: date,
    confidence: Mapping[str, float] | None = None,
    also: Sequence[Finding] = (),
    sure_from: float = 0.8,
) -> Checked:
    """Check extracted fields on the date `today`. `also` adds findings from elsewhere, for example from `agreed`.

    `needs_review` is set if there is a finding, or a field with a confidence below `sure_from`.
    """
    known = dict(confidence or {})
    found = [*also, *findings(fields, today=today)]
    unsure = any(each < sure_from for each in known.values())
    return Checked(findings=found, confidence=known, needs_review=bool(found) or unsure)


def _of_model(model: BaseModel, today: date, path: str) -> Iterator[Finding]:
    kind = type(model)
    siblings = {name: getattr(model, name) for name in kind.model_fields}
    around = RuleContext(siblings, today)
    for name, (own, of_items) in _rules_of(kind).items():
        value, where = siblings[name], f"{path}{name}"
        yield from _judge(own, value, where, around)
        for key, item in _items(value):
            yield from _judge(of_items, item, f"{where}.{key}", around)
        yield from _within(value, today, where)


def _judge(rules: Sequence[Rule], value: Any, where: str, around: RuleContext) -> Iterator[Finding]:
    for rule in rules:
        if _is_missing(value) and not isinstance(rule, Required):
            continue
        for name, problem in rule.broken(value, around):
            shown = "" if _is_missing(value) else f" {value!s:.80}"
            yield Finding(field=where, value=value, rule=name, message=f"{where}{shown} {problem}")


def _within(value: Any, today: date, where: str) -> Iterator[Finding]:
    """Yield the findings in a field's model, or in the models in its list or mapping."""
    if isinstance(value, BaseModel):
        yield from _of_model(value, today, f"{where}.")
    for key, item in _items(value):
        yield from _within(item, today, f"{where}.{key}")


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)


@cache
def _rules_of(kind: type[BaseModel]) -> dict[str, tuple[tuple[Rule, ...], tuple[Rule, ...]]]:
    """Return for each field the rules of its value, and the rules of its items if it is a list or a mapping."""
    found = {}
    for name, field in kind.model_fields.items():
        own = (*(each for each in field.metadata if isinstance(each, Rule)), *_rules_in(field.annotation))
        of_items = tuple(_rules_of_items(field.annotation))
        for unknown in {each for rule in (*own, *of_items) for each in rule.looks_at()} - kind.model_fields.keys():
            raise ConfigurationError(
                f"a rule of {kind.__name__}.{name} names the field {unknown!r}, which {kind.__name__} does not have"
            )
        found[name] = (own, of_items)
    return found


def _rules_in(annotation: Any) -> Iterator[Rule]:
    """Yield the rules in an annotation, also those inside a union such as `Annotated[str, rule] | None`."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from (each for each in metadata if isinstance(each, Rule))
        yield from _rules_in(inner)
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _rules_in(option)


def _rules_of_items(annotation: Any) -> Iterator[Rule]:
    if get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _rules_of_items(option)
    elif get_origin(annotation) in (list, tuple, dict, Sequence, Mapping):
        yield from _rules_in(get_args(annotation)[-1])


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
