"""Finds the text in the drawings of a Word document: text boxes, WordArt, charts and diagrams."""

from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element

from document_reader.office.names import CHART, DIAGRAM, A, R, V, W
from document_reader.office.opc import Package

_BOX = f"{W}txbxContent"


class Drawings:
    """The drawings of one part. `box` returns the lines of a text box; `branch` chooses between alternatives."""

    def __init__(
        self,
        package: Package,
        part: str,
        box: Callable[[Element], list[str]],
        branch: Callable[[Element], Element | None],
    ) -> None:
        self._package = package
        self._part = part
        self._box = box
        self._branch = branch

    def lines(self, element: Element) -> Iterator[str]:
        """Yield the lines of text in a drawing."""
        if element.tag == _BOX:
            yield from self._box(element)
        elif element.tag == f"{V}textpath":
            yield element.get("string", "")
        elif element.tag == f"{A}p":
            yield paragraph_text(element)
        elif element.tag == f"{CHART}chart":
            yield from self._chart(element.get(f"{R}id", ""))
        elif element.tag == f"{DIAGRAM}relIds":
            yield from self._diagram(element.get(f"{R}dm", ""))
        else:
            chosen = self._branch(element)
            for child in () if chosen is None else chosen:
                yield from self.lines(child)

    def _chart(self, relationship: str) -> Iterator[str]:
        """Yield the title of a chart, of its axes, and one line for each series: its name and its values."""
        root = self._related(relationship)
        for title in () if root is None else root.iter(f"{CHART}title"):
            yield " ".join(paragraph_text(each) for each in title.iter(f"{A}p"))
        for series in () if root is None else root.iter(f"{CHART}ser"):
            parts = (series.find(f"{CHART}{name}") for name in ("tx", "cat", "xVal", "val", "yVal"))
            values = ([each.text or "" for each in part.iter(f"{CHART}v")] for part in parts if part is not None)
            yield "\t".join(" ".join(each) for each in values)

    def _diagram(self, relationship: str) -> Iterator[str]:
        """Yield one line for each shape of a diagram (SmartArt)."""
        root = self._related(relationship)
        for point in () if root is None else root.iter(f"{DIAGRAM}pt"):
            yield " ".join(paragraph_text(each) for each in point.iter(f"{A}p"))

    def _related(self, relationship: str) -> Element | None:
        link = self._package.relationships(self._part).get(relationship)
        tree = self._package.optional_tree(link.target if link else None)
        return tree.root if tree else None


def paragraph_text(element: Element) -> str:
    """Return the text of a paragraph of a drawing (`a:p`)."""
    breaks = {f"{A}br": "\n", f"{A}tab": "\t"}
    return "".join(each.text or "" if each.tag == f"{A}t" else breaks.get(each.tag, "") for each in element.iter())
