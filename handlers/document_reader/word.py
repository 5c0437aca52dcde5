"""Reads Word documents (DOCX)."""

import io
from collections.abc import Iterator
from typing import Any

from document_reader.archives import require_safe_archive
from document_reader.task import Budget, Emit, Task, extra

_MAIN = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_ALTERNATIVE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# The limit for tables nested in tables. Real documents nest two or three.
_MAX_DEPTH = 20


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text as one page, because a DOCX file does not store its page layout.

    Paragraphs and tables come in their order, with one line per table row and tabs between the cells. Each header comes
    once, before the text, and each footer once, after it. The text of a text box follows its paragraph.
    """
    with extra("word"):
        import docx  # noqa: PLC0415 - needed only for DOCX
    require_safe_archive(content)
    document = docx.Document(io.BytesIO(content))
    budget = Budget(task.limits)
    lines: list[str] = []

    def add(found: Iterator[str]) -> None:
        for line in found:
            budget.spend(len(line) + 1)
            lines.append(line)

    for edge in _edges(document, "header"):
        add(_blocks(edge))
    add(_blocks(document))
    for edge in _edges(document, "footer"):
        add(_blocks(edge))
    emit(page=1, text="\n".join(lines).strip("\n"), source="text")


def _edges(document: Any, which: str) -> Iterator[Any]:
    """Yield the headers or footers, each once: most sections inherit them from the previous section."""
    for section in document.sections:
        kinds = [which]
        if section.different_first_page_header_footer:
            kinds.insert(0, f"first_page_{which}")
        for kind in kinds:
            edge = getattr(section, kind)
            if not edge.is_linked_to_previous:
                yield edge


def _blocks(container: Any, depth: int = 0) -> Iterator[str]:
    for block in container.iter_inner_content():
        if hasattr(block, "rows"):
            if depth < _MAX_DEPTH:
                yield from _rows(block, depth)
        else:
            yield block.text
            yield from _boxes(block)


def _rows(table: Any, depth: int) -> Iterator[str]:
    for row in table.rows:
        cells: list[str] = []
        last = None
        for cell in row.cells:
            if cell._tc is not last:  # noqa: SLF001 - a cell that spans columns is repeated for each
                cells.append(" ".join(text.strip() for text in _blocks(cell, depth + 1) if text.strip()))
            last = cell._tc  # noqa: SLF001 - as above
        yield "\t".join(cells)


def _boxes(paragraph: Any) -> Iterator[str]:
    """Yield the text of text boxes. A file contains each box twice; the second is a fallback for old programs."""
    for box in paragraph._p.iter(f"{_MAIN}txbxContent"):  # noqa: SLF001 - python-docx has no API for text boxes
        if any(above.tag == _ALTERNATIVE for above in box.iterancestors()):
            continue
        for inner in box.iter(f"{_MAIN}p"):
            yield "".join(piece.text or "" for piece in inner.iter(f"{_MAIN}t"))
