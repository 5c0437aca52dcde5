"""Reads the annotations of a PDF page: values of form fields, FreeText, stamps and comments."""

import ctypes
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pypdfium2 import raw

from document_reader.geometry import Box, View
from document_reader.pdf.lines import Line, text_of
from document_reader.pdf.text_layer import TextLayer
from document_reader.task import UnreadableError

_HIDDEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW
# ISO 32000-1, table 228: what is typed into such a field is not shown.
_PASSWORD_FLAG = 1 << 13
_MAX_ANNOTATIONS = 10_000
# A link has no text of its own, and a popup repeats its parent.
_SILENT = {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP}
# These show media. Their contents describe them, and only their appearance is on the page.
_MEDIA = {
    raw.FPDF_ANNOT_SOUND, raw.FPDF_ANNOT_MOVIE, raw.FPDF_ANNOT_SCREEN, raw.FPDF_ANNOT_PRINTERMARK,
    raw.FPDF_ANNOT_TRAPNET, raw.FPDF_ANNOT_THREED, raw.FPDF_ANNOT_RICHMEDIA,
}  # fmt: skip
# The text of these is at their place on the page. The text of the others is in a comment beside the page.
_IN_PLACE = {
    raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_STAMP, raw.FPDF_ANNOT_WATERMARK,
    raw.FPDF_ANNOT_REDACT,
}  # fmt: skip
_BOXES = {raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON}
_CHECKED, _UNCHECKED = "[x]", "[ ]"
_CHOICES = {raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX}


@dataclass
class Note:
    """The text of an annotation, and its place.

    `drawn`: the text is on the page, not in a comment beside it. `is_box`: a check box or a radio button. Its label may
    follow it.
    """

    text: str
    box: Box
    drawn: bool
    has_appearance: bool
    is_box: bool = False


def refuse_xfa(document: Any) -> None:
    """Raise `UnreadableError` (`document_xfa`) for a form that only Adobe's XFA programs can show.

    Its pages say "Please wait". A form with XFA and with ordinary fields is read from these fields.
    """
    kind = document.get_formtype()
    if kind == raw.FORMTYPE_XFA_FULL or (kind == raw.FORMTYPE_XFA_FOREGROUND and not _has_fields(document)):
        message = "is an XFA form, which PDF programs of other vendors cannot show: print it to a PDF, and upload that"
        raise UnreadableError("document_xfa", message)


def notes_on(document: Any, page: Any, view: View) -> list[Note]:
    """Return the annotations of a page that are shown and have text, or may have it in their appearance."""
    notes = []
    for annotation in _annotations(page):
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        if kind in _SILENT or raw.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
            continue
        area = raw.FS_RECTF()
        raw.FPDFAnnot_GetRect(annotation, area)
        if kind == raw.FPDF_ANNOT_WIDGET:
            if not document.formenv or _is_password(document.formenv, annotation):
                continue
            text = _value(document.formenv, annotation)
        elif kind in _MEDIA:
            text = ""
        else:
            text = _string(lambda *room, of=annotation: raw.FPDFAnnot_GetStringValue(of, b"Contents", *room))
        appearance = _string(lambda *room, of=annotation: raw.FPDFAnnot_GetAP(of, 0, *room))
        box = view.box(area.left, area.bottom, area.right, area.top)
        is_box = kind == raw.FPDF_ANNOT_WIDGET and text in {_CHECKED, _UNCHECKED}
        notes.append(Note(_tidy(text), box, kind in _IN_PLACE | _MEDIA, bool(appearance), is_box))
    return notes


def add_appearances(notes: list[Note], before: TextLayer, after: TextLayer) -> None:
    """Add to the notes the text of their appearances: what `after` (drawn into the page) has more than `before`."""
    known = Counter(_key(each) for line in before.lines for each in line.characters)
    candidates = [note for note in notes if note.has_appearance and note.drawn]
    found: dict[int, list[Line]] = {}
    for line in after.lines:
        pieces: dict[int, Line] = {}
        for each in line.characters:
            if known[_key(each)] > 0:
                known[_key(each)] -= 1
            elif (at := _at(each.box.middle, candidates)) is not None:
                pieces.setdefault(at, Line()).characters.append(each)
        for at, piece in pieces.items():
            found.setdefault(at, []).append(piece)
    for at, lines in found.items():
        note, text = candidates[at], text_of(lines)
        if not _says(note.text, text):
            note.text = f"{note.text}\n{text}".strip()


