"""The kinds of credential. Each field has a description for the model, labels for the template, and rules."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from analysis_jobs.extraction import IsDate, IsNumber, IsText, Required


@dataclass(frozen=True)
class Labels:
    """The labels of a field in a document. Its value follows a label, or stands below it."""

    labels: tuple[str, ...]

    def __init__(self, *labels: str) -> None:
        object.__setattr__(self, "labels", labels)


ISSUED = Labels("Date of issue", "Issued on", "Issued", "Registered on", "Date awarded")
EXPIRES = Labels("Valid until", "Expires on", "Expires", "Expiry date")
HOLDER = Labels("Awarded to", "This is to certify that", "Name of licensee", "Licensee", "Registrant", "Name")


class Certificate(BaseModel):
    """A certificate of continuing education."""

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The person it was awarded to.")
    ] = None
    course: Annotated[str | None, Required(), Labels("Course", "Course title"), Field(description="The course.")] = None
    credits: Annotated[
        float | None,
        Required(),
        IsNumber(minimum=0.25, maximum=100, decimal_places=2),
        Labels("Credits", "Contact hours", "CE credits"),
        Field(description="The credits in contact hours."),
    ] = None
    issued_on: Annotated[
        str | None,
        Required(),
        IsDate(not_in_future=True, within_years=30),
        ISSUED,
        Field(description="The date of issue, as YYYY-MM-DD."),
    ] = None
    expires_on: Annotated[
        str | None,
        IsDate(after="issued_on", within_years=15),
        EXPIRES,
        Field(description="The date it is valid until, as YYYY-MM-DD."),
    ] = None
    number: Annotated[
        str | None,
        Required(),
        IsText(pattern=r"[A-Z]{2}-[0-9]{6}"),
        Labels("Certificate number", "Certificate no"),
        Field(description="The certificate number."),
    ] = None


class Licence(BaseModel):
    """A licence to practise a profession."""

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The licensee's name.")
    ] = None
    profession: Annotated[
        str | None, Required(), Labels("Profession", "Licence type"), Field(description="The profession.")
    ] = None
    issued_on: Annotated[
        str | None,
        Required(),
        IsDate(not_in_future=True, within_years=60),
        ISSUED,
        Field(description="The date of issue, as YYYY-MM-DD."),
    ] = None
    expires_on: Annotated[
        str | None,
        Required(),
        IsDate(after="issued_on", within_years=15),
        EXPIRES,
        Field(description="The date on which it expires, as YYYY-MM-DD."),
    ] = None
    number: Annotated[
        str | None,
        Required(),
        IsText(pattern=r"[A-Z]{2,3}-[0-9]{7}"),
        Labels("Licence number", "License number", "Licence no"),
        Field(description="The licence number."),
    ] = None
    status: Annotated[
        str | None,
        IsText(one_of=("Active", "Inactive", "Lapsed", "Suspended")),
        Labels("Status"),
        Field(description="The status of the licence."),
    ] = None


class Registration(BaseModel):
    """An entry in a professional register."""

    # The registers write the day of a date first.

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The registrant's name.")
    ] = None
    category: Annotated[str | None, Labels("Category"), Field(description="The category of registration.")] = None
    issued_on: Annotated[
        str | None,
        Required(),
        IsDate(not_in_future=True, within_years=60, order="day_first"),
        ISSUED,
        Field(description="The date registered on, as YYYY-MM-DD."),
    ] = None
    expires_on: Annotated[
        str | None,
        Required(),
        IsDate(after="issued_on", within_years=15, order="day_first"),
        EXPIRES,
        Field(description="The date it is valid until, as YYYY-MM-DD."),
    ] = None
    number: Annotated[
        str | None,
        Required(),
        IsText(pattern=r"[A-Z]{2,4}-[0-9]{4,6}"),
        Labels("Registration number", "Registration no"),
        Field(description="The registration number."),
    ] = None


class Other(BaseModel):
    """Any other document. Nothing is extracted, and a person reviews it."""


KINDS: dict[str, type[BaseModel]] = {"certificate": Certificate, "licence": Licence, "registration": Registration}
# Phrases that are typical for each kind. The template finds the kind by them.
MARKS = {
    "certificate": ("certificate of", "certificate number", "continuing education", "contact hours", "awarded to"),
    "licence": ("licence to practise", "license to practice", "licence number", "license number", "licensee"),
    "registration": ("registration card", "registration number", "registrant", "registered on", "register of"),
}
