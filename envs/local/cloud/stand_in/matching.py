"""Which passage of a document a field asks for: by its name, its description, and a few words of the same meaning."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cloud.stand_in.reading import AdmissionWrite, Document, Group, stem, stems

# Words of one meaning; the first column is what fields are called, the rest is what documents say.
_SAME_MEANING: Final = (
    "deadline due closing close submission submit received proposals applications bids tenders last latest",
    "budget funding fund amount award cost price ceiling exceed grant value estimate estimated",
    "organization organisation issuer agency client funder buyer authority customer institution company employer",
    "contact enquiries inquiries email phone officer questions correspondence",
    "eligibility eligible applicants apply qualified open bidders",
    "requirement requirements required must shall needed mandatory",
    "criteria criterion evaluation evaluated scored scoring points weight weighting assessment",
    "scope objectives objective purpose services work description",
    "deliverables deliverable outputs deliver produce works scope tasks",
    "duration period term months length completion",
    "timeline schedule milestones milestone dates calendar timetable",
    "location place site where city region",
    "start begin commence commencement beginning",
    "end finish completion complete",
    "expiry expires expire valid until",
    "issued publication published released issue registered",
    "holder recipient bearer licensee registrant candidate participant awarded",
    "question questions clarification clarifications inquiries enquiries",
    "document documents attachments annexes submission include proposal",
    "author authors writer by",
)
# Parts of a field's name that say how a value is kept, not what it is; those of the second only beside other words.
_FORM_WORDS: Final = stems(
    "list info information details field data id string key min minimum max maximum low lower high upper lowest "
    "highest limit count usd eur gbp"
)
_FORM_WORDS_BESIDE_OTHERS: Final = stems("date name number value text total months days")

_COVERED = 0.5
_SYNONYM = 0.75


def _meanings() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for row in _SAME_MEANING:
        words = frozenset(map(stem, row.split()))
        for word in words:
            table[word] = table.get(word, frozenset()) | words
    return table


_MEANINGS: Final = _meanings()


@dataclass(frozen=True)
class Wanted:
    """What a field asks for."""

    name: str
    description: str = ""
    parents: str = ""

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of its name without those that only say its form; if none is left, of the object it is in."""
        own = stems(_plain(self.name)) or frozenset({stem(self.name)})
        telling = own - _FORM_WORDS
        telling = telling - _FORM_WORDS_BESIDE_OTHERS or telling
        if self.parents and not telling - _FORM_WORDS_BESIDE_OTHERS:
            telling = stems(_plain(self.parents.split()[-1])) or telling
        return telling or own

    @cached_property
    def related(self) -> frozenset[str]:
        """The stems of its name and of all words that mean the same."""
        return self.words.union(*(_MEANINGS.get(word, ()) for word in self.words))

    @cached_property
    def hints(self) -> frozenset[str]:
        """The stems of its description and of the objects it is in: they decide between equals."""
        return (stems(self.description) | stems(_plain(self.parents))) - self.words

    def speaks_of(self, words: frozenset[str]) -> bool:
        """Return whether the name has one of these stems."""
        return not words.isdisjoint(stems(_plain(self.name)))


@dataclass(frozen=True)
class Hit:
    """A passage that answers, and how well."""

    admission_write: AdmissionWrite
    score: float
    position: int


class Finder:
    """Looks fields up in one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._answers: dict[Wanted, list[Hit]] = {}  # a field is looked up in several ways

    def passages(self, wanted: Wanted, holds: Callable[[str], object] | None = None) -> list[Hit]:
        """Return the passages that answer, best first; `holds` says what they must have."""
        if wanted not in self._answers:
            hits = [
                Hit(admission_write, score, position)
                for position, admission_write in enumerate(self.document.passages)
                if (score := self._score(wanted, admission_write))
            ]
            self._answers[wanted] = sorted(hits, key=lambda hit: (-hit.score, hit.position))
        return [hit for hit in self._answers[wanted] if not holds or holds(hit.admission_write.whole)]

    def group(self, wanted: Wanted) -> Group | None:
        """Return the headed part of the document that is about the field."""
        scored = [
            (self._cover(wanted, stems(group.heading)), -position, group)
            for position, group in enumerate(self.document.groups)
            if group.heading and group.passages
        ]
        best = max(scored, default=None, key=lambda each: each[:2])
        return best[2] if best and best[0] >= _COVERED else None

    def labelled(self, wanted: Wanted, *, own_words: bool = False) -> str:
        """Return the value behind the label that names the field, in its own words or also in others."""
        words = wanted.words if own_words else wanted.related
        hits = (hit.admission_write for hit in self.passages(wanted) if hit.admission_write.label_words & words)
        return next((admission_write.text for admission_write in hits), "")

    def anchor(self, wanted: Wanted, text: str) -> int:
        """Return where in the text the field's words first stand, so that the value behind them is taken."""
        names = wanted.related
        places = (match.start() for match in re.finditer(r"[^\W\d_]+", text) if stem(match.group()) in names)
        return next(places, 0)

    def _score(self, wanted: Wanted, admission_write: AdmissionWrite) -> float:
        """Return 0 for a passage that has less than half of what is asked for."""
        said = admission_write.words | admission_write.label_words
        around = said | admission_write.heading_words
        related = wanted.related
        if not related & around:
            return 0
        by_label = self._cover(wanted, admission_write.label_words)
        by_text = self._cover(wanted, said)
        by_heading = self._cover(wanted, around)
        if max(by_label, by_text, by_heading) < _COVERED:
            return 0
        off_topic = len(admission_write.label_words - related - wanted.hints) / (len(admission_write.label_words) or 1)
        possible = sum(map(self.document.rarity, wanted.hints))
        hinted = sum(map(self.document.rarity, wanted.hints & around)) / possible if possible else 0
        own = max(by_label * (1.5 - 0.6 * off_topic), by_text, by_heading * 0.7)
        return own + 0.6 * hinted + 0.05 * min(len(related & said), 4)

    def _cover(self, wanted: Wanted, found: frozenset[str]) -> float:
        """Return the share of the field's words, weighted by their rarity, that are there or in other words."""
        total = covered = 0.0
        for word in wanted.words:
            others = _MEANINGS.get(word, frozenset())
            weight = self.document.rarity(word)
            if not self.document.has(word) and any(map(self.document.has, others)):
                weight = max(self.document.rarity(other) for other in others if self.document.has(other))
            total += weight
            covered += weight * (1 if word in found else _SYNONYM if others & found else 0)
        return covered / total if total else 0


def _plain(name: str) -> str:
    """Return the words of a field's name: `submissionDeadline` and `submission_deadline` have two."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", name)
