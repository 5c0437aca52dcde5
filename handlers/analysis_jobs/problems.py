"""Error bodies: RFC 9457 problem details, which name the field and the fix."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import ValidationError


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `field` is its path in the request, as `input.document`."""

    field: str
    message: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """An answer that is not the one that was asked for."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    @classmethod
    def invalid(cls, errors: Sequence[FieldError]) -> Self:
        """Return a 422 that names every field that is wrong."""
        detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
        return cls(422, "Invalid request", detail, errors)

    @classmethod
    def of_field(cls, field: str, message: str) -> Self:
        """Return a 422 about one field."""
        return cls.invalid([FieldError(field, message)])

    @classmethod
    def not_found(cls, what: str) -> Self:
        """Return a 404; it does not tell a job of another tenant from none."""
        return cls(404, "Not found", what)

    def body(self) -> dict[str, Any]:
        """Return the problem details object."""
        details: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return details | ({"errors": [asdict(error) for error in self.errors]} if self.errors else {})


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """Return pydantic's findings as field errors, their paths below `prefix`."""
    return [
        FieldError(".".join(map(str, ((prefix,) if prefix else ()) + found["loc"])) or "body", found["msg"])
        for found in error.errors()
    ]
