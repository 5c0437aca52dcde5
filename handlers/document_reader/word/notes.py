"""Finds a Word document's footnotes, endnotes and comments, and numbers the notes in their order in the text."""

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from document_reader.office.names import W, number, value
from document_reader.office.opc import Package, Tree
from document_reader.word.numerals import numeral

# Word's own formats if the document does not name one.
_FORMATS = {"footnote": "decimal", "endnote": "lowerRoman"}


@dataclass
class Notes:
    """The notes of one kind: `footnote` or `endnote`. `marks` has those that the text refers to, in their order."""

    kind: str
    part: str | None
    tree: Tree | None
    style: str
    start: int
    marks: dict[str, str] = field(default_factory=dict)
    _numbered: int = 0

    @classmethod
    def of(cls, package: Package, main: str, kind: str, properties: list[Element]) -> "Notes":
        """Return the notes of a document. `properties` may contain their format and first number: the last wins."""
        style, start = _FORMATS[kind], 1
        for element in properties:
            style = value(element, f"{kind}Pr/numFmt") or style
            start = number(value(element, f"{kind}Pr/numStart")) or start
        part = package.related(main, f"{kind}s")
        return cls(kind, part, package.optional_tree(part), style, start)

    def mark(self, reference: Element) -> str:
        """Return the mark of a note for a `w:footnoteReference` or `w:endnoteReference`: "" if it has its own mark."""
        note = reference.get(f"{W}id", "")
        if note not in self.marks:
            own = reference.get(f"{W}customMarkFollows", "0").lower() in {"1", "true", "on"}
            self.marks[note] = "" if own else f"[{numeral(self.start + self._numbered, self.style)}]"
            self._numbered += not own
        return self.marks[note]

    def texts(self) -> list[tuple[str, Element]]:
        """Return the mark and the element of each note that the text refers to."""
        found = by_id(self.tree, self.kind)
        return [(mark, found[note]) for note, mark in self.marks.items() if note in found]


def by_id(tree: Tree | None, name: str) -> dict[str, Element]:
    """Return the elements of a part with notes or comments by their ID. A missing part has none."""
    return {each.get(f"{W}id", ""): each for each in tree.root.iter(f"{W}{name}")} if tree else {}
