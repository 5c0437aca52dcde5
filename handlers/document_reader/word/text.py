"""Walks through the XML of a Word document and collects the text that Word shows.

A walk of our own, because each library that we measured loses text silently (docs/decisions/0016). The rule here is the
opposite of theirs: an unknown element is walked through, so that no wrapper can hide its text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from document_reader.office.names import NOT_TEXT, W14, M, R, W, switch, value
from document_reader.office.opc import Package, Tree
from document_reader.task import Budget
from document_reader.word.drawings import Drawings
from document_reader.word.fields import CHECKED, UNCHECKED, Fields
from document_reader.word.formulas import linear
from document_reader.word.notes import Notes
from document_reader.word.numbers import Counter, Numbering
from document_reader.word.styles import Styles
from document_reader.word.symbols import symbol, without_private

_PARAGRAPH, _RUN, _TABLE, _ROW, _CELL = (f"{W}{name}" for name in ("p", "r", "tbl", "tr", "tc"))
_CHARACTERS = {
    f"{W}tab": "\t",
    f"{W}ptab": "\t",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
}
_DRAWINGS = frozenset({f"{W}drawing", f"{W}pict", f"{W}object"})


@dataclass(frozen=True)
class Shared:
    """What all stories of a document use."""

    package: Package
    styles: Styles
    numbering: Numbering
    footnotes: Notes
    endnotes: Notes
    comments: dict[str, Element]
    comments_part: str | None
    chunk: Callable[[str], list[str]]
    budget: Budget


@dataclass
class _Run:
    """The properties of the run that is being read."""

    hidden: bool = False
    font: str = ""


class Story:
    """One story of a document: the body, a header, a note. `part` is the part that contains it."""

    def __init__(self, shared: Shared, part: str, tree: Tree) -> None:
        self._shared = shared
        self._tree = tree
        self._part = part
        self._counter = Counter(shared.numbering)
        self._drawings = Drawings(shared.package, part, self._box, self._tree.branch)
        self._fields = Fields(tree.root, self._tree.branch)
        self._pieces: list[str] = []
        self._style: str | None = None
        self._run = _Run()
        # The lines of text boxes and comments, which follow their paragraph.
        self._after: list[str] = []
        # The text of paragraphs that continue in the next one, because their end was deleted or is hidden.
        self._carried = ""

    def lines(self, container: Element) -> list[str]:
        """Return the lines of an element that contains paragraphs and tables."""
        outer, self._carried = self._carried, ""
        lines: list[str] = []
        self._blocks(container, lines)
        if self._carried:
            lines.append(self._carried)
        self._carried = outer
        return lines

    def _blocks(self, container: Element, lines: list[str]) -> None:
        chosen = self._tree.branch(container)
        for element in () if chosen is None else chosen:
            if element.tag == _PARAGRAPH:
                self._paragraph(element, lines)
            elif element.tag == _TABLE:
                self._table(element, lines)
            elif element.tag == f"{W}altChunk":
                self._chunk(element.get(f"{R}id", ""), lines)
            elif element.tag not in NOT_TEXT:
                self._blocks(element, lines)

    def _paragraph(self, paragraph: Element, lines: list[str]) -> None:
        properties = paragraph.find(f"{W}pPr")
        saved = self._pieces, self._style, self._after
        self._pieces, self._style, self._after = [], value(properties, "pStyle"), []
        self._inline(paragraph)
        text, after = "".join(self._pieces).strip("\n"), self._after
        self._pieces, self._style, self._after = saved
        self._shared.budget.spend(len(text) + 1)
        if self._continues(properties):
            self._carried += text
        else:
            number, text = self._counter.next(properties), self._carried + text
            self._carried = ""
            # A paragraph that only holds a text box is no line of its own.
            if text or number or not after:
                lines.append(number + text if text else number.rstrip())
        lines.extend(after)

    def _continues(self, properties: Element | None) -> bool:
        """Tell whether the end of the paragraph is deleted or hidden. Then Word shows the next one in the same line."""
        mark = None if properties is None else properties.find(f"{W}rPr")
        if mark is None:
            return False
        deleted = mark.find(f"{W}del") is not None or mark.find(f"{W}moveFrom") is not None
        return deleted or bool(switch(mark, "vanish"))

    def _chunk(self, relationship: str, lines: list[str]) -> None:
        link = self._shared.package.relationships(self._part).get(relationship)
        for line in self._shared.chunk(link.target) if link else ():
            self._shared.budget.spend(len(line) + 1)
            lines.append(line)

    # Tables

    def _table(self, table: Element, lines: list[str]) -> None:
        """Add one line for each row, with tabs between the cells. The only cell of a row keeps its lines.

        A merged cell has its text in its first row only, as Word shows it.
        """
        for row in self._within(table, _ROW):
            properties = row.find(f"{W}trPr")
            if properties is not None and (properties.find(f"{W}del") is not None or switch(row, "trPr/hidden")):
                continue
            cells = [self.lines(cell) for cell in self._within(row, _CELL) if cell.find(f"{W}tcPr/{W}cellDel") is None]
            if len(cells) == 1:
                lines.extend(cells[0])
            elif any(line.strip() for cell in cells for line in cell):
                lines.append("\t".join(" ".join(" ".join(cell).split()) for cell in cells).rstrip("\t"))

    def _within(self, container: Element, tag: str) -> Iterator[Element]:
        """Yield the rows of a table or the cells of a row, whatever wraps them."""
        chosen = self._tree.branch(container)
        for element in () if chosen is None else chosen:
            if element.tag == tag:
                yield element
            elif element.tag not in NOT_TEXT:
                yield from self._within(element, tag)

    # Within a paragraph

    def _show(self, text: str) -> None:
        if text and not self._run.hidden and not self._fields.hide:
            self._pieces.append(text)
            self._fields.shown()

    def _inline(self, container: Element) -> None:
        chosen = self._tree.branch(container)
        for element in () if chosen is None else chosen:
            self._element(element)

    def _element(self, element: Element) -> None:  # noqa: C901, PLR0912 - one branch for each kind of element
        tag = element.tag
        if tag == f"{W}t":
            self._show(without_private((element.text or "").replace("\n", " ").replace("\t", " "), self._run.font))
        elif tag == _RUN:
            self._in_run(element)
        elif tag == f"{W}instrText":
            self._fields.instruct(element.text or "")
        elif tag in NOT_TEXT:
            pass
        elif tag in _CHARACTERS:
            self._show(_CHARACTERS[tag])
        elif tag == f"{W}fldChar":
            self._show(self._fields.character(element))
        elif tag == f"{W}sym":
            code = element.get(f"{W}char", "")
            self._show(symbol(int(code, 16), element.get(f"{W}font", "")) if _is_hexadecimal(code) else "")
        elif tag in _DRAWINGS:
            self._draw(element)
        elif tag in {f"{W}footnoteReference", f"{W}endnoteReference"}:
            self._note(element)
        elif tag == f"{W}commentReference":
            self._comment(element.get(f"{W}id", ""))
        elif tag == f"{W}ruby":
            self._ruby(element)
        elif tag == f"{W}sdt":
            self._control(element)
        elif tag == f"{M}oMath":
            self._show(linear(element))
        elif tag == _TABLE:
            self._table(element, self._after)
        elif tag == _PARAGRAPH:
            self._paragraph(element, self._after)
        else:
            self._inline(element)

    def _in_run(self, run: Element) -> None:
        outer = self._run
        properties = run.find(f"{W}rPr")
        direct = switch(properties, "vanish")
        fonts = None if properties is None else properties.find(f"{W}rFonts")
        self._run = _Run(
            hidden=self._shared.styles.hides(self._style, value(properties, "rStyle")) if direct is None else direct,
            font="" if fonts is None else fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi") or "",
        )
        self._inline(run)
        self._run = outer

    def _ruby(self, ruby: Element) -> None:
        """Show the base text, and the text that is written above it in brackets."""
        base, above = ruby.find(f"{W}rubyBase"), ruby.find(f"{W}rt")
        if base is not None:
            self._inline(base)
        if above is not None:
            self._show("(")
            self._inline(above)
            self._show(")")

    def _control(self, control: Element) -> None:
        """Show a content control. A check box without a mark of its own gets one."""
        before = len(self._pieces)
        self._inline(control)
        box = control.find(f"{W}sdtPr/{W14}checkbox")
        if box is not None and len(self._pieces) == before:
            checked = box.find(f"{W14}checked")
            is_checked = checked is not None and checked.get(f"{W14}val", "1") in {"1", "true", "on"}
            self._show(CHECKED if is_checked else UNCHECKED)

    def _draw(self, element: Element) -> None:
        if not self._run.hidden and not self._fields.hide:
            for line in self._drawings.lines(element):
                self._shared.budget.spend(len(line) + 1)
                self._after.append(line)

    def _box(self, box: Element) -> list[str]:
        saved = self._fields, self._run
        self._fields, self._run = Fields(box, self._tree.branch), _Run()
        lines = self.lines(box)
        self._fields, self._run = saved
        return lines

    def _note(self, reference: Element) -> None:
        if not self._run.hidden and not self._fields.hide:
            notes = self._shared.footnotes if reference.tag.endswith("footnoteReference") else self._shared.endnotes
            self._show(notes.mark(reference))

    def _comment(self, comment_id: str) -> None:
        """Add a comment after the paragraph that it belongs to, once."""
        comment = self._shared.comments.pop(comment_id, None)
        if comment is not None and self._shared.comments_part:
            story = Story(self._shared, self._shared.comments_part, Tree(comment, self._tree.prefixes))
            text = " ".join(line.strip() for line in story.lines(comment) if line.strip())
            self._after.append(f"[Comment by {comment.get(f'{W}author') or 'unknown'}: {text}]")


def _is_hexadecimal(code: str) -> bool:
    return 0 < len(code) <= 4 and all(digit in "0123456789abcdefABCDEF" for digit in code)  # noqa: PLR2004 - U+FFFF
