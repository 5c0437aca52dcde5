"""The entry of a series in the row, against a plain dictionary of items and fencing tokens."""

import random

import pytest

from analysis_jobs.authoring.series_entry import SeriesEntry


def entry_of(fences: dict[int, int]) -> SeriesEntry:
    entry = SeriesEntry("d1")
    for number, fence in fences.items():
        entry = entry.with_item(number, fence)
    return entry


@pytest.mark.parametrize(
    ("fences", "text"),
    [
        ({}, "d1"),
        ({0: 3}, "d1 3:0"),
        ({2: 3, 0: 3, 1: 3}, "d1 3:0-2"),
        ({0: 3, 1: 4, 2: 3}, "d1 3:0,2 4:1"),
        ({**dict.fromkeys([*range(42), 44], 3), 42: 4}, "d1 3:0-41,44 4:42"),
    ],
)
def test_the_text_form_lists_runs_by_token(fences: dict[int, int], text: str) -> None:
    assert str(entry_of(fences)) == text
    assert str(SeriesEntry.parse(text, "d1")) == text


def test_an_entry_with_another_digest_has_no_items() -> None:
    assert SeriesEntry.parse("d1 3:0-41", "d2").numbers() == []
    assert SeriesEntry.parse("", "d2").numbers() == []


def test_an_entry_does_not_change() -> None:
    before = entry_of({0: 1})
    before.with_item(1, 1)
    assert before.numbers() == [0]


@pytest.mark.parametrize("seed", range(30))
def test_items_in_any_order_and_again_under_other_tokens(seed: int) -> None:
    """An item is saved again if the bucket's lifecycle rule deleted its checkpoint: the last token counts."""
    chance = random.Random(seed)
    wanted: dict[int, int] = {}
    entry = SeriesEntry("d1")
    for _ in range(60):
        number, fence = chance.randrange(15), chance.randrange(1, 4)
        wanted[number] = fence
        entry = entry.with_item(number, fence)
        assert {at: entry.fence(at) for at in range(-1, 16)} == {at: wanted.get(at) for at in range(-1, 16)}
        assert str(SeriesEntry.parse(str(entry), "d1")) == str(entry)
    assert entry.numbers() == sorted(wanted)
    runs = str(entry).replace(" ", ",").count(",")
    changes = [at for at in range(15) if wanted.get(at) != wanted.get(at - 1) and at in wanted]
    assert runs == len(changes), "adjacent items of one token are one run"
