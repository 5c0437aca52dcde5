"""A document as the stand-in model reads it: its title, its headed groups of lines, and the passages in them."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from cloud.stand_in.typed_values import dates, sums_of_money

_BULLET = re.compile(
    r"^\s*(?:[-*\u2022\u2013\u25aa\u25e6\u2023\u00b7\uf0b7]|\(?[a-z0-9]{1,2}\)|\d{1,2}\.(?!\d))\s+(?P<text>\S.*)"
)
_NUMBERED = re.compile(
    r"^\s*(?:section\s+|article\s+)?(?:\d{1,2}(?:\.\d{1,2})*\.?|[IVX]{1,4}\.|[A-Z]\.)\s+(?P<text>[A-Z].*)"
)
_LABEL = re.compile(
    r"^\s*(?P<label>[A-Z0-9][^:|\t.!?]{1,60}?)\s*(?::(?!//)|\s\|\s|\t+|\.{4,}|\s{3,})\s*(?P<value>\S.*)$"
)
_FOOTER = re.compile(r"^\s*(?:(?:.{0,80}\W)?page\s+)?\d{1,4}(?:\s*(?:of|/)\s*\d{1,4})?\s*$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\u201d]))\s+(?=[\"'(\u201c]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:[A-Z]|No|Nos|Dr|Mr|Ms|Mrs|St|approx|incl|e\.g|i\.e|vs|Inc|Ltd|Art|Sec|fig)\.$")
_GENERIC_TITLE = re.compile(
    r"(?:a\s+)?(?:request for (?:proposals?|quotations?|applications?|tenders?)|rfp|rfq"
    r"|call for (?:proposals|tenders|applications)"
    r"|invitation to (?:tender|bid)|notice of funding opportunity|terms of reference)(?:\s*\(\w+\))?"
    r"(?:[\s,:#-]*(?:no|number|ref|reference|rfp)?[\s.:#-]*[A-Z]*[\d/-][\w/-]*)?",
    re.IGNORECASE,
)
_DANGLING = re.compile(
    r"\b(?:a|an|the|of|by|on|at|to|in|from|until|than|before|after|is|are|be|and|or|for|with|not)$", re.IGNORECASE
)
_HEADING_WORDS = 10

STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a about all an and any are as at be been being by can do does each for from given has have how if in into "
        "is it its may might more most must no not of on one only or other our shall should so such than that the "
        "their them these they this those to under up was we were what when where which who whom whose why will "
        "with would you your",
    ),
)


def stem(word: str) -> str:
    """Return what words of one family share: `eligible` and `eligibility`, `submit` and `submitted`."""
    word = word.lower()
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 - not `ties`
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 3:  # noqa: PLR2004 - not `gas`
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:  # noqa: PLR2004 - not `red`
            word = word[: -len(ending)]
    return word[:6]


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return stem(word)


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    return frozenset(_stem(word) for word in _words(text))


def _words(text: str) -> Iterator[str]:
    return (word for word in re.findall(r"[^\W\d_]+|\d+", text.lower()) if word not in STOP_WORDS)


@dataclass(frozen=True)
class AdmissionWrite:
    """One thing the document says: a sentence, a bullet, or the value behind a label."""

    text: str
    label: str = ""
    heading: str = ""
    bullet: bool = False

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of its own words."""
        return stems(self.text)

    @cached_property
    def label_words(self) -> frozenset[str]:
        """The stems of its label, and for a short bullet of itself."""
        return stems(self.label)

    @cached_property
    def heading_words(self) -> frozenset[str]:
        """The stems of the heading it stands under."""
        return stems(self.heading)

    @property
    def whole(self) -> str:
        """Label and text as they stand in the document."""
        return f"{self.label}: {self.text}" if self.label else self.text


@dataclass
class Group:
    """The passages under one heading, or under one line that ends in a colon."""

    heading: str
    passages: list[AdmissionWrite] = field(default_factory=list)

    @property
    def items(self) -> list[str]:
        """Its bullets; without any, its labelled lines; without those, its sentences."""
        bullets = [admission_write.whole for admission_write in self.passages if admission_write.bullet]
        labelled = [admission_write.whole for admission_write in self.passages if admission_write.label]
        return bullets or labelled or [admission_write.text for admission_write in self.passages]


