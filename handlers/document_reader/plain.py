"""Plain text, in the encodings that it comes in."""

from document_reader.task import Budget, Emit, Task, UnreadableError, require_pages

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Give the pages of a text, which form feeds divide. Lines end in newlines, whatever they ended in."""
    pages = decoded(content).replace("\r\n", "\n").replace("\r", "\n").split("\f")
    require_pages(len(pages), task.limits)
    budget = Budget(task.limits)
    for number, text in enumerate(pages, 1):
        budget.spend(len(text))
        emit(page=number, text=text, source="text")


def decoded(content: bytes) -> str:
    """Return the text: UTF-16 where it is marked as such, else UTF-8, else what Windows wrote before it.

    Raises UnreadableError (`document_corrupt`) where it is marked as Unicode and is none.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableError("document_corrupt", f"is marked as {encoding}, and is not: {error}") from error
    for encoding in ("utf-8", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")  # which takes every byte
