"""Tests of the ticket triage. They need neither an AWS account nor a model."""

import pytest

from analysis_jobs.testing import JobFailed, Jobs
from ticket_triage import Triage, ticket_triage

TICKET = {"text": "The card was charged twice."}
TRIAGE = Triage(team="billing", urgency="high", summary="A payment was taken twice.")


def test_a_ticket_is_assigned_to_a_team(jobs: Jobs) -> None:
    jobs.answer("triage", TRIAGE)
    done = jobs.run(ticket_triage, TICKET, subject="tickets/17")
    assert done.result == TRIAGE
    [question] = done.questions
    assert TICKET["text"] in question.prompt


def test_a_team_that_does_not_exist_is_mended_in_a_repair_turn(jobs: Jobs) -> None:
    jobs.answer("triage", {**TRIAGE.model_dump(), "team": "payments"}, TRIAGE)
    done = jobs.run(ticket_triage, TICKET)
    assert done.result == TRIAGE
    assert "team: Input should be 'account', 'billing' or 'technical'" in done.questions[1].prompt


def test_a_model_that_refuses_fails_the_job(jobs: Jobs) -> None:
    jobs.refuse("triage", says="I do not read tickets.")
    with pytest.raises(JobFailed, match="I do not read tickets") as failed:
        jobs.run(ticket_triage, TICKET)
    assert failed.value.code == "model_refused"