class Document:
    """A parsed text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = _lines(text)
        self.title = _title(self.lines)
        self.groups = _Grouping(self.lines).groups
        self.passages = [admission_write for group in self.groups for admission_write in group.passages]
        self._seen_in = Counter(
            word for each in self.passages for word in each.words | each.label_words | each.heading_words
        )

    def rarity(self, word: str) -> float:
        """Return how much a word says: the fewer passages have it, the more; most for one that none has."""
        return 1 + math.log((1 + len(self.passages)) / (1 + self._seen_in[word]))

    def has(self, word: str) -> bool:
        """Return whether any passage has the stem."""
        return word in self._seen_in

    @cached_property
    def sentences(self) -> list[str]:
        """Its running text, sentence by sentence."""
        long = (each.text for each in self.passages if not each.label and len(each.text.split()) > 5)  # noqa: PLR2004
        return [each if each[-1] in ".!?:;" else f"{each}." for each in long if each != self.title]

    def summary(self, sentences: int = 3, max_chars: int = 600) -> str:
        """Return the title and the sentences that have most of the document's frequent words, in its order."""
        frequency = Counter(word for each in self.sentences for word in stems(each))

        def weight(position: int) -> float:
            words = stems(self.sentences[position])
            lead = 1.5 if position < 3 else 1.0  # noqa: PLR2004 - documents say early what they are about
            return lead * sum(frequency[word] for word in words) / (len(words) + 8)

        best = sorted(sorted(range(len(self.sentences)), key=weight, reverse=True)[:sentences])
        title = self.title if not self.title or self.title[-1] in ".!?" else f"{self.title}."
        text = " ".join([title, *(self.sentences[position] for position in best)]).strip()
        return clipped(text, max_chars)


@lru_cache(maxsize=64)
def read(text: str) -> Document:
    """Return the parsed text; the last few are kept, since a storm asks for the same ones again."""
    return Document(text)


def clipped(text: str, max_chars: int) -> str:
    """Return the text, cut at a word where it is too long."""
    if len(text) <= max_chars:
        return text
    return text[: max_chars - 1].rsplit(" ", 1)[0][: max_chars - 1].rstrip(",;: ") + "\u2026"


