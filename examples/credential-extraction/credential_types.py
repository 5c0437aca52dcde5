"""The kinds of credential: of each field what the model is told, behind which labels it stands, what holds of it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from analysis_jobs.extraction import IsDate, IsNumber, IsText, Required


@dataclass(frozen=True)
class Behind:
    """The template's part of a field: the labels that its value stands behind, or below."""

    labels: tuple[str, ...]

    def __init__(self, *labels: str) -> None:
        object.__setattr__(self, "labels", labels)


ISSUED = Behind("Date of issue", "Issued on", "Issued", "Registered on", "Date awarded")
EXPIRES = Behind("Valid until", "Expires on", "Expires", "Expiry date")
HOLDER = Behind("Awarded to", "This is to certify that", "Name of licensee", "Licensee", "Registrant", "Name")


class Certificate(BaseModel):
    """A certificate of continuing education."""

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The person it was awarded to.")
    ] = None
    course: Annotated[str | None, Required(), Behind("Course", "Course title"), Field(description="The course.")] = None
    credits: Annotated[
        float | None,
        Required(),
        IsNumber(minimum=0.25, maximum=100, decimal_places=2),
        Behind("Credits", "Contact hours", "CE credits"),
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
        Behind("Certificate number", "Certificate no"),
        Field(description="The certificate number."),
    ] = None


class Licence(BaseModel):
    """A licence to practise a profession."""

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The licensee's name.")
    ] = None
    profession: Annotated[
        str | None, Required(), Behind("Profession", "Licence type"), Field(description="The profession.")
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
        Behind("Licence number", "License number", "Licence no"),
        Field(description="The licence number."),
    ] = None
    status: Annotated[
        str | None,
        IsText(one_of=("Active", "Inactive", "Lapsed", "Suspended")),
        Behind("Status"),
        Field(description="The status of the licence."),
    ] = None


class Registration(BaseModel):
    """An entry in a professional register."""

    holder: Annotated[
        str | None, Required(), IsText(longest=120), HOLDER, Field(description="The registrant's name.")
    ] = None
    category: Annotated[str | None, Behind("Category"), Field(description="The category of registration.")] = None
    issued_on: Annotated[
        str | None,
        Required(),
        IsDate(not_in_future=True, within_years=60),
        ISSUED,
        Field(description="The date registered on, as YYYY-MM-DD."),
    ] = None
    expires_on: Annotated[
        str | None,
        Required(),
        IsDate(after="issued_on", within_years=15),
        EXPIRES,
        Field(description="The date it is valid until, as YYYY-MM-DD."),
    ] = None
    number: Annotated[
        str | None,
        Required(),
        IsText(pattern=r"[A-Z]{2,4}-[0-9]{4,6}"),
        Behind("Registration number", "Registration no"),
        Field(description="The registration number."),
    ] = None


class Other(BaseModel):
    """Whatever is none of these: nothing is extracted, and a person looks at it."""


KINDS: dict[str, type[BaseModel]] = {"certificate": Certificate, "licence": Licence, "registration": Registration}
# What only such a document says, as the template tells them apart.
MARKS = {
    "certificate": ("certificate of", "certificate number", "continuing education", "contact hours", "awarded to"),
    "licence": ("licence to practise", "license to practice", "licence number", "license number", "licensee"),
    "registration": ("registration card", "registration number", "registrant", "registered on", "register of"),
}
