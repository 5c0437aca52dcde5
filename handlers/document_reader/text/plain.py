"""Reads plain text in its usual encodings."""

from document_reader.encodings import decode
from document_reader.task import Budget, Emit, Task, require_pages


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the pages of a text; form feeds separate them. All line ends become newlines."""
    decoded = decode(content)
    pages = with_newlines(decoded.text).split("\f")
    require_pages(len(pages), task.limits)
    budget = Budget(task.limits)
    for number, text in enumerate(pages, 1):
        budget.spend(len(text))
        emit(page=number, text=text, source="text", confidence=decoded.confidence_of(text))


def with_newlines(text: str) -> str:
    """Return the text with newlines as line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
