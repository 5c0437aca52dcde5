"""Reads the properties of a Word document's styles that decide about its text: hidden text and list levels."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from document_reader.office.names import W, number, switch, value
from document_reader.office.opc import Tree

# Styles are based on each other. Word allows about ten levels; a longer chain is a mistake or a circle.
_MAX_DEPTH = 50


@dataclass(frozen=True)
class Style:
    """A style: what it is based on, whether it hides text, and its list (None: as in the style it is based on)."""

    style_id: str
    based_on: str | None
    hidden: bool | None
    list_id: str | None
    level: int | None


class Styles:
    """The styles of a document. Without a readable `styles.xml` there are none."""

    def __init__(self, tree: Tree | None) -> None:
        root = tree.root if tree else None
        self._styles: dict[str, Style] = {}
        self._defaults: dict[str, str] = {}
        self._hidden = bool(switch(root, "docDefaults/rPrDefault/rPr/vanish"))
        for element in root.iter(f"{W}style") if root is not None else ():
            style = _style(element)
            self._styles.setdefault(style.style_id, style)
            if switch_attribute(element, "default"):
                self._defaults.setdefault(element.get(f"{W}type", ""), style.style_id)

    def hides(self, paragraph_style: str | None, character_style: str | None) -> bool:
        """Tell whether the styles hide text. A property in both styles cancels itself (ECMA-376, part 1, 17.7.3)."""
        in_paragraph = self._first_hidden(paragraph_style or self._defaults.get("paragraph"))
        in_characters = self._first_hidden(character_style or self._defaults.get("character"))
        return self._hidden or in_paragraph != in_characters

    def numbering(self, paragraph_style: str | None) -> tuple[str, int | None, str] | None:
        """Return the list ID and the level of a paragraph style, and the style that has them."""
        level = None
        for style in self._chain(paragraph_style or self._defaults.get("paragraph")):
            level = style.level if level is None else level
            if style.list_id is not None:
                return style.list_id, level, style.style_id
        return None

    def list_of(self, numbering_style: str) -> str | None:
        """Return the list ID of a numbering style."""
        style = self._styles.get(numbering_style)
        return style.list_id if style else None

    def _first_hidden(self, style_id: str | None) -> bool:
        return next((bool(style.hidden) for style in self._chain(style_id) if style.hidden is not None), False)

    def _chain(self, style_id: str | None) -> Iterator[Style]:
        for _ in range(_MAX_DEPTH):
            style = self._styles.get(style_id or "")
            if style is None:
                return
            yield style
            style_id = style.based_on


def switch_attribute(element: Element, name: str) -> bool:
    """Tell whether an attribute such as `w:default` is on."""
    return element.get(f"{W}{name}", "0").lower() in {"1", "true", "on"}


def _style(element: Element) -> Style:
    return Style(
        element.get(f"{W}styleId", ""),
        value(element, "basedOn"),
        switch(element, "rPr/vanish"),
        value(element, "pPr/numPr/numId"),
        number(value(element, "pPr/numPr/ilvl")),
    )
