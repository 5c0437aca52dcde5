"""Builds Word and Excel files from raw XML, with the parts that no library writes."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from document_reader.excel import sheets
from document_reader.task import Limits, Task
from document_reader.word import document as word

OPEN = "http://schemas.openxmlformats.org"
STRICT = "http://purl.oclc.org/ooxml"
_NAMESPACES = (
    f'xmlns:w="{OPEN}/wordprocessingml/2006/main" xmlns:r="{OPEN}/officeDocument/2006/relationships" '
    f'xmlns:m="{OPEN}/officeDocument/2006/math" xmlns:mc="{OPEN}/markup-compatibility/2006" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    f'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:a="{OPEN}/drawingml/2006/main" '
    f'xmlns:c="{OPEN}/drawingml/2006/chart" xmlns:dgm="{OPEN}/drawingml/2006/diagram" xmlns:later="http://example.com/"'
)
_WORD_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_EXCEL_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_LIMITS = Limits(pages=2_000, pixels=1, characters=5_000_000)


def package(
    parts: Mapping[str, str | bytes], main: str, content_type: str, relationships: Mapping[str, str] | None = None
) -> bytes:
    """Return an Office file. `relationships` has the target of each part that belongs to the main part, by its kind."""
    folder, _, name = main.rpartition("/")
    links = "".join(
        f'<Relationship Id="{kind}" Type="{OPEN}/officeDocument/2006/relationships/{kind.rstrip("123")}" '
        f'Target="{target}"/>'
        for kind, target in (relationships or {}).items()
    )
    lists = {
        "[Content_Types].xml": f'<Types xmlns="{OPEN}/package/2006/content-types">'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{content_type}"/></Types>',
        "_rels/.rels": _relationships(
            f'<Relationship Id="a" Type="{OPEN}/officeDocument/2006/relationships/officeDocument" Target="{main}"/>'
        ),
        f"{folder}/_rels/{name}.rels": _relationships(links),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in {**lists, **parts}.items():
            archive.writestr(part, content)
    return written.getvalue()


def word_file(
    body: str,
    *,
    main: str = "word/document.xml",
    content_type: str = _WORD_MAIN,
    parts: Mapping[str, str | bytes] | None = None,
    relationships: Mapping[str, str] | None = None,
    others: Mapping[str, str] | None = None,
) -> bytes:
    """Return a Word file with this body. `others` are the contents of parts such as `styles` or `header`."""
    roots = {"numbering": "numbering", "styles": "styles", "settings": "settings", "footnotes": "footnotes",
             "endnotes": "endnotes", "comments": "comments"}  # fmt: skip
    made = {main: element("document", f"<w:body>{body}</w:body>")}
    links = dict(relationships or {})
    for name, content in (others or {}).items():
        root = roots.get(name, "hdr" if name.startswith("header") else "ftr")
        made[f"word/{name}.xml"] = element(root, content)
        links[name] = f"{name}.xml"
    return package({**made, **(parts or {})}, main, content_type, links)


def element(name: str, content: str) -> str:
    """Return a root element of WordprocessingML."""
    return f"<w:{name} {_NAMESPACES}>{content}</w:{name}>"


def paragraph(content: str, properties: str = "") -> str:
    """Return a paragraph. Text without markup becomes a run."""
    inner = content if "<" in content else run(content)
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{inner}</w:p>"


def run(text: str, properties: str = "") -> str:
    """Return a run of text."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def table(*rows: str) -> str:
    """Return a table of these rows."""
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(rows)}</w:tbl>"


def row(*cells: str, properties: str = "") -> str:
    """Return a row. Cells without markup become paragraphs."""
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(cell(each) for each in cells)}</w:tr>"


def cell(content: str, properties: str = "") -> str:
    """Return a cell, or the content itself if it is one."""
    if content.startswith(("<w:tc>", "<w:sdt>")):
        return content
    inner = content if content.startswith("<w:") else paragraph(content)
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"


def workbook_file(
    rows: str,
    *,
    styles: str = "",
    texts: str = "",
    properties: str = "",
    parts: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """Return a workbook with one sheet of these rows. `styles` and `texts` are the contents of their parts."""
    space = f'xmlns="{OPEN}/spreadsheetml/2006/main" xmlns:r="{OPEN}/officeDocument/2006/relationships"'
    sheet = '<sheets><sheet name="Sheet" sheetId="1" r:id="worksheet"/></sheets>'
    made = {
        "xl/workbook.xml": f"<workbook {space}><workbookPr {properties}/>{sheet}</workbook>",
        "xl/worksheets/sheet1.xml": f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>",
        "xl/styles.xml": f"<styleSheet {space}>{styles}</styleSheet>",
        "xl/sharedStrings.xml": f"<sst {space}>{texts}</sst>",
    }
    links = {"worksheet": "worksheets/sheet1.xml", "styles": "styles.xml", "sharedStrings": "sharedStrings.xml"}
    return package({**made, **(parts or {})}, "xl/workbook.xml", _EXCEL_MAIN, links)


def word_text(content: bytes) -> str:
    """Return the text of a Word file, read in this process."""
    [page] = _pages(word, content, "a.docx")
    return page


def sheet_text(content: bytes) -> str:
    """Return the text of the first sheet of a workbook without its name, read in this process."""
    return _pages(sheets, content, "a.xlsx")[0].partition("\n")[2]


def sheet_texts(content: bytes) -> list[str]:
    """Return the text of each sheet of a workbook, read in this process."""
    return _pages(sheets, content, "a.xlsx")


def _pages(reader: Any, content: bytes, name: str) -> list[str]:
    pages: list[str] = []

    def emit(**line: Any) -> None:
        if "text" in line:
            pages.append(line["text"])

    reader.read(content, Task("read", name, _LIMITS), emit)
    return pages


def _relationships(links: str) -> str:
    return f'<Relationships xmlns="{OPEN}/package/2006/relationships">{links}</Relationships>'
