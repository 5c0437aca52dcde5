"""Computes the automatic numbers of a Word document's paragraphs (ECMA-376, part 1, 17.9)."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from document_reader.office.names import W, number, switch, value
from document_reader.office.opc import Tree
from document_reader.word.numerals import numeral
from document_reader.word.styles import Styles
from document_reader.word.symbols import without_private

_PLACE = re.compile(r"%([1-9])")
_LEVELS = 9
# A list may take its levels from a numbering style, which names another list. One step is usual.
_MAX_LINKS = 5
_OUTLINE_BULLETS = {"o": "◦"}


@dataclass(frozen=True)
class Level:
    """A level of a list. `text` has a place such as %1 for the number of each level."""

    start: int = 0
    style: str = "decimal"
    text: str = ""
    suffix: str = " "
    restart: int | None = None
    legal: bool = False
    paragraph_style: str | None = None


@dataclass
class _Definition:
    """An abstract list. Lists that share it count together."""

    levels: dict[int, Level]
    link: str | None


@dataclass
class _List:
    definition: str
    levels: dict[int, Level] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """The lists of a document. Without a readable `numbering.xml` there are none."""

    def __init__(self, tree: Tree | None, styles: Styles) -> None:
        self._styles = styles
        self._definitions: dict[str, _Definition] = {}
        self._lists: dict[str, _List] = {}
        if tree is None:
            return
        for element in tree.root.iter(f"{W}abstractNum"):
            levels = _levels(element.iter(f"{W}lvl"))
            self._definitions[element.get(f"{W}abstractNumId", "")] = _Definition(
                levels, value(element, "numStyleLink")
            )
        for element in tree.root.iter(f"{W}num"):
            self._lists[element.get(f"{W}numId", "")] = _list(element)

    def place(self, properties: Element | None) -> tuple[str, str, int] | None:
        """Return the list ID, the definition and the level of a paragraph with these properties, or None."""
        style = value(properties, "pStyle")
        list_id, level = value(properties, "numPr/numId"), number(value(properties, "numPr/ilvl"))
        inherited = self._styles.numbering(style)
        source = None
        if list_id is None and inherited:
            list_id, inherited_level, source = inherited
            level = inherited_level if level is None else level
        if list_id is None or list_id not in self._lists:
            return None
        definition = self._resolved(self._lists[list_id].definition)
        if definition is None:
            return None
        if source is not None:
            # The level that names the style counts; the level in the style itself does only without one.
            linked = {entry.paragraph_style: at for at, entry in self._definitions[definition].levels.items()}
            level = linked.get(style, linked.get(source) if level is None else level)
        return list_id, definition, min(max(level or 0, 0), _LEVELS - 1)

    def level(self, list_id: str, definition: str, level: int) -> Level | None:
        """Return a level of a list, with the list's own changes."""
        own = self._lists[list_id]
        found = own.levels.get(level) or self._definitions[definition].levels.get(level)
        if found and level in own.starts:
            return replace(found, start=own.starts[level])
        return found

    def starts(self, list_id: str) -> dict[int, int]:
        """Return the levels that a list starts again, with their first numbers."""
        return self._lists[list_id].starts

    def _resolved(self, definition: str) -> str | None:
        """Follow the links from a definition to the one that has the levels."""
        for _ in range(_MAX_LINKS):
            found = self._definitions.get(definition)
            if found is None or found.link is None or found.levels:
                return definition if found else None
            linked = self._lists.get(self._styles.list_of(found.link) or "")
            if linked is None:
                return definition
            definition = linked.definition
        return definition


class Counter:
    """Counts the numbered paragraphs of one story: the body, or a header."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        self._seen: set[str] = set()

    def next(self, properties: Element | None) -> str:
        """Return the number or bullet before the next paragraph, with the space that follows it, or ""."""
        place = self._numbering.place(properties)
        if place is None:
            return ""
        list_id, definition, at = place
        level = self._numbering.level(list_id, definition, at)
        if level is None:
            return ""
        counts = self._counts[definition]
        if list_id not in self._seen:
            self._seen.add(list_id)
            for restarted in self._numbering.starts(list_id):
                counts.pop(restarted, None)
        counts[at] = counts.get(at, level.start - 1) + 1
        for deeper in [each for each in counts if each > at]:
            below = self._numbering.level(list_id, definition, deeper)
            if below is None or below.restart is None or at < below.restart:
                del counts[deeper]
        written = self._written(list_id, definition, at, level)
        return written + level.suffix if written.strip() else ""

    def _written(self, list_id: str, definition: str, at: int, level: Level) -> str:
        if level.style == "bullet":
            return _OUTLINE_BULLETS.get(level.text, level.text)

        def counted(place: re.Match[str]) -> str:
            index = int(place[1]) - 1
            above = level if index == at else self._numbering.level(list_id, definition, index)
            if above is None or index > at:
                return ""
            count = self._counts[definition].get(index, above.start)
            is_plain = level.legal and above.style != "none"
            return numeral(count, "decimal" if is_plain else above.style)

        return _PLACE.sub(counted, level.text)


def _list(element: Element) -> _List:
    changed: dict[int, Level] = {}
    starts: dict[int, int] = {}
    for override in element.iter(f"{W}lvlOverride"):
        at = number(override.get(f"{W}ilvl"))
        start = number(value(override, "startOverride"))
        if at is not None and start is not None:
            starts[at] = start
        changed |= _levels(override.iter(f"{W}lvl"))
    return _List(value(element, "abstractNumId") or "", changed, starts)


def _levels(elements: Iterable[Element]) -> dict[int, Level]:
    levels = {}
    for element in elements:
        at = number(element.get(f"{W}ilvl"))
        if at is not None:
            levels[at] = _level(element)
    return levels


def _level(element: Element) -> Level:
    style, text = _format(element), value(element, "lvlText") or ""
    if style == "bullet":
        fonts = element.find(f"{W}rPr/{W}rFonts")
        font = "" if fonts is None else fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi") or ""
        text = "•" if element.find(f"{W}lvlPicBulletId") is not None else without_private(text, font)
    return Level(
        start=number(value(element, "start")) or 0,
        style=style,
        text=text,
        suffix="" if value(element, "suff") == "nothing" else " ",
        restart=number(value(element, "lvlRestart")),
        legal=bool(switch(element, "isLgl")),
        paragraph_style=value(element, "pStyle"),
    )


def _format(element: Element) -> str:
    """Return the number format. Word 2010 and later wrap newer formats, with an older one for other programs."""
    found = element.find(f".//{W}numFmt")
    style = "decimal" if found is None else found.get(f"{W}val", "decimal")
    if style == "custom" and found is not None:
        # The pattern shows the first numbers, such as 001, 002, 003, …: all that Word offers pad with zeros.
        width = len(found.get(f"{W}format", "").partition(",")[0].strip())
        return f"zeros{width}"
    return style
