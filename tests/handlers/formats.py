"""Builds presentations, OpenDocument texts, e-mails and HEIC photographs for tests."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

import pptx
from pptx.util import Inches

_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_NAMESPACES = "".join(
    f' xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "style", "table", "text", "drawing", "script")
)
ODT = "application/vnd.oasis.opendocument.text"


def presentation(*slides: str, notes: str = "", table: Sequence[Sequence[str]] = (), grouped: str = "") -> bytes:
    """Return a PPTX with one text on each slide; notes, a table and a group of shapes on the first one."""
    made = pptx.Presentation()
    for text in slides:
        slide = made.slides.add_slide(made.slide_layouts[6])
        slide.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = text
    first = made.slides[0]
    if table:
        shape = first.shapes.add_table(len(table), len(table[0]), 0, Inches(1), Inches(4), Inches(1))
        for row, texts in zip(shape.table.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    if grouped:
        group = first.shapes.add_group_shape().shapes.add_group_shape()
        group.shapes.add_textbox(0, 0, Inches(4), Inches(1)).text_frame.text = grouped
    if notes:
        assert first.notes_slide.notes_text_frame is not None
        first.notes_slide.notes_text_frame.text = notes
    written = io.BytesIO()
    made.save(written)
    return written.getvalue()


def open_text(body: str, *, styles: str = "", media_type: str = ODT, parts: Mapping[str, bytes] | None = None) -> bytes:
    """Return an ODT with this XML in its body, and in the master page of its styles."""
    content = f"<office:document-content{_NAMESPACES}><office:body><office:text>{body}</office:text></office:body>"
    styles = f"<office:document-styles{_NAMESPACES}><style:master-page>{styles}</style:master-page>"
    files = {
        "mimetype": media_type.encode(),
        "content.xml": f"{content}</office:document-content>".encode(),
        "styles.xml": f"{styles}</office:document-styles>".encode(),
        **(parts or {}),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in files.items():
            archive.writestr(name, part)
    return written.getvalue()


def mail(text: str, attachments: Mapping[str, bytes | EmailMessage] | None = None, *, html: str = "") -> EmailMessage:
    """Return an e-mail with attachments by their name. An attached e-mail is a forwarded one."""
    message = EmailMessage()
    message["From"] = "Ada <ada@example.com>"
    message["To"] = "bob@example.com"
    message["Subject"] = "Grüße"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, content in (attachments or {}).items():
        if isinstance(content, EmailMessage):
            message.add_attachment(content)
        else:
            message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message
