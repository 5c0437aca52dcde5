"""Reads tables in text files (CSV and TSV)."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from document_reader.encodings import decode
from document_reader.task import Budget, Emit, Task
from document_reader.text.plain import with_newlines

# The most likely delimiter last: with equal evidence, a rarer one is there on purpose.
_DELIMITERS = ("\t", "|", ";", ",")
_SAMPLE_ROWS = 100
_SAMPLE_CHARACTERS = 200_000
# Excel's own way to name the delimiter, in the first line.
_NAMED = "sep="
_ROWS_PER_PROGRESS = 10_000


def read(content: bytes, task: Task, emit: Emit) -> None:
    """Emit the table as one page: one line for each row that is not empty, with tabs between the cells.

    The delimiter is detected. Within quotes, delimiters and line ends belong to the cell; line ends become spaces.
    """
    decoded = decode(content)
    text = with_newlines(decoded.text.replace("\0", ""))
    first, _, rest = text.partition("\n")
    if first.lower().startswith(_NAMED) and len(first) == len(_NAMED) + 1:
        delimiter, text = first[-1], rest
    else:
        delimiter = "\t" if task.name.lower().endswith(".tsv") else _delimiter(text)
    budget = Budget(task.limits)
    csv.field_size_limit(task.limits.characters)
    lines = []
    for number, row in enumerate(_rows(text, delimiter), 1):
        if number % _ROWS_PER_PROGRESS == 0:
            emit(working=1)
        line = "\t".join(" ".join(cell.split()) for cell in row).rstrip("\t")
        if line:
            budget.spend(len(line) + 1)
            lines.append(line)
    page = "\n".join(lines)
    emit(page=1, text=page, source="text", confidence=decoded.confidence_of(page))


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _delimiter(text: str) -> str:
    """Return the delimiter that divides most rows into the same number of cells, at least two."""
    best, most = ",", 0.0
    for delimiter in _DELIMITERS:
        sample = io.StringIO(text[:_SAMPLE_CHARACTERS], newline="")
        try:
            rows = [row for row in islice(csv.reader(sample, delimiter=delimiter), _SAMPLE_ROWS) if row]
        except csv.Error:
            continue
        widths = Counter(len(row) for row in rows if len(row) > 1)
        agreed = widths.most_common(1)[0][1] / len(rows) if widths else 0.0
        if agreed > most:
            best, most = delimiter, agreed
    return best
