"""The analysis in memory: the fixture `jobs` comes from the test kit of analysis-jobs."""

from datetime import date

from analysis_jobs.testing import Jobs
from letter_summary import letter_summary

ANSWER = {"sender": "Millbrook Parish Council", "summary": "The lease ends.", "kind": "contract"}


def test_a_letter_becomes_a_summary(jobs: Jobs) -> None:
    jobs.answer("summarise", {**ANSWER, "reply_by": "2026-12-04"})
    done = jobs.run(letter_summary, {"document": "documents/letter.txt"})
    assert done.result.sender == "Millbrook Parish Council"
    assert done.result.reply_by == date(2026, 12, 4)


def test_the_model_reads_the_letter(jobs: Jobs) -> None:
    jobs.answer("summarise", ANSWER)
    done = jobs.run(letter_summary, {"document": "documents/letter.txt"})
    [question] = done.questions
    assert "plot 17 on the Mill Lane site" in question.prompt
