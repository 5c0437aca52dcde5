"""Puts vertical writing in order: columns from top to bottom, the first on the right."""

import re

from document_reader.geometry import Box
from document_reader.pdf.lines import Line

# Han, kana and Hangul syllables, which are also written from top to bottom.
_EAST_ASIAN = re.compile(
    "[\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffee\U00020000-\U0003ffff]"
)
# A page is vertical if such a part of its characters is in columns.
_MOST = 0.6
# Columns in tiers, as in a newspaper, may belong together in several ways. A person must look at such a page.
_ONE_TIER, _TIERS = 0.9, 0.7


def ordered(lines: list[Line]) -> tuple[list[Line], float]:
    """Return the lines in the order of reading, and how certain it is, 0 to 1.

    Files often draw the columns from left to right, or each character by itself.
    """
    joined = _joined(lines)
    inside = sum(len(line.characters) for line in joined if _is_column(line))
    if inside <= _MOST * sum(len(line.characters) for line in joined):
        return joined, 1.0
    tiers = _tiers(joined)
    in_order = [line for tier in tiers for line in sorted(tier, key=lambda line: -line.box.right)]
    return in_order, _ONE_TIER if len(tiers) == 1 else _TIERS


def _joined(lines: list[Line]) -> list[Line]:
    """Join lines of one character each, one below the other."""
    joined: list[Line] = []
    for line in lines:
        character = line.characters[0]
        last = joined[-1].characters[-1].box if joined else None
        single = len(line.characters) == 1 and _EAST_ASIAN.match(character.text) is not None
        if (
            single
            and last
            and _is_next(character.box, last)
            and (len(joined[-1].characters) == 1 or _goes_down(joined[-1]))
        ):
            joined[-1].characters.append(character)
        else:
            joined.append(line)
    return joined


def _is_next(box: Box, last: Box) -> bool:
    size = max(box.right - box.left, box.bottom - box.top)
    return abs(box.middle[0] - last.middle[0]) < size / 2 and last.top < box.top < last.bottom + size / 2


def _is_column(line: Line) -> bool:
    return len(line.characters) > 1 and _goes_down(line) and _EAST_ASIAN.search(line.text) is not None


def _goes_down(line: Line) -> bool:
    box = line.box
    return box.bottom - box.top > box.right - box.left


def _tiers(lines: list[Line]) -> list[list[Line]]:
    """Divide the lines into rows of columns, from the top. The columns of a row overlap in height."""
    tiers: list[list[Line]] = []
    end = float("-inf")
    for line in sorted(lines, key=lambda line: line.box.top):
        box = line.box
        if not tiers or box.top >= end:
            tiers.append([])
            end = box.bottom
        tiers[-1].append(line)
        end = max(end, box.bottom)
    return tiers
