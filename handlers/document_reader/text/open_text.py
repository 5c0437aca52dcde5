"""Reads OpenDocument texts (ODT)."""

import io
import zipfile
from xml.etree.ElementTree import XMLParser  # the archive's check refuses entities

from document_reader.office.archives import require_safe_archive
from document_reader.task import Budget, Emit, Task, UnreadableError

_PARAGRAPHS = {"p", "h"}
# What LibreOffice does not show in the text: deleted text, descriptions, the author and date of a comment, forms' code.
_HIDDEN = {"tracked-changes", "desc", "title", "creator", "date", "forms", "binary-data", "hidden-text", "scripts"}
_MANIFEST = "META-INF/manifest.xml"
_MOST_SPACES = 100
_CHUNK_BYTES = 1 << 16


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text as one page, because the file does not store its page layout.

    Each header comes once, before the text, and each footer once, after it. A table gives one line for each row, with
    tabs between the cells. Notes, comments and text boxes follow their paragraph.
    """
    require_safe_archive(content)
    budget = Budget(task.limits)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if _MANIFEST in archive.namelist() and b"encryption-data" in archive.read(_MANIFEST):
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
        styles = _parsed(archive, "styles.xml", budget)
        body = _parsed(archive, "content.xml", budget)
    lines = [*styles.headers, *body.lines, *styles.footers]
    emit(page=1, text="\n".join(lines).strip("\n"), source="text")


class _Text:
    """Collects the lines of a part, while an XML parser reads it. Memory grows with the text, not with the nesting."""

    def __init__(self, budget: Budget) -> None:
        self.lines: list[str] = []
        self.headers: list[str] = []
        self.footers: list[str] = []
        self._budget = budget
        self._paragraphs: list[list[str]] = []  # a note or a text box has paragraphs within a paragraph
        self._later: list[str] = []
        self._rows: list[list[list[str]]] = []  # by table, the cells of its row, and the lines of each cell
        self._edge: list[str] | None = None
        self._hidden = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        if self._hidden or name in _HIDDEN:
            self._hidden += 1
        elif name in _PARAGRAPHS:
            self._paragraphs.append([])
        elif name == "s":
            count = next((value for key, value in attributes.items() if _local(key) == "c"), "1")
            self._add(" " * min(_MOST_SPACES, int(count) if count.isdigit() else 1))
        elif name in {"tab", "line-break"}:
            self._add("\t" if name == "tab" and not self._rows else " " if name == "tab" else "\n")
        elif name == "table-row":
            self._rows.append([])
        elif name in {"table-cell", "covered-table-cell"} and self._rows:
            self._rows[-1].append([])
        elif name.startswith(("header", "footer")) and "style" in tag:
            self._edge = self.headers if name.startswith("header") else self.footers

    def data(self, text: str) -> None:
        if not self._hidden and self._paragraphs:
            self._add(text)

    def end(self, tag: str) -> None:
        name = _local(tag)
        if self._hidden:
            self._hidden -= 1
        elif name in _PARAGRAPHS and self._paragraphs:
            line = "".join(self._paragraphs.pop())
            if self._paragraphs:
                self._later.append(line)
            else:
                self._line(line)
                for each in self._later:
                    self._line(each)
                self._later.clear()
        elif name == "table-row" and self._rows:
            cells = [" ".join(line.strip() for line in cell if line.strip()) for cell in self._rows.pop()]
            self._line("\t".join(cells).rstrip("\t"))
        elif name.startswith(("header", "footer")) and "style" in tag:
            self._edge = None

    def close(self) -> None:
        """Nothing is left to do at the end of the part."""

    def _add(self, text: str) -> None:
        if self._paragraphs:
            self._budget.spend(len(text))
            self._paragraphs[-1].append(text)

    def _line(self, line: str) -> None:
        self._budget.spend(1)
        if self._rows and self._rows[-1]:
            self._rows[-1][-1].append(line)
        elif self._edge is not None:
            if line and line not in self._edge:  # first pages and left pages often repeat a header
                self._edge.append(line)
        else:
            self.lines.append(line)


def _parsed(archive: zipfile.ZipFile, part: str, budget: Budget) -> _Text:
    text = _Text(budget)
    if part not in archive.namelist():
        if part == "content.xml":
            raise UnreadableError("document_corrupt", "has no content.xml")
        return text
    parser = XMLParser(target=text)  # noqa: S314 - `require_safe_archive` has refused entities
    with archive.open(part) as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            parser.feed(chunk)
    parser.close()
    return text


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
