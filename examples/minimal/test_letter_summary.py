"""Tests of the letter summary. They need neither an AWS account nor a model."""

from analysis_jobs.testing import Jobs
from letter_summary import letter_summary

SUMMARY = {"sender": "Millbrook Parish Council", "summary": "The lease can be renewed.", "reply_by": "2026-12-04"}
LETTER = {"letter": "documents/allotment-lease.pdf"}


def test_a_letter_becomes_a_summary(jobs: Jobs) -> None:
    jobs.answer("summarise", SUMMARY)
    done = jobs.run(letter_summary, LETTER)
    assert done.json == SUMMARY
    [question] = done.questions
    assert "The lease of plot 17" in question.prompt


def test_a_throttled_model_delays_the_summary_and_spends_no_attempt(jobs: Jobs) -> None:
    jobs.answer("summarise", SUMMARY)
    jobs.throttle(times=2)
    done = jobs.run(letter_summary, LETTER)
    assert done.result.sender == "Millbrook Parish Council"
    assert (done.attempts, len(done.questions), done.usage.calls) == (1, 3, 1)


def test_an_empty_file_fails_before_a_model_is_asked(jobs: Jobs) -> None:
    failed = jobs.run(letter_summary, {"letter": jobs.upload("letter.pdf", b"")}, check=False)
    assert failed.error is not None
    assert failed.error.code == "document_empty"
    assert failed.questions == []
