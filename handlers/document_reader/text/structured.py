"""Reads JSON and XML as text. Nothing is parsed, so that neither nesting nor entities can do harm."""

import re
from collections.abc import Callable

from document_reader.encodings import decode
from document_reader.task import Budget, Emit, Task
from document_reader.text.plain import with_newlines

# Escaped letters in a row, or any other escape: so an escaped backslash before a `u` is not taken for a letter.
_JSON_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.DOTALL)
_XML_REFERENCES = re.compile(r"&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_XML_DECLARATION = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_MARKUP = frozenset("<>&\"'")


def read_json(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the JSON as one page, with escaped letters as letters."""
    _emit(content, None, task, emit, _without_json_escapes)


def read_xml(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the XML as one page, in the encoding that it declares, with numbered characters as characters."""
    declared = _XML_DECLARATION.match(content)
    _emit(content, declared[1].decode("ascii") if declared else None, task, emit, _without_xml_references)


def _emit(content: bytes, declared: str | None, task: Task, emit: Emit, simplify: Callable[[str], str]) -> None:
    decoded = decode(content, declared)
    text = simplify(with_newlines(decoded.text))
    Budget(task.limits).spend(len(text))
    emit(page=1, text=text, source="text", confidence=decoded.confidence_of(text))


def _without_json_escapes(text: str) -> str:
    return _JSON_ESCAPES.sub(_json_characters, text)


def _json_characters(escape: re.Match[str]) -> str:
    """Return the letters of escapes in a row: a letter beyond the first plane takes two."""
    if not escape[0].startswith("\\u"):
        return escape[0]
    units = bytes.fromhex(escape[0].replace("\\u", ""))
    letters = units.decode("utf-16-be", "replace")
    # An escaped quote or line end stays escaped, so that the text remains JSON.
    return letters if letters.isprintable() and not _MARKUP & set(letters) and "\\" not in letters else escape[0]


def _without_xml_references(text: str) -> str:
    return _XML_REFERENCES.sub(_xml_character, text)


def _xml_character(reference: re.Match[str]) -> str:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    letter = chr(code) if code <= 0x10FFFF else ""  # noqa: PLR2004 - the last code point
    return letter if letter.isprintable() and letter not in _MARKUP else reference[0]
