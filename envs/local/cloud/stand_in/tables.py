"""Tables in a document's text, whose columns `|` divides: the rows of a list whose fields are its columns."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cloud.stand_in.matching import Wanted
from cloud.stand_in.reading import stems

_BAR = re.compile(r"\s*\|\s*")
_FEWEST_COLUMNS = 3
_RULE = re.compile(r"[-=\s|:]*")


def rows_about(text: str, fields: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of the tables in which at least half of the fields, and three, are columns, by field.

    A field whose column is not there is not in the row, nor one whose cell is empty.
    """
    names = list(fields)
    found = []
    for header, rows in _tables(text.splitlines()):
        columns = _columns(header, names)
        if len(columns) >= max(_FEWEST_COLUMNS, len(names) / 2):
            found += [{name: row[at] for name, at in columns.items() if row[at]} for row in rows]
    return found


def _tables(lines: Iterable[str]) -> Iterator[tuple[Sequence[str], list[Sequence[str]]]]:
    """Yield each header with the rows below it: lines of as many cells, one after the other."""
    header: Sequence[str] = ()
    rows: list[Sequence[str]] = []
    for line in [*lines, ""]:
        bare = line.strip()
        cells = _BAR.split(bare[1:-1].strip() if bare.startswith("|") and bare.endswith("|") else bare)
        if len(cells) >= _FEWEST_COLUMNS and _RULE.fullmatch(line):
            continue
        if header and len(cells) == len(header):
            rows.append(cells)
            continue
        if header:
            yield header, rows
        header, rows = (cells, []) if len(cells) >= _FEWEST_COLUMNS else ((), [])


def _columns(header: Sequence[str], names: Sequence[str]) -> Mapping[str, int]:
    """Return which column is about which field: all words of one are words of the other."""
    found: dict[str, int] = {}
    for name in names:
        wanted = Wanted(name).words
        for at, title in enumerate(header):
            said = stems(title)
            if at not in found.values() and said and (wanted <= said or said <= wanted):
                found[name] = at
                break
    return found