def sentences(text: str) -> list[str]:
    """Return the text cut into sentences."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(" ".join(text.split())):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += f" {piece}"
        elif piece:
            found.append(piece)
    return found


def _lines(text: str) -> list[str]:
    """Return the lines without page numbers and without what is repeated on every page."""
    lines = [line.rstrip().replace("\u00a0", " ") for line in re.split(r"\r\n?|\n|\f", text)]
    repeated = {line for line, count in Counter(filter(None, map(str.strip, lines))).items() if count > 2}  # noqa: PLR2004
    kept: list[str] = []
    seen: set[str] = set()
    for line in lines:
        bare = line.strip()
        is_header = bare in repeated and bare in seen and not _BULLET.match(line)
        seen.add(bare)
        if not _FOOTER.match(line) and not is_header:
            kept.append(line)
    return kept


def _title(lines: Iterable[str]) -> str:
    first = [line.strip().lstrip("# ") for line in lines if line.strip()][:6]
    for line in first:
        labelled = _LABEL.match(line)
        bare = _GENERIC_TITLE.match(line)
        if bare and bare.end() < len(line) and re.match(r"\s*[:\u2013\u2014-]\s*\S", line[bare.end() :]):
            return line[bare.end() :].strip(" :\u2013\u2014-")
        if not _GENERIC_TITLE.fullmatch(line) and not labelled:
            return line.rstrip(":")
    return first[0] if first else ""


class _Grouping:
    """One pass over the lines, which says of each what it is."""

    def __init__(self, lines: list[str]) -> None:
        self.groups = [Group("")]
        self._prose: list[str] = []
        self._open_bullet = ""
        self._after_blank = True
        self._full_width = max(map(len, lines), default=0)
        for position, line in enumerate(lines):
            following = next((each for each in lines[position + 1 :] if each.strip()), "")
            self._take(line, following)
            self._after_blank = not line.strip()
        self._end_prose()

    def _take(self, line: str, following: str) -> None:
        bare = line.strip()
        if not bare:
            self._end_prose()
            return
        bullet = _BULLET.match(line)
        if self._is_heading(line, bare, following):
            numbered = _NUMBERED.match(bare)
            self._start_group(numbered["text"] if numbered else bare.lstrip("# "))
        elif bullet:
            self._end_prose()
            self._add_bullet(bullet["text"].strip())
        elif (pair := self._label(bare)) is not None:
            self._end_prose()
            self._add(AdmissionWrite(pair[1], label=pair[0], heading=self.groups[-1].heading))
        elif self._wraps_bullet(line):
            self._continue_bullet(bare)
        else:
            self._open_bullet = ""
            self._prose.append(bare)
            if bare.endswith(":"):
                self._end_prose()

    def _is_heading(self, line: str, bare: str, following: str) -> bool:
        words = bare.split()
        if bare.startswith("#"):
            return True
        if len(words) > _HEADING_WORDS or bare[-1] in ".;,!?" or _DANGLING.search(bare):
            return False
        numbered = _NUMBERED.match(bare)
        if numbered:
            return not _NUMBERED.match(following) and not self._label(bare) and len(words) < 9  # noqa: PLR2004 - a short line
        if _BULLET.match(line) or self._label(bare) or not bare[0].isalpha():
            return False
        if bare.isupper() and len(bare) > 3:  # noqa: PLR2004 - not a lone code
            return True
        if not bare[0].isupper() or (not self._after_blank and self._unfinished()):
            return False
        is_short = len(words) < 7  # noqa: PLR2004 - what a heading has
        return bool(following) and (self._after_blank or len(following) > len(bare) or is_short) and is_short

    def _unfinished(self) -> bool:
        return bool(self._prose) and self._prose[-1][-1] not in ".!?:"

    def _label(self, bare: str) -> tuple[str, str] | None:
        """Return label and value of a line such as `Deadline: 15 March 2027` or a table's `Deadline 15 March 2027`."""
        match = _LABEL.match(bare)
        if match and len(match["label"].split()) < 9:  # noqa: PLR2004 - longer is a sentence with a colon
            return match["label"].strip(), match["value"].strip()
        if self._unfinished() or len(bare) > 90:  # noqa: PLR2004 - longer is no table row
            return None
        for each in (*dates(bare)[-1:], *sums_of_money(bare)[-1:]):
            label = bare[: each.start].strip(" ,:-\u2013")
            is_row = len(label) > 2 and len(label.split()) < 7 and label[0].isupper()  # noqa: PLR2004 - a short label
            if is_row and each.end >= len(bare) - 1 and not _DANGLING.search(label):
                return label, bare[each.start :]
        return None

    def _start_group(self, heading: str) -> None:
        self._end_prose()
        self._open_bullet = ""
        above = self.groups[-1]
        # "Works required", and below it "The contractor shall:"
        leads_in = heading.endswith(":") and not above.passages
        self.groups.append(Group(f"{above.heading if leads_in else ''} {heading}".strip(" :")))

    def _add(self, admission_write: AdmissionWrite) -> None:
        self._open_bullet = ""
        self.groups[-1].passages.append(admission_write)

    def _add_bullet(self, text: str) -> None:
        label, value = self._label(text) or ("", text)
        self._add(AdmissionWrite(value, label=label, heading=self.groups[-1].heading, bullet=True))
        self._open_bullet = text

    def _wraps_bullet(self, line: str) -> bool:
        """Return whether the line goes on with the bullet above it: that was full, or this begins as no other does."""
        was_full = len(self._open_bullet) > 0.9 * self._full_width
        goes_on = line[0].isspace() or line[0].islower()
        return bool(self._open_bullet) and not self._after_blank and (was_full or goes_on)

    def _continue_bullet(self, bare: str) -> None:
        self._open_bullet = bare
        last = self.groups[-1].passages.pop()
        self.groups[-1].passages.append(AdmissionWrite(f"{last.text} {bare}", last.label, last.heading, bullet=True))

    def _end_prose(self) -> None:
        found = sentences(" ".join(self._prose))
        self._prose = []
        for sentence in found:
            if sentence.endswith(":"):  # what follows is a list of its own: "Proposals must include:"
                self._start_group(sentence)
            else:
                self._add(AdmissionWrite(sentence, heading=self.groups[-1].heading))
