"""Reads web pages (HTML): the text that a browser shows."""

import re
from html.parser import HTMLParser

from document_reader.encodings import decode
from document_reader.task import Budget, Emit, Task

# Elements that a browser does not show.
_HIDDEN = {
    *("applet", "audio", "canvas", "datalist", "head", "iframe", "map", "math-annotation", "noembed", "noframes"),
    *("noscript", "object", "script", "style", "svg", "template", "title", "video"),
}
_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"),
}
# Elements that begin a new line.
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog"),
    *("dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre"),
    *("search", "section", "summary", "table", "tbody", "textarea", "tfoot", "thead", "ul"),
}
# Their end tags may be missing: a next one of the same kind ends them.
_OPTIONAL_END = {"dd", "dt", "li", "option", "p"}
_BUTTONS_AND_FIELDS = {"button", "email", "number", "reset", "search", "submit", "tel", "text", "url", ""}
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION_BYTES = 4096


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the visible text as one page. A table gives one line for each row, with tabs between the cells."""
    emit(working=1)
    decoded = decode(content, declared_encoding(content))
    text = visible_text(decoded.text)
    Budget(task.limits).spend(len(text))
    emit(page=1, text=text, source="text", confidence=decoded.confidence_of(text))


def declared_encoding(content: bytes) -> str | None:
    """Return the encoding that a page names at its beginning, None if it names none."""
    beginning = content[:_DECLARATION_BYTES]
    declared = _XML_ENCODING.match(beginning) or _CHARSET.search(beginning)
    return declared[1].decode("ascii") if declared else None


def visible_text(source: str) -> str:
    """Return the text that a browser shows for an HTML page, without its styles sheets."""
    page = _Page()
    page.feed(source)
    page.close()
    return page.text()


class _Cells:
    """The open row of a table: the texts of its cells. `nests` tells whether a cell has a table of its own."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.open = False
        self.nests = False


class _Page(HTMLParser):
    """Collects the visible text. Nothing is kept for each level of nesting except the pieces of text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._texts: list[list[str]] = [[]]  # of the page, and of each open cell
        self._tables: list[_Cells] = []
        self._hidden_by = ""
        self._hidden_levels = 0
        self._preformatted = 0

    def text(self) -> str:
        """Return the text, with at most one empty line in a row."""
        while self._tables:
            self._end_table()
        lines = [line.strip(" ") for line in "".join(self._texts[0]).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._is_hidden(tag):
            return
        values = {name: value or "" for name, value in attrs}
        hides = tag in _HIDDEN or "hidden" in values or _INVISIBLE.search(values.get("style", "")) is not None
        if hides and tag not in _VOID:
            self._hidden_by, self._hidden_levels = tag, 1
        elif hides:
            return
        elif tag in {"table", "tr", "td", "th"}:
            self._begin(tag)
        elif tag in _BLOCKS:
            self._break()
            self._preformatted += tag == "pre"
        elif tag == "input" and values.get("type", "").lower() in _BUTTONS_AND_FIELDS:
            self._write(f" {values.get('value', '')} ")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden_levels:
            self._hidden_levels -= tag == self._hidden_by
        elif tag in {"td", "th"} and self._tables:
            self._end_cell()
        elif tag == "tr" and self._tables:
            self._end_row()
        elif tag == "table" and self._tables:
            self._end_table()
        elif tag in _BLOCKS:
            self._break()
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if not self._hidden_levels:
            self._write(data if self._preformatted else re.sub(r"[ \t\n\r\f]+", " ", data))

    def _is_hidden(self, tag: str) -> bool:
        """Tell whether a start tag is within a hidden element."""
        if not self._hidden_levels:
            return False
        if tag != self._hidden_by:
            return True
        if tag in _OPTIONAL_END:
            self._hidden_levels = 0
            return False
        self._hidden_levels += 1
        return True

    def _begin(self, tag: str) -> None:
        if tag == "table":
            if self._tables:
                self._tables[-1].nests = True
            self._break()
            self._tables.append(_Cells())
        elif self._tables:
            self._end_row() if tag == "tr" else self._end_cell()
            if tag != "tr":
                self._tables[-1].open = True
                self._texts.append([])
        else:  # a row or a cell outside of a table
            self._break()

    def _end_cell(self) -> None:
        table = self._tables[-1]
        if table.open:
            table.open = False
            table.cells.append("".join(self._texts.pop()))

    def _end_row(self) -> None:
        self._end_cell()
        table = self._tables[-1]
        if not table.cells:
            return
        if table.nests:  # a table for the layout of the page
            row = "\n".join(cell.strip() for cell in table.cells if cell.strip())
        else:
            row = "\t".join(" ".join(cell.split()) for cell in table.cells).rstrip("\t")
        self._break()
        self._texts[-1].append(row)
        self._break()
        table.cells.clear()
        table.nests = False

    def _end_table(self) -> None:
        self._end_row()
        self._tables.pop()
        self._break()

    def _break(self) -> None:
        text = self._texts[-1]
        if text and not text[-1].endswith("\n"):
            text.append("\n")

    def _write(self, piece: str) -> None:
        text = self._texts[-1]
        if piece == " " and (not text or text[-1].endswith((" ", "\n"))):
            return
        text.append(piece)
