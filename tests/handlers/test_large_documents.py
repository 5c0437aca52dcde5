"""Documents over 4.5 MB on Bedrock: families that take them, and those that do not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from analysis_jobs import Fail
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import bedrock
from tests.handlers.pdfs import pdf

SONNET_4_5 = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "amazon.nova-pro-v1:0"
UNKNOWN = "new.model-v1:0"
PADDING = b"\n%" + b" " * 5_000_000
LARGE_PDF = Attachment(pdf(["Harbour Lights Festival"]) + PADDING, "application/pdf", "call.pdf")
LARGE_TEXT = Attachment(b"Harbour Lights Festival" + PADDING, "text/plain", "call.txt")
QUESTION = Question(SONNET_4_5, "Which call is it?", 1_000, attachments=(LARGE_PDF,))


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


def ask(stand_in: StandIn, question: Question) -> Reply:
    return bedrock(stand_in.url, silence_s=60).ask(question, lambda _piece: None, CancellationToken())


@pytest.mark.parametrize("model_id", [SONNET_4_5, NOVA])
def test_a_family_that_takes_large_pdfs_gets_one(stand_in: StandIn, model_id: str) -> None:
    assert "Harbour Lights" in ask(stand_in, replace(QUESTION, model_id=model_id)).text


@pytest.mark.parametrize("model_id", [HAIKU_3, UNKNOWN])
def test_a_large_pdf_is_refused_for_other_models_before_the_request(stand_in: StandIn, model_id: str) -> None:
    stand_in.reset()
    with pytest.raises(Fail, match="attachment_too_large") as refused:
        ask(stand_in, replace(QUESTION, model_id=model_id))
    assert "at most 4500000" in refused.value.message
    assert stand_in.calls() == []


def test_only_the_formats_of_the_table_may_be_large(stand_in: StandIn) -> None:
    with pytest.raises(Fail, match="attachment_too_large"):
        ask(stand_in, replace(QUESTION, attachments=(LARGE_TEXT,)))
    with pytest.raises(Fail, match="at most 15000000"):
        ask(stand_in, replace(QUESTION, attachments=(replace(LARGE_PDF, content=b"%PDF-" + b" " * 15_000_000),)))


def test_large_and_small_documents_count_together(stand_in: StandIn) -> None:
    small = replace(LARGE_TEXT, content=b"Harbour Lights")
    with pytest.raises(Fail, match="at most 5 documents per question, not 6"):
        ask(stand_in, replace(QUESTION, attachments=(LARGE_PDF, *[small] * 5)))
