"""Makes PDFs of several pages from the text files in a folder of example documents.

    python tools/make_documents.py examples/rfp-analysis/documents

Every `*.txt` file becomes a `.pdf`. The first line is the title. `# ` begins a section, `- ` a list item, and a line
`---` a new page. The PDFs are committed. A test makes them again and compares.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fpdf import FPDF, XPos, YPos

_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
_LINE_MM = 5.5


@dataclass(frozen=True)
class _Style:
    """The style of a line: `size` in points, `indent`, `before` and `after` in millimetres."""

    size: int = 10
    weight: Literal["", "B"] = ""
    indent: int = 0
    before: int = 0
    after: int = 0


_TITLE = _Style(size=18, weight="B", after=6)
_HEADING = _Style(size=13, weight="B", before=3, after=1)
_ITEM = _Style(indent=5)
_PARAGRAPH = _Style(after=2)


class _Pages(FPDF):
    """A PDF with the title and the page number at the bottom of each page."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        self.title_text = title
        self.set_margins(22, 20, 22)
        self.set_auto_page_break(auto=True, margin=22)
        self.set_creation_date(_MADE_AT)
        self.set_title(title)

    def footer(self) -> None:
        """Write the page's footer."""
        self.set_y(-15)
        self.set_font("helvetica", size=8)
        self.cell(0, 8, f"{self.title_text} - page {self.page_no()}", align="C")


def make_pdf(text: str) -> bytes:
    """Return the PDF of a text. The module's docstring describes the notation."""
    title, _, body = text.strip().partition("\n")
    pages = _Pages(title)
    pages.add_page()
    _write(pages, title, _TITLE)
    for block in body.strip().split("\n"):
        line = block.strip()
        if line == "---":
            pages.add_page()
        elif line.startswith("# "):
            _write(pages, line[2:], _HEADING)
        elif line.startswith("- "):
            _write(pages, f"-  {line[2:]}", _ITEM)
        elif line:
            _write(pages, line, _PARAGRAPH)
    return bytes(pages.output())


def _write(pages: FPDF, text: str, style: _Style) -> None:
    pages.ln(style.before)
    pages.set_font("helvetica", style=style.weight, size=style.size)
    pages.set_x(pages.l_margin + style.indent)
    pages.multi_cell(0, _LINE_MM * max(1, style.size / 11), text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pages.ln(style.after)


def main(folder: Path) -> None:
    """Make all documents of a folder."""
    for source in sorted(folder.glob("*.txt")):
        target = source.with_suffix(".pdf")
        target.write_bytes(make_pdf(source.read_text(encoding="utf-8")))
        print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
