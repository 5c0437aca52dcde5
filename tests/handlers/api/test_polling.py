"""How often callers are told to poll, and how often a waiting request reads the table."""

from datetime import timedelta

import pytest

from analysis_jobs.api.polling import pause_between_reads, retry_after

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("estimate", "age", "wanted"),
    [
        (timedelta(), timedelta(), "1"),
        (2 * SECOND, timedelta(), "1"),
        (2 * MINUTE, timedelta(), "6"),
        (5 * MINUTE, timedelta(), "15"),
        (5 * MINUTE, 4 * MINUTE, "15"),
        (2 * MINUTE, 4 * MINUTE, "12"),
        (timedelta(hours=2), timedelta(), "30"),
        (20 * SECOND, timedelta(days=1), "4"),
    ],
)
def test_the_pause_between_polls_follows_the_time_of_the_analysis(
    estimate: timedelta, age: timedelta, wanted: str
) -> None:
    assert retry_after(estimate, age) == wanted


@pytest.mark.parametrize("duration", [SECOND * 30, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE])
def test_a_job_of_the_usual_length_is_polled_twenty_times(duration: timedelta) -> None:
    age, polls = timedelta(), 0
    while age < duration:
        age += timedelta(seconds=int(retry_after(duration, age)))
        polls += 1
    assert 15 <= polls <= 20


@pytest.mark.parametrize(("age", "reads"), [(timedelta(), 13), (5 * SECOND, 10), (MINUTE, 7)])
def test_a_waiting_request_of_20_s_reads_the_table_less_and_less_often(age: timedelta, reads: int) -> None:
    end, made = age + 20 * SECOND, 0
    while age < end:
        age += pause_between_reads(age)
        made += 1
    assert made <= reads
