"""Reads Excel workbooks (XLSX, XLSM, XLTX, XLTM)."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, iterparse

from document_reader.excel.cells import Cells, place_of
from document_reader.excel.workbook import Sheet, Workbook, local, rich_text
from document_reader.office.archives import require_safe_archive
from document_reader.office.names import A
from document_reader.office.opc import Package
from document_reader.task import Budget, Emit, Task, UnreadableError, require_pages
from document_reader.word.drawings import paragraph_text

# The limit for all sheets together, equal to Excel's limit for one sheet. Empty rows between row numbers count too.
MAX_ROWS = 1_048_576
# More empty cells than this between two cells are written as this many: a stray cell may be in column 16,384.
MAX_GAP = 100
_ROWS_PER_PROGRESS = 10_000


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit each sheet as a page: its name, then one line per non-empty row, with tabs between the cells.

    Each cell has the text that Excel shows. Hidden sheets, rows and columns are read too: a filter hides rows, and a
    hidden sheet has the values that others refer to. The name of a hidden sheet says so. Text boxes and comments
    follow the rows.
    """
    require_safe_archive(content)
    package = Package.of(content)
    main = package.main()
    if main is None:
        raise UnreadableError("document_corrupt", "has no main part")
    workbook = Workbook.of(package, main)
    require_pages(len(workbook.sheets), task.limits)
    reader = _Reader(package, workbook, Budget(task.limits), emit)
    for number, sheet in enumerate(workbook.sheets, 1):
        emit(page=number, text="\n".join(reader.lines(sheet, number)), source="text")


class _Reader:
    def __init__(self, package: Package, workbook: Workbook, budget: Budget, emit: Emit) -> None:
        self._package = package
        self._workbook = workbook
        self._budget = budget
        self._emit = emit
        self._rows = 0

    def lines(self, sheet: Sheet, page: int) -> list[str]:
        name = f"{sheet.name} (hidden sheet)" if sheet.hidden else sheet.name
        if sheet.part is None:
            return [name]
        rows = list(self._rows_of(sheet.part, page))
        rows.sort(key=lambda row: row[0])  # a file may have them in any order
        texts = [text for text in self._texts(sheet.part) if text]
        for text in texts:
            self._budget.spend(len(text) + 1)
        return [name, *(line for _, line in rows), *texts]

    def _rows_of(self, part: str, page: int) -> Iterator[tuple[int, str]]:
        """Yield the number and the line of each row that is not empty."""
        cells = Cells(self._workbook)
        number = 0
        for row in _rows(self._package, part):
            number = self._number(row, number + 1)
            self._count(page)
            line = _line(row, number, cells)
            if line:
                self._budget.spend(len(line) + 1)
                yield number, line

    def _number(self, row: Element, default: int) -> int:
        written = row.get("r", "").strip()
        number = int(written) if written.isdecimal() and int(written) else default
        if number > MAX_ROWS:
            raise UnreadableError("document_too_complex", f"has more than {MAX_ROWS} rows")
        return number

    def _count(self, page: int) -> None:
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise UnreadableError("document_too_complex", f"has more than {MAX_ROWS} rows")
        if self._rows % _ROWS_PER_PROGRESS == 0:
            self._emit(working=page)

    def _texts(self, part: str) -> Iterator[str]:
        """Yield the text boxes and the comments of a sheet. Damaged ones are left out."""
        drawing = self._package.optional_tree(self._package.related(part, "drawing"))
        if drawing:
            left = [drawing.root]
            while left:
                element = left.pop()
                if element.tag == f"{A}p":
                    yield " ".join(paragraph_text(element).split())
                chosen = drawing.branch(element)
                left.extend(() if chosen is None else reversed(chosen))
        threads = self._package.optional_tree(self._package.related(part, "threadedComment"))
        comments = threads or self._package.optional_tree(self._package.related(part, "comments"))
        for element in comments.root.iter() if comments else ():
            if local(element) in {"comment", "threadedComment"}:
                texts = (rich_text(child) if len(child) else child.text or "" for child in element)
                yield f"[Comment on {element.get('ref', '')}: {' '.join(' '.join(texts).split())}]"


def _rows(package: Package, part: str) -> Iterator[Element]:
    """Yield the rows of a sheet, each when the next one begins: the ends of all cells need no event of their own."""
    row: Element | None = None
    parent: Element | None = None
    with package.open(part) as stream:
        for _, element in iterparse(stream, ("start",)):  # noqa: S314 - `open` refuses entities
            name = local(element)
            if name == "sheetData":
                parent = element
            elif name == "row":
                if row is not None:
                    yield row
                row = element
                if parent is not None:
                    parent.clear()  # the rows would take all memory
    if row is not None:
        yield row


def _line(row: Element, number: int, cells: Cells) -> str:
    """Return the cells of a row with tabs between them. Cells may be in any order, and without a place."""
    found: list[tuple[int, str]] = []
    column = 0
    for cell in row:
        if local(cell) == "c":
            place = place_of(cell.get("r", ""))
            column = place[1] if place else column + 1
            text = cells.text(cell, number, column)
            if text:
                found.append((column, text))
    found.sort(key=lambda each: each[0])
    line, last = "", 1
    for column, text in found:
        line += "\t" * min(column - last, MAX_GAP) + text
        last = column
    return line
