"""A chat answers with what its messages show, each with the message that shows it, and how sure that is."""

import json
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from cloud.stand_in.chats import findings, messages_in, style
from cloud.stand_in.filling import fill
from tests.standin.asking import filled

SAID = [
    "Good morning! Could the map show the old bridges, please?",
    "I keep notes about bridges: 14.2 km here, 14.6 km there. Why is that?",
    "Thanks, that was it. The map is lovely.",
    "Another question: how do I export my notes?",
    "Might I suggest to put the export beside the map?",
]
CHAT = "Messages of the user:\n" + "\n".join(json.dumps({"sent_at": "2026-11-16", "text": each}) for each in SAID)


class Finding(BaseModel):
    name: str
    evidence: str
    confidence: float = Field(ge=0, le=1)


class Portrait(BaseModel):
    traits: list[Finding] = Field(description="Traits of character.")
    interests: list[Finding] = []
    writing_style: str
    confidence: float = Field(ge=0, le=1)


def test_a_chat_is_read_as_traits_interests_and_a_style() -> None:
    found = filled(Portrait, f"Describe the user.\n{CHAT}")
    assert {"polite", "curious"} <= {each.name for each in found.traits}
    assert {"bridge", "map", "export", "note"} & {each.name for each in found.interests}
    assert all(each.evidence in SAID for each in [*found.traits, *found.interests])
    assert all(0 < each.confidence < 1 for each in [*found.traits, *found.interests])
    assert "politely" in found.writing_style
    assert 0.5 < found.confidence < 1


def test_few_messages_and_other_json_are_no_chat() -> None:
    assert messages_in("\n".join(json.dumps({"text": each}) for each in SAID[:2])) == []
    assert messages_in('{"text": 1}\n{"text": " "}\n{"a": "b"}\n{broken\n[1]\nplain') == []
    assert len(messages_in(CHAT)) == 5


def test_an_item_without_a_place_for_what_shows_it_is_not_filled_so() -> None:
    class Topic(BaseModel):
        name: str
        weight: int

    class Topics(BaseModel):
        interests: list[Topic] = []

    Topics.model_validate(fill(Topics.model_json_schema(), CHAT))


def test_what_most_messages_show_comes_first() -> None:
    shares = [each.share for each in findings(SAID, "interests")]
    assert shares == sorted(shares, reverse=True)
    assert style(["Give me that list now."] * 3).startswith("Writes plainly, in short messages")


# How sure an object is of itself


class Kind(BaseModel):
    kind: Literal["certificate", "licence", "unknown"]
    confidence: float = Field(ge=0, le=1)


@pytest.mark.parametrize(
    ("text", "kind", "sure"),
    [
        ("Certificate of Completion\n\nThis certificate is awarded to R. Okafor.", "certificate", True),
        ("Hm.", "unknown", False),
    ],
)
def test_an_object_is_sure_of_what_the_document_says(text: str, kind: str, *, sure: bool) -> None:
    found = Kind.model_validate(fill(Kind.model_json_schema(), text))
    assert (found.kind, found.confidence > 0.5) == (kind, sure)


def test_a_confidence_that_the_document_states_stays() -> None:
    assert fill(Kind.model_json_schema(), "Kind: licence\nConfidence: 0.3")["confidence"] == 0.3


def test_a_confidence_in_percent_is_left_alone() -> None:
    class Percent(BaseModel):
        kind: str
        confidence: int = Field(ge=0, le=100)

    assert fill(Percent.model_json_schema(), "Kind: licence")["confidence"] == 0
