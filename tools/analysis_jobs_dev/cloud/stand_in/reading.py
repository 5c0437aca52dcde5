"""Takes a document apart: title, headings, labelled lines, list items, sentences, tables, messages of a chat."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

_ITEM = re.compile(r"\s*(?:[-*\u2022\u2013]|\(?[a-z0-9]\))\s+(?P<text>\S.*)")
_LABEL = re.compile(r"(?P<label>[A-Z0-9](?:[^:|.!?\s]*\s?){1,8}?)\s*(?::(?!//)|\.{4,}|\t+|\s{3,})\s*(?P<value>\S.*)")
_HEADING = re.compile(
    r"#+\s*(?P<marked>\S.*)|\d{1,2}(?:\.\d)*\.?\s+(?P<numbered>[A-Z].*)|(?P<upper>[A-Z][A-Z &/-]{3,})"
)
_FOOTER = re.compile(r"(?:.*\W)?page\s+\d+(?:\s*(?:of|/)\s*\d+)?|\d{1,4}", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+(?=[\"'(\u201c]?[A-Z0-9])")
_KIND = re.compile(r"(?:request for|call for|invitation to) (?:proposals?|tenders?|applications?|bid)", re.IGNORECASE)
_STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a all an and any are as at be been by can do does each for from has have how if in into is it its may might "
        "more most must no not of on one only or other our shall so than that the their them these they this those to "
        "under was we were what when where which who whom will with would you your yyyy mm dd iso",
    )
)
_MOST_WORDS: Final = 9  # of a heading; of one without a mark fewer
_MOST_WORDS_UNMARKED: Final = 6
_MOST_WORDS_OF_TITLE: Final = 15
_MOST_CHARS_OF_SUMMARY: Final = 500
_FEWEST_COLUMNS: Final = 3
_FEWEST_MESSAGES: Final = 3


def stems(text: str) -> frozenset[str]:
    """Return the first five letters of each word in a text, without stop words.

    `eligible` and `eligibility` have one stem, and so have `issued` and `issuer`. A `field_name` has two.
    """
    words = re.findall(r"[A-Za-z]{2,}|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text))
    return frozenset(word.lower().rstrip("s")[:5] for word in words if word.lower() not in _STOP_WORDS)


@dataclass(frozen=True)
class Passage:
    """A statement of the document: a sentence, a list item, or the value behind a label."""

    text: str
    label: str = ""
    heading: str = ""
    is_item: bool = False

    @property
    def whole(self) -> str:
        """Label and text."""
        return f"{self.label}: {self.text}" if self.label else self.text


class Document:
    """A text taken apart. The passages of a chat (JSON lines with a `text`) are its messages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.messages = _messages(text)
        self.lines = [line.rstrip() for line in text.splitlines() if not _FOOTER.fullmatch(line.strip())]
        self.passages = [Passage(each) for each in self.messages] or list(_passages(self.lines))

    @cached_property
    def title(self) -> str:
        """Its labelled title, else the first line that is neither a label nor the mere kind of the document."""
        if labelled := next((each.text for each in self.passages if each.label.lower() == "title"), ""):
            return labelled
        first = [line.strip("# ") for line in self.lines if line.strip()][:6]
        named = [line for line in first if not (_LABEL.fullmatch(line) or _KIND.fullmatch(line))]
        return (named or first or [""])[0].rstrip(":")

    @cached_property
    def tables(self) -> list[list[list[str]]]:
        """The tables with columns between `|`, each as its rows; the first row is the header."""
        found: list[list[list[str]]] = [[]]
        for line in self.lines:
            cells = [cell.strip() for cell in re.sub(r"^\|(.*)\|$", r"\1", line.strip()).split("|")]
            if len(cells) < _FEWEST_COLUMNS or (found[-1] and len(cells) != len(found[-1][0])):
                found.append([])
            if len(cells) >= _FEWEST_COLUMNS and not re.fullmatch(r"[-=\s|:]*", line):
                found[-1].append(cells)
        return [table for table in found if len(table) > 1]

    @cached_property
    def summary(self) -> str:
        """The title and the first sentences; of a chat how its messages are written."""
        if self.messages:
            words = sum(len(message.split()) for message in self.messages) / len(self.messages)
            asking = sum("?" in message for message in self.messages) / len(self.messages)
            return f"{len(self.messages)} messages of {words:.0f} words on average; {asking:.0%} of them ask something."
        prose = [each.text for each in self.passages if not (each.label or each.is_item or each.text == self.title)]
        text = f"{self.title.rstrip('.')}." if len(self.title.split()) <= _MOST_WORDS_OF_TITLE else ""
        for sentence in prose:
            if text and len(text) + len(sentence) > _MOST_CHARS_OF_SUMMARY:
                break
            text = f"{text} {sentence}".strip()
        return text

    def below(self, heading: str) -> list[str]:
        """Return the list items below a heading; without any the labelled lines, else the sentences."""
        here = [each for each in self.passages if each.heading == heading]
        items = [each for each in here if each.is_item] or [each for each in here if each.label]
        return [each.whole for each in items or here]


@lru_cache(maxsize=64)
def read(text: str) -> Document:
    """Return the document of a text. The last few are kept: a load test asks for the same ones again."""
    return Document(text)


def _passages(lines: Sequence[str]) -> Iterator[Passage]:
    heading, prose = "", list[str]()
    for line in [*lines, ""]:
        bare, item = line.strip(), _ITEM.fullmatch(line)
        label = _LABEL.fullmatch(item["text"] if item else bare)
        above = "" if item else _heading(bare, within_prose=bool(prose) and prose[-1][-1] not in ".!?:")
        if bare and not (item or label or above):
            prose += [] if "|" in bare else [bare]
            continue
        yield from (Passage(each, heading=heading) for each in _SENTENCE_END.split(" ".join(prose)) if each)
        prose.clear()
        if above:
            heading = above
        elif label:
            yield Passage(label["value"].strip(), label["label"].strip(), heading, item is not None)
        elif item:
            yield Passage(item["text"].strip(), heading=heading, is_item=True)


def _heading(bare: str, *, within_prose: bool) -> str:
    """Return the heading in a line, empty where it is none: marked, numbered, in capitals, before a colon, or short."""
    words = len(bare.split())
    if not bare or bare[-1] in ".,;!?" or "|" in bare or words > _MOST_WORDS:
        return ""
    if found := _HEADING.fullmatch(bare):
        return found["marked"] or found["numbered"] or found["upper"]
    is_short = words <= _MOST_WORDS_UNMARKED and bare[0].isupper() and not within_prose
    return bare.rstrip(":") if (is_short or bare.endswith(":")) and not _LABEL.fullmatch(bare) else ""


def _messages(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        try:
            said = json.loads(line).get("text") if line.startswith("{") else None
        except ValueError:
            continue
        found += [said.strip()] if isinstance(said, str) and said.strip() else []
    return found if len(found) >= _FEWEST_MESSAGES else []
