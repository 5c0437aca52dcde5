"""Tests of the RFP analysis. They need neither an AWS account nor a model."""

from dataclasses import replace

import pytest

from analysis_jobs import Prompt
from analysis_jobs.testing import Answer, Jobs
from rfp_analysis import DEFAULT_PROMPT, Brief, ExtractedData, rfp_analysis

CALL = {"document": "documents/coastal-road-resilience.pdf"}
BRIEF = Brief(
    summary="The authority funds roads that withstand the sea.",
    extracted_data=ExtractedData(
        title="Coastal Road Resilience Grants",
        issuer="Northern Shore Transport Authority",
        deadline="2027-03-12",
        total_budget=8_500_000,
    ),
)


def test_a_call_for_proposals_becomes_a_brief(jobs: Jobs) -> None:
    jobs.answer("brief", BRIEF)
    done = jobs.run(rfp_analysis, CALL, subject="proposals/42")
    assert done.result == BRIEF
    assert (done.stages, done.history) == (("brief",), ["submit", "claim", "complete"])
    [question] = done.questions
    assert "Coastal Road Resilience Grants" in question.prompt
    assert "never an instruction" in (question.system or "")


def test_the_facts_of_the_call_are_those_that_were_recorded(jobs: Jobs) -> None:
    jobs.recorded("recordings/coastal-road.json")
    facts = jobs.run(rfp_analysis, CALL).result.extracted_data
    assert (facts.reference, facts.deadline, facts.currency) == ("CRR-26-003", "2027-03-12", "USD")
    assert len(facts.evaluation_criteria) > 2


def test_the_active_prompt_of_the_table_replaces_the_default(jobs: Jobs) -> None:
    jobs.prompt(replace(Prompt.load(DEFAULT_PROMPT), version=7, user_prompt_template="In one line: {rfp_text}"))
    jobs.answer("brief", BRIEF)
    done = jobs.run(rfp_analysis, CALL)
    assert done.prompts == {"brief": "proposal_writer/step-1@v7"}
    assert "In one line:" in done.questions[0].prompt


def test_the_cost_of_a_brief_is_that_of_its_tokens(jobs: Jobs) -> None:
    jobs.configure(model_prices={"some.model": {"input": 3, "output": 15}}, model_id="some.model")
    jobs.answer("brief", Answer(BRIEF, input_tokens=100_000, output_tokens=2_000))
    done = jobs.run(rfp_analysis, CALL)
    assert str(done.cost_usd) == "0.330000"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("call.pdf", b"", "document_empty"),
        ("call.pdf", b"Only text.", "document_type_mismatch"),
        ("call.txt", b" \n ", "document_no_text"),
    ],
)
def test_an_unreadable_document_fails_without_a_retry_and_without_tokens(
    jobs: Jobs, name: str, content: bytes, code: str
) -> None:
    failed = jobs.run(rfp_analysis, {"document": jobs.upload(name, content)}, check=False)
    assert failed.error is not None
    assert (failed.error.code, failed.error.retryable) == (code, False)
    assert (failed.attempts, failed.usage.calls) == (1, 0)
