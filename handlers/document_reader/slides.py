"""Reads presentations (PPTX)."""

import io
from collections.abc import Iterator
from typing import Any

from document_reader.archives import require_safe_archive
from document_reader.task import Budget, Emit, Task, UnreadableError, extra, require_pages

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_OPEN_XML = "application/vnd.openxmlformats-officedocument."
# Parts of a slide with text of their own, by the last word of their relationship's type.
_PARTS_WITH_TEXT = {"chart", "chartEx", "comments", "diagramData"}
# The media types of a presentation's main part.
_MAIN_TYPES = (
    *(f"{_OPEN_XML}presentationml.{kind}.main+xml" for kind in ("presentation", "slideshow", "template")),
    *(
        f"application/vnd.ms-powerpoint.{kind}.macroEnabled.main+xml"
        for kind in ("presentation", "slideshow", "template")
    ),
)
# Placeholders of a page of notes that repeat what is the same on all pages.
_EDGES = {"DATE", "FOOTER", "HEADER", "SLIDE_IMAGE", "SLIDE_NUMBER"}
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit each slide as a page: its text, tables, diagrams and charts in their order, then the speaker's notes.

    A table gives one line for each row, with tabs between the cells. Hidden slides are read too.
    """
    require_safe_archive(content)
    slides = list(_opened(content).slides)
    require_pages(len(slides), task.limits)
    budget = Budget(task.limits)
    for number, slide in enumerate(slides, 1):
        lines = []
        for line in _lines(slide):
            budget.spend(len(line) + 1)
            lines.append(line)
        emit(page=number, text="\n".join(lines), source="text")


def _opened(content: bytes) -> Any:
    """Return the presentation. `pptx.Presentation` would refuse slide shows, templates and their kinds with macros."""
    with extra("slides"):
        from pptx.opc.package import PartFactory  # noqa: PLC0415 - needed only for PPTX
        from pptx.package import Package  # noqa: PLC0415 - as above
        from pptx.parts.presentation import PresentationPart  # noqa: PLC0415 - as above
    PartFactory.part_type_for.update(dict.fromkeys(_MAIN_TYPES, PresentationPart))
    main = Package.open(io.BytesIO(content)).main_document_part
    if not isinstance(main, PresentationPart):
        raise UnreadableError("document_corrupt", "has no presentation in it")
    return main.presentation


def _lines(slide: Any) -> Iterator[str]:
    yield from _blocks(slide.element)
    for relationship in slide.part.rels.values():
        if relationship.reltype.rpartition("/")[2] in _PARTS_WITH_TEXT and not relationship.is_external:
            yield from _of_part(relationship.target_part)
    if slide.has_notes_slide:
        for shape in slide.notes_slide.shapes:
            if not shape.is_placeholder or shape.placeholder_format.type.name not in _EDGES:
                yield from _blocks(shape.element)


def _of_part(part: Any) -> Iterator[str]:
    with extra("slides"):
        from lxml import etree  # noqa: PLC0415 - python-pptx needs it too
    # `require_safe_archive` has refused entities.
    root = etree.fromstring(part.blob, etree.XMLParser(resolve_entities=False, no_network=True))
    yield from _blocks(root)
    # The categories and the names of the series in a chart.
    yield from (each.text or "" for cache in root.iter(f"{_CHART}strCache") for each in cache.iter(f"{_CHART}v"))


def _blocks(root: Any) -> Iterator[str]:
    """Yield the paragraphs below an element, and the rows of its tables."""
    pending = [root]
    while pending:
        element = pending.pop()
        if element.tag == f"{_DRAWING}tr":
            cells = (cell for cell in element if cell.tag == f"{_DRAWING}tc")
            line = "\t".join(" ".join(_paragraph(each) for each in cell.iter(f"{_DRAWING}p")).strip() for cell in cells)
        elif element.tag == f"{_DRAWING}p":
            line = _paragraph(element)
        else:
            # Alternatives for other programs repeat the text.
            pending.extend(child for child in reversed(element) if child.tag != f"{_COMPATIBILITY}Fallback")
            continue
        if line.strip():
            yield line


def _paragraph(paragraph: Any) -> str:
    pieces = []
    for element in paragraph.iter():
        if element.tag == f"{_DRAWING}t" or str(element.tag).endswith("/math}t"):
            pieces.append(element.text or "")
        elif element.tag == f"{_DRAWING}br":
            pieces.append("\n")
        elif element.tag == f"{_DRAWING}tab":
            pieces.append(" ")
    return "".join(pieces)
