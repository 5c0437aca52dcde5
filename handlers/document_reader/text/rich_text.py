"""Reads rich text (RTF)."""

import codecs
import re

from document_reader.task import Budget, Emit, Task, UnreadableError, extra
from document_reader.text.plain import with_newlines

# Groups nest a few levels in real files.
_MAX_DEPTH = 1_000
_GROUPS = re.compile(rb"\\.|[{}]", re.DOTALL)
_CODE_PAGE = re.compile(rb"\\ansicpg(\d{1,5})")
# striprtf leaves out what is not in the body, and puts a bar between cells. What Word shows becomes part of the body,
# deleted text becomes a group that readers skip, and cells end with tabs.
_CHANGES = (
    (re.compile(r"\\\*\s*\\(?:shpinst|annotation)(?![a-z])"), ""),
    (re.compile(r"\\(?:(?:header|footer)[lrf]?|footnote|annotation|shptxt)(?![a-z])"), r"\\par"),
    (re.compile(r"\\deleted(?![a-z0-9])"), r"\\*"),
    (re.compile(r"\\(?:nest)?cell(?![a-z])"), r"\\tab"),
)


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the text as one page. A table gives one line for each row, with tabs between the cells."""
    with extra("rtf"):
        from striprtf.striprtf import rtf_to_text  # noqa: PLC0415 - needed only for RTF
    _require_shallow(content)
    emit(working=1)
    source = content.decode(_encoding(content), "replace")
    for pattern, replacement in _CHANGES:
        source = pattern.sub(replacement, source)
    # A character beyond the first plane is written as two surrogates.
    read_text: str = rtf_to_text(source, errors="replace")  # type: ignore[no-untyped-call]  # striprtf has no hints
    text = read_text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = [line.rstrip() for line in with_newlines(text).split("\n")]
    text = "\n".join(lines).strip("\n")
    Budget(task.limits).spend(len(text))
    emit(page=1, text=text, source="text")


def _encoding(content: bytes) -> str:
    """Return the file's code page. RTF is ASCII, but some programs write other characters as they are."""
    declared = _CODE_PAGE.search(content)
    try:
        return codecs.lookup(f"cp{int(declared[1])}").name if declared else "cp1252"
    except LookupError:
        return "cp1252"


def _require_shallow(content: bytes) -> None:
    depth = 0
    for found in _GROUPS.finditer(content):
        depth += {b"{": 1, b"}": -1}.get(found[0], 0)
        if depth > _MAX_DEPTH:
            raise UnreadableError("document_too_complex", f"has groups in more than {_MAX_DEPTH} levels")
