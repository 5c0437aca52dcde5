"""The demo's answers come from the document: other documents give other values, and every answer fits its schema."""

import datetime as dt
import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from analysis_jobs_dev.cloud.stand_in.answers import Conversation
from analysis_jobs_dev.cloud.stand_in.filling import NOT_STATED, SIGNATURE, fill, free_text
from analysis_jobs_dev.cloud.stand_in.values import dates, money, names, numbers
from tests.standin.asking import document, user


class Kind(StrEnum):
    REQUEST = "request_for_proposals"
    TENDER = "tender"
    OTHER = "other"


class Criterion(BaseModel):
    name: str
    weight: int


class Contact(BaseModel):
    email: str | None = None
    phone: str | None = None


class Brief(BaseModel):
    summary: str
    kind: Kind
    title: str
    deadline: dt.date | None = Field(None, description="The closing date by which proposals are due")
    budget_low: Decimal | None = Field(None, description="The lower end of the contract value")
    budget_high: Decimal | None = Field(None, description="The upper end of the contract value")
    currency: str | None = None
    deliverables: list[str] = Field(default=[], description="What the selected contractor shall deliver")
    evaluation_criteria: list[Criterion] = []
    contact: Contact
    joint_ventures: bool | None = None
    insurance: str


def brief(text: str) -> Brief:
    return Brief.model_validate(fill(Brief.model_json_schema(), text))


def test_a_museums_request_yields_its_own_values() -> None:
    found = brief(document("museum"))
    summary, _, signature = found.summary.rpartition(" (")
    assert (summary.startswith("Digital Archive for the Harbour Museum."), f"({signature}") == (True, SIGNATURE)
    assert found == Brief(
        summary=found.summary,
        kind=Kind.REQUEST,
        title="Digital Archive for the Harbour Museum",
        deadline=dt.date(2027, 3, 15),
        budget_low=Decimal(180_000),
        budget_high=Decimal(250_000),
        currency="USD",
        deliverables=[
            "A searchable public website in English and Danish",
            "A cataloguing tool for the Museum's six curators",
            "Training for staff and volunteers",
        ],
        evaluation_criteria=[
            Criterion(name="Understanding of the collection", weight=20),
            Criterion(name="Technical approach", weight=35),
            Criterion(name="Price", weight=45),
        ],
        contact=Contact(email="archive-rfp@harbourmuseum.example", phone="+45 33 12 47 80"),
        insurance=NOT_STATED,
    )


def test_a_road_tender_yields_other_values() -> None:
    found = brief(document("road"))
    assert (found.kind, found.title) == (Kind.TENDER, "Rehabilitation of the N7 Trunk Road, Lot 2 (km 41.2 to km 68.9)")
    assert (found.deadline, found.budget_high, found.currency) == (dt.date(2027, 10, 29), Decimal(12_400_000), "EUR")
    assert (found.joint_ventures, found.contact) == (False, Contact(email="procurement@mtpw.example"))
    assert [line.split()[0] for line in found.deliverables] == ["mill", "rebuild", "widen", "maintain"]


def test_a_changed_date_changes_the_answer() -> None:
    moved = document("museum").replace("15 March 2027", "22 April 2027")
    assert brief(moved).deadline == dt.date(2027, 4, 22)


def test_a_text_about_something_else_yields_nothing() -> None:
    found = brief("Lorem ipsum dolor sit amet.")
    assert (found.kind, found.deadline, found.budget_high, found.deliverables) == (Kind.OTHER, None, None, [])
    assert (found.contact, found.insurance) == (Contact(), NOT_STATED)


def test_a_free_text_answer_names_the_stand_in_and_lists_the_labelled_lines() -> None:
    text = free_text(document("road"))
    assert text.startswith("[stand-in model] Rehabilitation of the N7 Trunk Road")
    assert "- Contracting authority: Ministry of Transport and Public Works" in text


def test_a_long_prompt_without_a_title_has_an_answer_of_many_pieces() -> None:
    """Tests that cancel a stream in mid-answer rely on this."""
    assert len(free_text("Say a lot. " * 50)) > 400


class Device(BaseModel):
    tag: str
    device: str
    height_mm: int | None = None
    installed: dt.date | None = None
    conductor: str


class Schedule(BaseModel):
    devices: list[Device] = []


TABLE = """DEVICE LIST
Tag   | Device           | Height mm | Installed
------|------------------|-----------|----------
D-101 | Card reader: PIN | 1100      | 2026-03-09
Notes: a device | is no table
\fTag | Device | Height mm | Installed
CAM-1 | Dome camera      |           |
"""


def test_rows_of_tables_on_several_pages_become_one_list() -> None:
    found = Schedule.model_validate(fill(Schedule.model_json_schema(), TABLE)).devices
    reader = {"tag": "D-101", "device": "Card reader: PIN", "height_mm": 1100, "installed": dt.date(2026, 3, 9)}
    assert found == [
        Device(**reader, conductor=NOT_STATED),  # type: ignore[arg-type]
        Device(tag="CAM-1", device="Dome camera", conductor=NOT_STATED),
    ]


