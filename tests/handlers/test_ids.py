"""Job ids sort by time, support date ranges, and cannot be guessed."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from analysis_jobs.base.ids import first_id_at, is_id, new_id
from tests.handlers.builders import MILLISECOND, START


def test_an_id_has_26_characters_of_which_16_are_random() -> None:
    found = [new_id(START) for _ in range(1_000)]
    assert all(is_id(job_id) for job_id in found)
    assert len({job_id[:10] for job_id in found}) == 1  # the timestamp
    assert len({job_id[10:] for job_id in found}) == 1_000  # 80 random bits
    for place in range(10, 26):
        assert len({job_id[place] for job_id in found}) == 32


def test_ids_come_from_a_cryptographic_random_generator() -> None:
    random.seed(1)
    first = new_id(START)
    random.seed(1)
    assert new_id(START) != first


def test_ids_sort_by_time() -> None:
    dice = random.Random(7)
    moments = sorted(START + timedelta(milliseconds=dice.randrange(10**13)) for _ in range(500))
    made = [new_id(moment) for moment in moments]
    assert made == sorted(made)


@pytest.mark.parametrize("bits", [0, 2**80 - 1])
def test_the_first_id_of_a_moment_separates_its_ids_from_earlier_ids(
    monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    monkeypatch.setattr("analysis_jobs.base.ids.secrets.randbits", lambda _: bits)
    for moment in (START, START + 999 * MILLISECOND, START + timedelta(days=36_500)):
        assert new_id(moment - MILLISECOND) < first_id_at(moment) <= new_id(moment) < first_id_at(moment + MILLISECOND)


def test_first_ids_and_new_ids_round_to_the_same_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis_jobs.base.ids.secrets.randbits", lambda _: 0)
    for microseconds in range(0, 2_000, 100):
        moment = START + timedelta(microseconds=microseconds)
        assert new_id(moment) == first_id_at(moment)


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)],
)
def test_before_1970_the_first_id_is_the_smallest_id(moment: datetime) -> None:
    assert first_id_at(moment) == "0" * 26


def test_the_last_possible_moment_has_an_id() -> None:
    last = first_id_at(datetime.max.replace(tzinfo=UTC))
    assert is_id(last)
    assert last > new_id(START)


@pytest.mark.parametrize(
    ("text", "shaped"),
    [
        ("01arz3ndektsv4rrffq69g5fav", True),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", False),
        ("01arz3ndektsv4rrffq69g5fa", False),
        ("01arz3ndektsv4rrffq69g5fav0", False),
        ("01arz3ndektsv4rrffq69g5fai", False),
        ("01arz3ndektsv4rrffq69g5fav\n", False),
        ("../../../etc/passwd-0000000", False),
        ("", False),
    ],
)
def test_an_id_is_recognized_by_its_form(text: str, *, shaped: bool) -> None:
    assert is_id(text) is shaped
