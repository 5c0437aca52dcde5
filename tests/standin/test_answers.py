"""The answers are the document's own: three texts, several schemas, and nothing that is not in the text."""

import datetime as dt
import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from cloud.stand_in.answers import Conversation, answer
from cloud.stand_in.filling import NOT_STATED, fill
from tests.standin.asking import document, tool, user


class Criterion(BaseModel):
    name: str
    weight: int | None = None


class Event(BaseModel):
    event: str
    date: dt.date


class Contact(BaseModel):
    name: str | None = None
    email: str | None = None
    phone: str | None = None


class Kind(StrEnum):
    CERTIFICATE = "certificate"
    REQUEST = "request_for_proposals"
    TENDER = "tender"
    OTHER = "other"


class Data(BaseModel):
    title: str
    organization: str | None = Field(None, description="Who issues the document")
    submission_deadline: dt.date | None = Field(None, description="The date proposals must be received")
    closing: dt.datetime | None = None
    due_date: str | None = Field(None, description="The deadline, as YYYY-MM-DD")
    questions_due: dt.date | None = None
    start_date: dt.date | None = None
    budget_min: float | None = None
    budget_max: Decimal | None = Field(None, description="Upper limit of the budget")
    currency: str | None = None
    duration_months: int | None = None
    page_limit: int | None = None
    eligibility: list[str] = []
    deliverables: list[str] = Field(default=[], description="What the selected firm has to deliver")
    evaluation_criteria: list[Criterion] = []
    key_dates: list[Event] = []
    contact: Contact
    location: str | None = None
    joint_ventures_allowed: bool | None = None
    insurance_requirements: str


class Brief(BaseModel):
    summary: str
    kind: Kind
    extracted_data: Data


class Certificate(BaseModel):
    document_type: Kind
    holder: str
    credits: float
    completion_date: dt.date
    expiry_date: dt.date | None = None
    issuer: str
    certificate_number: str
    instructor: str | None = None
    in_person: bool | None = Field(None, description="Whether the course was attended in person")


def brief(name: str) -> Brief:
    return Brief.model_validate(fill(Brief.model_json_schema(), document(name)))


def test_a_museums_request_yields_its_own_values() -> None:
    found = brief("museum")
    assert found.kind == Kind.REQUEST
    assert found.extracted_data == Data(
        title="Digital Archive for the Harbour Museum",
        organization="Harbour Museum",
        submission_deadline=dt.date(2027, 3, 15),
        closing=dt.datetime(2027, 3, 15, 17, tzinfo=dt.UTC),
        due_date="2027-03-15",
        questions_due=dt.date(2027, 2, 5),
        start_date=dt.date(2027, 5, 3),
        budget_min=180_000,
        budget_max=Decimal(250_000),
        currency="USD",
        duration_months=14,
        page_limit=25,
        eligibility=[
            "Applicants must have completed at least three comparable archive projects in the past five years.",
            "Firms based outside Denmark may apply.",
            "Individuals may not apply.",
        ],
        deliverables=[
            "A searchable public website in English and Danish",
            "A cataloguing tool for the Museum's six curators",
            "Migration of 31,500 existing records from the present spreadsheet system",
            "Training for staff and volunteers",
        ],
        evaluation_criteria=[
            Criterion(name="Understanding of the collection", weight=20),
            Criterion(name="Technical approach", weight=35),
            Criterion(name="Experience of the team", weight=25),
            Criterion(name="Price", weight=20),
        ],
        key_dates=[
            Event(event="Issue of this request", date=dt.date(2027, 1, 11)),
            Event(event="Deadline for questions", date=dt.date(2027, 2, 5)),
            Event(event="Proposals due", date=dt.date(2027, 3, 15)),
            Event(event="Project start", date=dt.date(2027, 5, 3)),
        ],
        contact=Contact(name="Ingrid Holm", email="archive-rfp@harbourmuseum.example", phone="+45 33 12 47 80"),
        insurance_requirements=NOT_STATED,
    )


def test_a_road_tender_yields_its_own_values() -> None:
    found = brief("road")
    assert found.kind == Kind.TENDER
    data = found.extracted_data
    assert data.title == "Rehabilitation of the N7 Trunk Road, Lot 2 (km 41.2 to km 68.9)"
    assert data.organization == "Ministry of Transport and Public Works"
    assert data.submission_deadline == dt.date(2027, 10, 29)
    assert data.closing == dt.datetime(2027, 10, 29, 11, tzinfo=dt.UTC)
    assert data.questions_due == dt.date(2027, 10, 8)
    assert data.start_date == dt.date(2028, 1, 10)
    assert (data.budget_min, data.budget_max, data.currency) == (None, Decimal(12_400_000), "EUR")
    assert data.duration_months == 24
    assert data.page_limit is None
    assert len(data.deliverables) == 4
    assert data.deliverables[0] == "mill and replace the asphalt on 27.7 km of carriageway;"
    assert [each.event for each in data.key_dates][:2] == ["Site visit", "Last day for clarifications"]
    assert data.contact == Contact(email="procurement@mtpw.example")
    assert data.location == "Northern Province"
    assert data.joint_ventures_allowed is False


def test_a_certificate_yields_its_own_values() -> None:
    assert fill(Certificate.model_json_schema(), document("certificate")) == {
        "document_type": "certificate",
        "holder": "Amara Okafor",
        "credits": 7.5,
        "completion_date": "2026-06-09",
        "expiry_date": "2029-06-30",
        "issuer": "Northfield Board of Engineers",
        "certificate_number": "NBE-88213",
        "instructor": "Dr. Luis Ferreira",
        "in_person": True,
    }


