"""The value of one field, taken from a document: text, date, number, address, yes or no, member of an enum."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from cloud.stand_in import names
from cloud.stand_in.json_types import Json
from cloud.stand_in.matching import Finder, Wanted
from cloud.stand_in.reading import Document, stems
from cloud.stand_in.typed_values import (
    EMAIL,
    PHONE,
    URL,
    Found,
    dates,
    first_matches,
    numbers,
    sums_of_money,
    time_of_day,
)

SIGNATURE: Final = "(stand-in model)"

# What the name of a field speaks of.
_SUMMARY: Final = stems("summary overview abstract synopsis analysis narrative rationale reasoning recommendation")
_TITLE: Final = stems("title")
_OF_THE_WHOLE: Final = stems("title document project rfp proposal tender opportunity book name call grant")
_ISSUER: Final = stems(
    "organization organisation issuer agency client funder buyer authority institution company provider"
)
_RECIPIENT: Final = stems("holder recipient candidate participant student person")
_CONTACT: Final = stems("contact")
_PERSON: Final = stems("name person")
_CURRENCY: Final = stems("currency")
_MONEY: Final = stems("budget amount cost price funding award value fee ceiling grant usd eur low high")
_UPPER: Final = stems("max maximum ceiling high highest upper")
_LOWER: Final = stems("min minimum floor low lowest lower")
_NAMES_A_LINE: Final = stems("name title label event criterion item milestone requirement key")
_ADDRESSES: Final = ((stems("email"), EMAIL), (stems("phone telephone"), PHONE), (stems("url website link"), URL))
_ADDRESS_FORMATS: Final = {"email": EMAIL, "uri": URL, "url": URL}
_NO = re.compile(r"\b(?:not|no|never|none|neither|without|false|excluded|prohibited)\b", re.IGNORECASE)
_POINTS_BEHIND = re.compile(r"\s*\([^)]*\d[^)]*\)|\s*[:\u2013-]?\s*\d+\s*(?:%|points?)\.?\s*$")


@dataclass(frozen=True)
class FieldValues:
    """Reads values from one document. Each method returns None where the document has no such value.

    An item of a list is a document of its own, one `line` long: there the line answers what nothing better does.
    """

    document: Document
    line: str = ""

    @cached_property
    def finder(self) -> Finder:
        """Look-ups in the document."""
        return Finder(self.document)

    def text(self, wanted: Wanted) -> str | None:
        """Return a summary, a name, the value behind a label, or the passage that fits best."""
        if wanted.speaks_of(_SUMMARY) and not self.line:
            return f"{self.document.summary()} {SIGNATURE}".strip()
        if wanted.speaks_of(_CURRENCY):
            return next((each.unit for each in sums_of_money(self.document.text)), None)
        if self.line:
            return self._text_of_line(wanted)
        special = self._title_or_name(wanted)
        return special if special is not None else self._labelled_or_best(wanted)

    def _title_or_name(self, wanted: Wanted) -> str | None:
        """Return "" for a name that the document does not have, None for what is no name at all."""
        if wanted.speaks_of(_TITLE) and wanted.words <= _OF_THE_WHOLE:
            return self.finder.labelled(wanted, own_words=True) or self.document.title
        if wanted.speaks_of(_ISSUER):
            return self.finder.labelled(wanted) or names.issuer(self.document)
        if wanted.speaks_of(_RECIPIENT):
            own = self.finder.labelled(wanted, own_words=True) or names.recipient(self.document)
            return own or self.finder.labelled(wanted)
        if wanted.speaks_of(_CONTACT) or (wanted.speaks_of(_PERSON) and "contact" in wanted.parents.lower()):
            return self.finder.labelled(wanted, own_words=True) or names.contact(self.document)
        return None

    def _labelled_or_best(self, wanted: Wanted) -> str | None:
        if labelled := self.finder.labelled(wanted, own_words=True):
            return labelled
        hits = self.finder.passages(wanted)
        if hits and hits[0].admission_write.label:
            return hits[0].admission_write.text
        if group := self.finder.group(wanted):
            return "; ".join(group.items[:4]) if group.passages[0].bullet else " ".join(group.items[:2])
        return hits[0].admission_write.text if hits else None

    def _text_of_line(self, wanted: Wanted) -> str | None:
        """Return what the line calls its value, or the value."""
        admission_write = next(iter(self.document.passages), None)
        names_it = wanted.speaks_of(_NAMES_A_LINE)
        if admission_write and admission_write.label:
            return admission_write.label if names_it else admission_write.text
        if not names_it:
            return self.line
        values = [*dates(self.line), *sums_of_money(self.line)]
        start = min((each.start for each in values), default=len(self.line))
        bare = _POINTS_BEHIND.sub("", self.line[:start] or self.line)
        return bare.strip(" ,:.-\u2013") or self.line

    def day(self, wanted: Wanted) -> str | None:
        """Return an ISO date."""
        text = self._text_with(wanted, dates)
        found = self._at_anchor(wanted, text, dates(text))
        return found[0].value.isoformat() if found else None

    def moment(self, wanted: Wanted) -> str | None:
        """Return an ISO date and time; midnight UTC where the document has a date only."""
        text = self._text_with(wanted, dates)
        found: list[Found[date]] = self._at_anchor(wanted, text, dates(text))
        if not found:
            return None
        hour, minute = time_of_day(text[found[0].end : found[0].end + 40])
        return f"{found[0].value.isoformat()}T{hour:02}:{minute:02}:00Z"

    def number(self, wanted: Wanted, fits: Callable[[float], bool]) -> float | None:
        """Return a sum of money or a plain number for which `fits` holds."""
        is_money = wanted.speaks_of(_MONEY) or Wanted(wanted.parents).speaks_of(_MONEY)
        text = self._text_with(wanted, sums_of_money if is_money else numbers)
        found = sums_of_money(text) if is_money else numbers(text)
        if is_money and not found:
            text = self.line or self.finder.labelled(wanted, own_words=True)
            found = numbers(text)
        behind = [each for each in self._at_anchor(wanted, text, found) if fits(each.value)]
        if not behind:
            return None
        values = [each.value for each in behind]
        if wanted.speaks_of(_UPPER):
            return max(values)
        if wanted.speaks_of(_LOWER):
            return min(values) if len(values) > 1 else None
        with_unit = [
            each.value for each in found if each.unit and wanted.speaks_of(stems(each.unit)) and fits(each.value)
        ]
        return (with_unit or values)[0]

    def address(self, form: str, wanted: Wanted) -> str | None:
        """Return the e-mail address, telephone number or link that a format or a name asks for."""
        pattern = address_pattern(form, wanted)
        if pattern is None:
            return None
        return next(first_matches(pattern, self._text_with(wanted, pattern.search) or self.document.text), None)

    def boolean(self, wanted: Wanted) -> bool | None:
        """Return whether the passage that fits best says so without a `not`."""
        hits = self.finder.passages(wanted)
        return not _NO.search(hits[0].admission_write.whole) if hits else None

    def member(self, members: Sequence[Json], wanted: Wanted) -> Json:
        """Return the member whose words stand in the best passages, else in the title, else anywhere."""
        passages = [hit.admission_write.whole for hit in self.finder.passages(wanted)]
        for text in (*passages, self.document.title, self.document.text):
            words = stems(text)
            named = [(len(own), each) for each in members if (own := _words_of(each)) and own <= words]
            if named:
                return max(named, key=lambda each: each[0])[1]
        return None

    def _text_with(self, wanted: Wanted, holds: Callable[[str], object]) -> str:
        """Return the best passage that holds such a value."""
        if self.line:
            return self.line
        best = next(iter(self.finder.passages(wanted, holds)), None)
        return best.admission_write.whole if best else ""

    def _at_anchor[T](self, wanted: Wanted, text: str, found: list[Found[T]]) -> list[Found[T]]:
        """Return the values behind the field's words, or all where there is none behind them."""
        anchor = 0 if self.line else self.finder.anchor(wanted, text)
        return [each for each in found if each.start >= anchor] or found


def address_pattern(form: str, wanted: Wanted) -> re.Pattern[str] | None:
    """Return the pattern of the address that a field asks for, if it asks for one."""
    by_name = (pattern for words, pattern in _ADDRESSES if wanted.speaks_of(words))
    return _ADDRESS_FORMATS.get(form) or next(by_name, None)


def _words_of(member: object) -> frozenset[str]:
    return frozenset() if member is None else stems(re.sub(r"[_-]", " ", str(member)))
