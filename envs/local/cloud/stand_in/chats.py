"""Chats: messages as JSON lines, and what a reader finds in them who does no psychology, but counts words."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.stand_in.json_types import Json, Schema

_WORD: Final = re.compile(r"[a-z][a-z'-]{3,}")
_MOST_TOPICS: Final = 5
_FEWEST_MESSAGES: Final = 3
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        "about after again also another anybody anything been before both cannot could does doing done else even "
        "every from good have here idea into just keep know like little look looked made make many more morning most "
        "much must need never next nothing nobody once only other over please question quite really same seen should "
        "show since some something somebody sorry still such take than thank thanks that their them then there they "
        "thing things think this those though thought time today under until used very want week well were what when "
        "where which while will with work would yesterday your yours",
    )
)
# A trait by what shows it in a message.
_CUES: Final[Mapping[str, re.Pattern[str]]] = {
    "polite": re.compile(r"\b(please|thanks?|thank you|sorry|kind|welcome)\b", re.IGNORECASE),
    "curious": re.compile(r"\b(why|how|what|who|could|can)\b[^.!]*\?", re.IGNORECASE),
    "precise": re.compile(r"\d+[.,:]\d+|\bexactly\b|\bcompar\w+|\bmeasur\w+", re.IGNORECASE),
    "helpful": re.compile(
        r"\b(suggest|in case somebody|attached|I have written|here is|help(?:ed|s)?)\b", re.IGNORECASE
    ),
    "appreciative": re.compile(r"\b(lovely|great|love|wonderful|nice|makes sense|perfect)\b", re.IGNORECASE),
}


@dataclass(frozen=True)
class Finding:
    """Something that messages show: what, the message that shows it best, and in which share of them it is."""

    name: str
    evidence: str
    share: float

    @property
    def confidence(self) -> float:
        """How sure a reader may be, from 0 to 1."""
        return round(min(0.95, 0.3 + self.share), 2)


def messages_in(text: str) -> list[str]:
    """Return the texts of a chat: lines that are JSON objects with a `text`; none where they are too few."""
    found = []
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                said = json.loads(line).get("text")
            except (ValueError, AttributeError):
                continue
            if isinstance(said, str) and said.strip():
                found.append(said.strip())
    return found if len(found) >= _FEWEST_MESSAGES else []


def findings(messages: Sequence[str], about: str) -> list[Finding]:
    """Return traits where `about` speaks of traits, else topics; what most messages show first."""
    found = _traits(messages) if re.search("trait|character|personality", about.lower()) else _topics(messages)
    return sorted(found, key=lambda each: (-each.share, each.name))[:_MOST_TOPICS]


def as_item(finding: Finding, properties: Mapping[str, Schema]) -> dict[str, Json] | None:
    """Return a finding as an object of these properties; None where it has no place for a name and what shows it."""
    parts: dict[str, Callable[[], Json]] = {}
    for name in properties:
        if re.search("confidence|certainty|score", name):
            parts[name] = lambda: finding.confidence
        elif re.search("evidence|quote|example|reason", name):
            parts[name] = lambda: finding.evidence
        elif re.search("name|trait|topic|interest|label", name):
            parts[name] = lambda: finding.name
    values = {name: part() for name, part in parts.items()}
    return values if finding.name in values.values() and finding.evidence in values.values() else None


def style(messages: Sequence[str]) -> str:
    """Return a sentence on how somebody writes: how much, and how often a question or a kind word."""
    words = sum(len(message.split()) for message in messages) / len(messages)
    asks = sum("?" in message for message in messages) / len(messages)
    length = "short" if words < 12 else "medium" if words < 30 else "long"  # noqa: PLR2004 - taste
    kind = "politely" if any(each.name == "polite" for each in _traits(messages)) else "plainly"
    return f"Writes {kind}, in {length} messages of {words:.0f} words on average; {asks:.0%} of them ask something."


def _traits(messages: Sequence[str]) -> Iterator[Finding]:
    for name, cue in _CUES.items():
        shown = [message for message in messages if cue.search(message)]
        if shown:
            yield Finding(name, max(shown, key=lambda message: len(cue.findall(message))), len(shown) / len(messages))


def _topics(messages: Sequence[str]) -> Iterator[Finding]:
    where: Counter[str] = Counter()
    for message in messages:
        where.update({_singular(word) for word in _WORD.findall(message.lower())} - _COMMON)
    for word, count in where.items():
        if count > 1:
            shown = next(message for message in messages if word in message.lower())
            yield Finding(word, shown, count / len(messages))


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "'s")) else word.removesuffix("'s")
