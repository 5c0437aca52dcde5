"""Error bodies: RFC 9457 problem details, which name the field and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from pydantic import ValidationError

# A bad request is told what is wrong, not given back: its own texts, and thousands of errors, would fill the answer.
_MAX_ERRORS = 20
_MAX_CHARACTERS = 500


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `field` is its path in the request, as `input.document`."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """An answer that is not the one that was asked for."""

    def __init__(  # noqa: PLR0913 - what RFC 9457 has
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        headers: dict[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members or {}

    @classmethod
    def invalid(cls, errors: Sequence[FieldError]) -> Self:
        """Return a 422 that names the fields that are wrong (of very many, the first ones)."""
        return cls(422, "Invalid request", _sentence(errors), errors)

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        """Return a 422 about one field."""
        return cls.invalid([FieldError(field, message)])

    @classmethod
    def not_found(cls, what: str) -> Self:
        """Return a 404; it does not tell a job of another tenant from none."""
        return cls(404, "Not found", what)

    def without_prefix(self, prefix: str) -> "Problem":
        """Return the same problem, its fields named without `prefix`."""
        if not any(error.field.startswith(prefix) for error in self.errors):
            return self
        return Problem.invalid([replace(error, field=error.field.removeprefix(prefix)) for error in self.errors])

    def body(self) -> dict[str, Any]:
        """Return the problem details object."""
        details: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": _clipped(self.detail),
            **self.members,
        }
        errors = [{name: _clipped(text) for name, text in asdict(error).items()} for error in self.errors[:_MAX_ERRORS]]
        return details | ({"errors": errors} if errors else {})


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """Return pydantic's findings as field errors, their paths below `prefix`."""
    return [
        FieldError(".".join(map(str, ((prefix,) if prefix else ()) + found["loc"])) or "body", found["msg"])
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _sentence(errors: Sequence[FieldError]) -> str:
    return "; ".join(f"{error.field}: {error.message}" for error in errors[:_MAX_ERRORS])


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