class Finding(BaseModel):
    name: str
    evidence: str
    confidence: float = Field(ge=0, le=1)


class Portrait(BaseModel):
    traits: list[Finding]
    interests: list[Finding]
    writing_style: str
    confidence: float = Field(ge=0, le=1)


def test_a_chat_is_read_as_traits_and_interests_each_with_a_message() -> None:
    said = [
        "Good morning! Could the map show the old bridges, please?",
        "I keep notes about bridges: 14.2 km here, 14.6 km there.",
        "Thanks, that was it. The map is lovely.",
    ]
    chat = "\n".join(json.dumps({"text": each}) for each in said)
    found = Portrait.model_validate(fill(Portrait.model_json_schema(), chat))
    assert [each.name for each in found.traits] == ["polite", "curious", "precise"]
    assert [(each.name, each.evidence) for each in found.interests] == [("bridges", said[0])]
    assert found.writing_style.startswith("3 messages of 10 words on average; 33% of them ask")
    assert found.confidence > 0.5


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
    moment: dt.datetime
    anything: Any
    lookup: dict[str, float]
    tree: Part
    flag: bool


STRANGE = ["", "\n\n", "-", "a: b", "1.", "# #\n- \n:", "\x00\ufffd", "12/45/2027 $ %", "{", '{"text": 1}\n[1]']


@pytest.mark.parametrize("text", [document("museum"), document("road"), TABLE, *STRANGE])
@pytest.mark.parametrize("shape", [Brief, Schedule, Portrait, Part, Strict])
def test_every_answer_fits_its_schema_however_strange_the_text(shape: type[BaseModel], text: str) -> None:
    assert shape.model_validate_json(json.dumps(fill(shape.model_json_schema(), text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("due 15 March 2027 or March 15th, 2027", [dt.date(2027, 3, 15)] * 2),
        ("2027-03-15T17:00, 15/03/2027, 15.3.2027, 3/15/2027", [dt.date(2027, 3, 15)] * 4),
        ("due 31 February 2027, version 1.2.3, 15 March", []),
        ("between USD 50,000.50 and \u20ac1.2 million", [(50_000.5, "USD"), (1_200_000, "EUR")]),
        ("250.000,50 EUR, \u00a345k, 250,000 visitors", [(250_000.5, "EUR"), (45_000, "GBP")]),
        ("35% of 1,250 pages on 15 March 2027, -4 degrees", [35, 1_250, -4]),
    ],
)
def test_dates_money_and_numbers_are_found_as_documents_write_them(text: str, found: list[Any]) -> None:
    reads = {dt.date: dates, tuple: money, int: numbers}
    assert (reads[type(found[0])] if found else dates)(text) == found


@pytest.mark.parametrize(
    ("turns", "source"),
    [
        (["Deadline: 1 May\n<document>\nMoon Base\n</document>\nBe brief."], "Moon Base"),
        (['<DOCUMENT index="1">One.</DOCUMENT> and <rfp_text>Two.</rfp_text>'], "One.\n\nTwo."),
        (["Read it.\n<letter>\nMoon Base\n</letter>\nIs it <b>urgent</b>?"], "Moon Base"),
        (["<drawing>\nLevel 1\n</drawing>\n<document>\nMoon Base\n</document>"], "Moon Base"),
        (["First.", "Is it <b>urgent</b>?"], "Is it <b>urgent</b>?"),
    ],
)
def test_the_document_is_between_tags_else_the_last_turn(turns: list[str], source: str) -> None:
    said = {"role": "assistant", "content": [{"text": "Well."}]}
    messages = [message for text in turns for message in (user(text), said)]
    assert Conversation(messages).source.strip() == source


LETTER = """Rent of the boat house

Dear Ms Okafor, our treasurer wrote to Harbour Rowing Club on 3 March 2027 about the overdue rent.
We have had no answer, and file this as a complaint.

Yours sincerely,
Anna Lindqvist
"""


def test_required_dates_names_and_members_come_from_the_text_if_no_passage_names_their_field() -> None:
    schema = {
        "type": "object",
        "required": ["sender", "reply_due", "subject_area"],
        "properties": {
            "sender": {"type": "string"},
            "reply_due": {"type": "string", "format": "date"},
            "subject_area": {"enum": ["invoice", "complaint"]},
            "opened": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        },
    }
    assert fill(schema, LETTER) == {
        "sender": "Anna Lindqvist",
        "reply_due": "2027-03-03",
        "subject_area": "complaint",
        "opened": None,
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LETTER, ["Anna Lindqvist", "Okafor", "Harbour Rowing Club"]),
        ("The City of Lund and Bank of Scotland disagree.", ["City of Lund", "Bank of Scotland"]),
        ("Nothing here. All small words.", []),
    ],
)
def test_names_of_a_text(text: str, found: list[str]) -> None:
    assert names(text)[: len(found)] == found
    assert bool(names(text)) == bool(found)
