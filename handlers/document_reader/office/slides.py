"""Reads presentations (PPTX)."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from document_reader.office.archives import require_safe_archive
from document_reader.office.opc import Package, Tree
from document_reader.task import Budget, Emit, Task, UnreadableError, require_pages

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_PRESENTATION = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_RELATIONSHIP_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# Parts of a slide with text of their own, by the last word of their relationship's type.
_PARTS_WITH_TEXT = {"chart", "chartEx", "comments", "diagramData"}
# Placeholders of a page of notes that repeat what is the same on all pages.
_EDGES = {"dt", "ftr", "hdr", "sldImg", "sldNum"}
_WITHIN_PARAGRAPHS = {f"{_DRAWING}br": "\n", f"{_DRAWING}tab": " "}


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit each slide as a page: its text, tables, diagrams and charts in their order, then the speaker's notes.

    A table gives one line for each row, with tabs between the cells. Hidden slides are read too.
    """
    require_safe_archive(content)
    package = Package.of(content)
    slides = list(_slides(package))
    require_pages(len(slides), task.limits)
    budget = Budget(task.limits)
    for number, slide in enumerate(slides, 1):
        lines = []
        for line in _lines(package, slide):
            budget.spend(len(line) + 1)
            lines.append(line)
        emit(page=number, text="\n".join(lines), source="text")


def _slides(package: Package) -> Iterator[str]:
    """Yield the names of the parts with the slides, in their order."""
    main = package.main()
    if main is None:
        raise UnreadableError("document_corrupt", "has no presentation in it")
    links = package.relationships(main)
    for slide in package.tree(main).root.iter(f"{_PRESENTATION}sldId"):
        if link := links.get(slide.get(_RELATIONSHIP_ID, "")):
            yield link.target


def _lines(package: Package, slide: str) -> Iterator[str]:
    tree = package.tree(slide)
    yield from _blocks(tree, tree.root)
    for link in package.relationships(slide).values():
        if link.kind in _PARTS_WITH_TEXT and (part := package.optional_tree(link.target)):
            yield from _blocks(part, part.root)
            # The categories and the names of the series in a chart.
            yield from (
                text.text or "" for cache in part.root.iter(f"{_CHART}strCache") for text in cache.iter(f"{_CHART}v")
            )
    if notes := package.optional_tree(package.related(slide, "notesSlide")):
        yield from _blocks(notes, notes.root)


def _blocks(tree: Tree, root: Element) -> Iterator[str]:
    """Yield the paragraphs below an element, and the rows of its tables."""
    pending: list[Element] = [root]
    while pending:
        element = tree.branch(pending.pop())
        if element is None or _is_edge(tree, element):
            continue
        if element.tag == f"{_DRAWING}tr":
            cells = (cell for cell in element if cell.tag == f"{_DRAWING}tc")
            line = "\t".join(" ".join(_paragraph(each) for each in cell.iter(f"{_DRAWING}p")).strip() for cell in cells)
        elif element.tag == f"{_DRAWING}p":
            line = _paragraph(element)
        else:
            pending.extend(reversed(element))
            continue
        if line.strip():
            yield line


def _is_edge(tree: Tree, element: Element) -> bool:
    """Tell whether an element is a placeholder at the edge of a page of notes."""
    if tree.root.tag != f"{_PRESENTATION}notes" or element.tag != f"{_PRESENTATION}sp":
        return False
    place = element.find(f"{_PRESENTATION}nvSpPr/{_PRESENTATION}nvPr/{_PRESENTATION}ph")
    return place is not None and place.get("type") in _EDGES


def _paragraph(paragraph: Element) -> str:
    return "".join(
        (element.text or "")
        if element.tag in {f"{_DRAWING}t", f"{_MATHS}t"}
        else _WITHIN_PARAGRAPHS.get(element.tag, "")
        for element in paragraph.iter()
    )
