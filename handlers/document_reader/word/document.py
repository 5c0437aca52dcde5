"""Reads Word documents (DOCX, DOCM, DOTX, DOTM)."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from document_reader.office.archives import require_safe_archive
from document_reader.office.names import R, W, switch
from document_reader.office.opc import DAMAGED, Package, Tree
from document_reader.task import Budget, Emit, Task, UnreadableError
from document_reader.word.chunks import chunk_lines
from document_reader.word.notes import Notes, by_id
from document_reader.word.numbers import Numbering
from document_reader.word.styles import Styles
from document_reader.word.text import Shared, Story

# Word files within each other, as chunks.
_MAX_DEPTH = 3


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text as one page, because a DOCX file does not store its page layout.

    First come the headers, then the body, the footnotes, the endnotes and the footers, each once. In the body,
    paragraphs and tables come in their order, with one line per table row and tabs between the cells. Text boxes and
    comments follow their paragraph.
    """
    require_safe_archive(content)
    package = Package.of(content)
    main = package.main()
    if main is None:
        raise UnreadableError("document_corrupt", "has no main part")
    try:
        document = _Document(package, main, Budget(task.limits))
        emit(working=1)  # reading the XML and reading its text are two long steps
        lines = document.lines()
    except RecursionError as error:
        raise UnreadableError("document_too_complex", "has too many elements within each other") from error
    emit(page=1, text="\n".join(lines).strip("\n"), source="text")


class _Document:
    def __init__(self, package: Package, main: str, budget: Budget, depth: int = 0) -> None:
        self._budget = budget
        self._depth = depth
        self._package = package
        self._main = main
        self._tree = package.tree(main)
        self._settings = self._optional("settings")
        self._sections = list(_sections(self._tree.root))
        properties = [*([self._settings.root] if self._settings else []), *self._sections]
        styles = Styles(self._optional("styles"))
        comments = package.related(main, "comments")
        self._shared = Shared(
            package=package,
            styles=styles,
            numbering=Numbering(self._optional("numbering"), styles),
            footnotes=Notes.of(package, main, "footnote", properties),
            endnotes=Notes.of(package, main, "endnote", properties),
            comments=by_id(package.optional_tree(comments), "comment"),
            comments_part=comments,
            chunk=self._chunk,
            budget=budget,
        )

    def lines(self) -> list[str]:
        headers = self._edges("header")
        body = Story(self._shared, self._main, self._tree).lines(self._tree.root)
        notes = [*self._notes(self._shared.footnotes), *self._notes(self._shared.endnotes)]
        return [*headers, *body, *notes, *self._edges("footer")]

    def _edges(self, which: str) -> list[str]:
        """Return the headers or footers that Word shows, each once.

        A section without its own has that of the section before. The first page has one of its own only in a section
        that says so, and even pages only in a document that says so.
        """
        even = bool(self._settings and switch(self._settings.root, "evenAndOddHeaders"))
        links = self._package.relationships(self._main)
        current: dict[str, str] = {}
        parts: dict[str, None] = {}
        for section in self._sections:
            for reference in section.findall(f"{W}{which}Reference"):
                kind = reference.get(f"{W}type", "default")
                if link := links.get(reference.get(f"{R}id", "")):
                    current[kind if kind in {"first", "even"} else "default"] = link.target
            shown = [*(["first"] if switch(section, "titlePg") else []), "default", *(["even"] if even else [])]
            parts |= dict.fromkeys(current[kind] for kind in shown if kind in current)
        lines: list[str] = []
        for part in parts:
            tree = self._package.optional_tree(part)
            if tree:
                lines += Story(self._shared, part, tree).lines(tree.root)
        return lines

    def _notes(self, notes: Notes) -> list[str]:
        lines: list[str] = []
        for mark, note in notes.texts():
            if notes.part and notes.tree:
                first, *rest = Story(self._shared, notes.part, Tree(note, notes.tree.prefixes)).lines(note) or [""]
                lines += [f"{mark} {first.strip()}".strip(), *rest]
        return lines

    def _chunk(self, part: str) -> list[str]:
        """Return the lines of a file within this one: another Word file, or a web page. A damaged one has none."""
        try:
            content = self._package.content(part)
            if not content.startswith(b"PK"):
                return chunk_lines(content)
            require_safe_archive(content)
            package = Package.of(content)
            main = package.main() if package.program() == "word" else None
            if main is None or self._depth >= _MAX_DEPTH:
                return []
            return _Document(package, main, self._budget, self._depth + 1).lines()
        except DAMAGED:
            return []

    def _optional(self, kind: str) -> Tree | None:
        return self._package.optional_tree(self._package.related(self._main, kind))


def _sections(root: Element) -> Iterator[Element]:
    """Yield the properties of the sections, in their order. Those before a tracked change do not count."""
    for properties in root.iter(f"{W}pPr"):
        section = properties.find(f"{W}sectPr")
        if section is not None:
            yield section
    for body in root.iter(f"{W}body"):
        last = body.find(f"{W}sectPr")
        if last is not None:
            yield last
