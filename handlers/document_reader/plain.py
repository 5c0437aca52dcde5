"""Reads plain text in its usual encodings."""

from document_reader.task import Budget, Emit, Task, UnreadableError, require_pages

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the pages of a text; form feeds separate them. All line ends become newlines."""
    pages = decoded(content).replace("\r\n", "\n").replace("\r", "\n").split("\f")
    require_pages(len(pages), task.limits)
    budget = Budget(task.limits)
    for number, text in enumerate(pages, 1):
        budget.spend(len(text))
        emit(page=number, text=text, source="text")


def decoded(content: bytes) -> str:
    """Return the text: in the encoding of its byte order mark, else as UTF-8, else as Windows-1252 or Latin-1.

    Raises `UnreadableError` (`document_corrupt`) if the bytes do not fit the byte order mark.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableError("document_corrupt", f"is marked as {encoding}, but is not: {error}") from error
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")  # Latin-1 can decode every byte