def test_a_person_and_a_date_are_found_behind_other_words_than_the_fields() -> None:
    class Card(BaseModel):
        holder: str
        issued_on: dt.date
        expires_on: dt.date

    card = "College of Surveyors\nRegistrant: Mina Example\nRegistered on: 9 January 2024\nValid until: 8 January 2027"
    assert fill(Card.model_json_schema(), card) == {
        "holder": "Mina Example",
        "issued_on": "2024-01-09",
        "expires_on": "2027-01-08",
    }


def test_a_summary_is_made_of_the_documents_sentences_and_signed() -> None:
    summary = brief("road").summary
    assert summary.startswith("Rehabilitation of the N7 Trunk Road")
    assert summary.endswith("(stand-in model)")
    text = " ".join(document("road").split())
    for sentence in summary.removesuffix(" (stand-in model)").split(". ")[1:]:
        assert sentence.rstrip(".") in text


def test_a_changed_date_changes_the_answer() -> None:
    moved = document("museum").replace("15 March 2027", "22 April 2027")
    found = Brief.model_validate(fill(Brief.model_json_schema(), moved))
    assert found.extracted_data.submission_deadline == dt.date(2027, 4, 22)


def test_nothing_is_found_in_a_text_about_nothing() -> None:
    data = Brief.model_validate(fill(Brief.model_json_schema(), "Lorem ipsum dolor sit amet.")).extracted_data
    assert data.submission_deadline is None
    assert data.budget_max is None
    assert data.evaluation_criteria == []
    assert data.contact == Contact()
    assert data.insurance_requirements == NOT_STATED


def test_a_free_mapping_holds_what_the_document_labels() -> None:
    class Loose(BaseModel):
        extracted_data: dict[str, str]

    found = Loose.model_validate(fill(Loose.model_json_schema(), document("road"))).extracted_data
    assert found["contracting_authority"] == "Ministry of Transport and Public Works"
    assert found["site_visit"] == "22 September 2027"


class Part(BaseModel):
    name: str
    parts: list["Part"] = []
    parent: "Part | None" = None


class Strict(BaseModel):
    score: float = Field(ge=0, le=1)
    rank: Annotated[int, Field(gt=3)]
    code: Annotated[str, Field(min_length=2, max_length=12)]
    short_summary: Annotated[str, Field(max_length=60)]
    three: Annotated[list[str], Field(min_length=3, max_length=3)]
    pair: tuple[int, str]
    tags: set[str]
    mode: Literal["fast"]
    either: int | list[str] | None
    day: dt.date
    moment: dt.datetime
    anything: Any
    lookup: dict[str, float]
    tree: Part
    flag: bool


@pytest.mark.parametrize("name", ["museum", "road", "certificate"])
@pytest.mark.parametrize("shape", [Brief, Certificate, Strict, Part])
def test_every_answer_fits_its_schema(shape: type[BaseModel], name: str) -> None:
    filled = fill(shape.model_json_schema(), document(name))
    assert shape.model_validate_json(json.dumps(filled)).model_dump(exclude_unset=True).keys() == filled.keys()


@pytest.mark.parametrize("shape", [Brief, Certificate, Strict, Part])
@pytest.mark.parametrize("text", ["", "\n\n", "-", "a: b", "1.", "# #\n- \n:", "\x00\ufffd", "12/45/2027 $ %"])
def test_no_text_is_too_strange_to_read(shape: type[BaseModel], text: str) -> None:
    assert shape.model_validate(fill(shape.model_json_schema(), text))


def test_a_shortened_summary_is_still_signed() -> None:
    short = fill(Strict.model_json_schema(), document("museum"))["short_summary"]
    assert short.endswith("(stand-in model)")
    assert len(short) <= 60


def test_a_long_document_is_read_in_good_time() -> None:
    long = "\n\n".join(f"{number}. Part\n{document('museum')}" for number in range(100))
    begun = dt.datetime.now(dt.UTC)
    assert fill(Brief.model_json_schema(), long)["extracted_data"]["currency"] == "USD"
    assert dt.datetime.now(dt.UTC) - begun < dt.timedelta(seconds=8)


def conversation(*texts: str, schema: dict[str, Any] | None = None) -> Conversation:
    turns: list[Any] = []
    for text in texts:
        turns += [{"role": "assistant", "content": [{"text": "Well."}]}] if turns else []
        turns.append(user(text))
    tools = {"Answer": tool(schema)["tools"][0]["toolSpec"]} if schema else {}
    return Conversation(turns, tools=tools)


@pytest.mark.parametrize("tag", ["document", "DOCUMENT", 'document index="1"', "rfp_text"])
def test_only_what_is_between_the_tags_is_the_document(tag: str) -> None:
    fenced = f"Deadline: 1 January 2001\n<{tag}>\nMoon Base\n</{tag.partition(' ')[0]}>\nBe brief."
    assert conversation(fenced).source.strip() == "Moon Base"


def test_several_documents_are_one_text() -> None:
    assert conversation("<document>One.</document> and <document>Two.</document>").source == "One.\n\nTwo."


def test_without_tags_the_last_turn_of_the_user_is_the_document() -> None:
    assert conversation("First.", "Second.").source == "Second."


def test_a_free_answer_names_itself_a_stand_in_and_quotes_the_document() -> None:
    found = answer(conversation(document("road")), 1_000)
    assert found.text.startswith("[stand-in model] Rehabilitation of the N7 Trunk Road")
    assert "- Contracting authority: Ministry of Transport and Public Works" in found.text
    assert found.stop_reason == "end_turn"


def test_the_same_question_has_the_same_answer() -> None:
    schema = Brief.model_json_schema()
    first = answer(conversation(document("museum"), schema=schema), 10_000)
    assert answer(conversation(document("museum"), schema=schema), 10_000) == first