def _at(point: tuple[float, float], notes: list[Note]) -> int | None:
    return next((number for number, note in enumerate(notes) if note.box.contains(*point)), None)


def place(notes: list[Note], layer: TextLayer) -> list[Line]:
    """Return the lines of the page with the notes at their places, and the comments at the end."""
    lines = list(layer.lines)
    whole = layer.text
    for note in sorted(notes, key=lambda note: (note.box.top, note.box.left)):
        if not note.text:
            continue
        if note.drawn:
            _insert(lines, note)
        elif not _says(whole, note.text):  # many programs copy the marked words into the comment
            lines.append(Line(_line(note).characters))
    return lines


def _insert(lines: list[Line], note: Note) -> None:
    """Put a note beside its label on the same line, or on a line of its own below the line above it."""
    _, y = note.box.middle
    beside = [
        line
        for line in lines
        if line.box.top <= y <= line.box.bottom and (line.box.left < note.box.right or note.is_box)
    ]
    if beside and "\n" not in note.text:
        closest = min(beside, key=lambda line: max(0.0, note.box.left - line.box.right, line.box.left - note.box.right))
        closest.insert(note.text, note.box)
        return
    above = [number for number, line in enumerate(lines) if line.box.middle[1] < y]
    below = [number for number, line in enumerate(lines) if line.box.middle[1] >= y]
    at = max(above, key=lambda number: lines[number].box.bottom) + 1 if above else min(below, default=0)
    lines.insert(at, _line(note))


def _line(note: Note) -> Line:
    line = Line()
    line.insert(note.text, note.box)
    return line


def _key(character: Any) -> tuple[str, int, int]:
    return (character.text, round(character.box.left), round(character.box.top))


def _says(text: str, part: str) -> bool:
    """Tell whether `text` contains `part`, apart from spaces."""
    return re.sub(r"\s+", "", part) in re.sub(r"\s+", "", text)


def _tidy(text: str) -> str:
    return re.sub(r"\r\n?", "\n", text).strip()


def _has_fields(document: Any) -> bool:
    for page in document:
        try:
            if any(raw.FPDFAnnot_GetSubtype(each) == raw.FPDF_ANNOT_WIDGET for each in _annotations(page)):
                return True
        finally:
            page.close()
    return False


def _annotations(page: Any) -> Iterator[Any]:
    for number in range(min(raw.FPDFPage_GetAnnotCount(page), _MAX_ANNOTATIONS)):
        with _closing(raw.FPDFPage_GetAnnot(page, number)) as annotation:
            if annotation:
                yield annotation


@contextmanager
def _closing(annotation: Any) -> Iterator[Any]:
    try:
        yield annotation
    finally:
        if annotation:
            raw.FPDFPage_CloseAnnot(annotation)


def _is_password(form: Any, annotation: Any) -> bool:
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    flags = raw.FPDFAnnot_GetFormFieldFlags(form, annotation)
    return bool(kind == raw.FPDF_FORMFIELD_TEXTFIELD and flags & _PASSWORD_FLAG)


def _value(form: Any, annotation: Any) -> str:
    """Return what a field shows: its text, the labels of the chosen options, or whether a box is checked."""
    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _BOXES:
        return _CHECKED if raw.FPDFAnnot_IsChecked(form, annotation) else _UNCHECKED
    if kind in _CHOICES:
        count = min(raw.FPDFAnnot_GetOptionCount(form, annotation), _MAX_ANNOTATIONS)
        chosen = [number for number in range(count) if raw.FPDFAnnot_IsOptionSelected(form, annotation, number)]
        if labels := [
            _string(lambda *room, at=at: raw.FPDFAnnot_GetOptionLabel(form, annotation, at, *room)) for at in chosen
        ]:
            return ", ".join(labels)
    if kind in _CHOICES or kind == raw.FPDF_FORMFIELD_TEXTFIELD:
        return _string(lambda *room: raw.FPDFAnnot_GetFormFieldValue(form, annotation, *room))
    return ""


def _string(get: Callable[..., int]) -> str:
    """Return the UTF-16 string that a function of PDFium writes. Called without room, it returns the bytes it needs."""
    size = get(None, 0)
    if size <= 2:  # noqa: PLR2004 - only the terminating zero
        return ""
    room = (ctypes.c_ushort * (size // 2 + 1))()
    get(room, size)
    return bytes(room)[: size - 2].decode("utf-16-le", "replace")
