"""Contract of the model port for both vendors: equal answers, equal errors, and one request for each question."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from analysis_jobs import Defer, Fail, Job, Retry
from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import JobError, Stopped
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.llm.model import Model, Question, Tool
from analysis_jobs.llm.router import ModelRouter, is_gemini
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import Shop, Value, eventually
from tests.handlers.models import VENDORS, Keys, Vendor, a_gemini_key, bedrock
from tests.handlers.pdfs import pdf

DOCUMENT = (
    "Harbour Lights Festival\n\nRequest for Proposals\n\nDeadline: 15 March 2027\n\n"
    "The festival asks for proposals for light installations along the old harbour wall. "
    "Each installation must run for ten nights and must be safe in storms."
)
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "deadline": {"type": "string", "format": "date"}},
    "required": ["title", "deadline"],
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return VENDORS[request.param]


@pytest.fixture
def model(stand_in: StandIn, vendor: Vendor) -> Model:
    return vendor.port(stand_in.url)


def _free(vendor: Vendor, **fields: Any) -> Question:
    question = Question(vendor.model_id, f"Summarise.\n<document>\n{DOCUMENT}\n</document>", 1_000)
    return replace(question, **fields)


def _structured(vendor: Vendor, **fields: Any) -> Question:
    return _free(vendor, tool=Tool("Call", "A call for proposals.", SCHEMA), **fields)


def _nothing(_piece: str) -> None:
    pass


def _refused(model: Model, question: Question) -> JobError:
    with pytest.raises(JobError) as refused:
        model.ask(question, _nothing, CancellationToken())
    return refused.value


def test_a_structured_answer_has_the_values_of_the_document(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    reply = model.ask(_structured(vendor), _nothing, CancellationToken())
    assert reply.data == {"title": "Harbour Lights Festival", "deadline": "2027-03-15"}
    assert reply.fault is None
    [call] = stand_in.calls()
    assert (call["model"], call["operation"], call["max_tokens"]) == (vendor.model_id, vendor.operation, 1_000)


def test_a_free_answer_is_streamed_as_text(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    stand_in.set(chunk_chars=5)
    pieces: list[str] = []
    reply = model.ask(_free(vendor), pieces.append, CancellationToken())
    assert "".join(pieces) == reply.text
    assert "Harbour Lights Festival" in reply.text
    assert len(pieces) > 5
    assert (reply.data, reply.stop_reason, reply.fault) == (None, vendor.finished, None)


def test_the_usage_equals_the_counts_of_the_model(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    usage = model.ask(_structured(vendor), _nothing, CancellationToken()).usage
    [call] = stand_in.calls()
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (1, call["input_tokens"], call["output_tokens"])
    assert usage.input_tokens > usage.output_tokens > 5


def test_an_answer_without_reported_usage_is_kept_with_an_estimate(
    model: Model, vendor: Vendor, stand_in: StandIn
) -> None:
    stand_in.set(no_usage=True)
    reply = model.ask(_structured(vendor), _nothing, CancellationToken())
    assert (reply.data, reply.fault) == ({"title": "Harbour Lights Festival", "deadline": "2027-03-15"}, None)
    [call] = stand_in.calls()
    assert reply.usage.estimated_calls == 1
    assert call["input_tokens"] * 0.5 < reply.usage.input_tokens < call["input_tokens"] * 2


def test_an_empty_answer_is_an_error_with_usage(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    stand_in.set(answer="")
    reply = model.ask(_free(vendor), _nothing, CancellationToken())
    assert isinstance(reply.fault, Retry)
    assert (reply.fault.code, reply.stop_reason) == ("model_answer_empty", vendor.finished)
    assert reply.usage.input_tokens > 0


def test_a_question_that_is_too_long_has_its_own_code(vendor: Vendor, stand_in: StandIn) -> None:
    stand_in.set(context_tokens=5)
    error = _refused(vendor.port(stand_in.url), _free(vendor))
    assert (type(error), error.code) == (Fail, "model_context_exceeded")


def test_a_system_prompt_reaches_the_model(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    model.ask(_free(vendor, system="Be brief. " * 20), _nothing, CancellationToken())
    model.ask(_free(vendor), _nothing, CancellationToken())
    with_system, without = stand_in.calls()
    assert with_system["input_tokens"] > without["input_tokens"] + 40


_BEFORE = [
    ("ThrottlingException", Defer, "model_throttled"),
    ("ServiceUnavailableException", Defer, "model_unavailable"),
    ("InternalServerException", Defer, "model_unavailable"),
    ("ModelErrorException", Retry, "model_error"),
    ("ModelTimeoutException", Retry, "model_timeout"),
    ("ValidationException", Fail, "model_refused_request"),
    ("ResourceNotFoundException", Fail, "model_not_found"),
    ("AccessDeniedException", Fail, "access_denied"),
]


_WITHIN = [
    ("throttlingException", Defer, "model_throttled"),
    ("serviceUnavailableException", Defer, "model_unavailable"),
    ("internalServerException", Defer, "model_unavailable"),
    ("modelStreamErrorException", Retry, "model_error"),
]
_ERRORS = [({"error": name}, kind, code) for name, kind, code in _BEFORE] + [
    ({"stream_error": name}, kind, code) for name, kind, code in _WITHIN
]


@pytest.mark.parametrize(("scenario", "kind", "code"), _ERRORS, ids=lambda value: str(value)[1:-1])
def test_an_error_costs_one_request_and_has_the_same_decision_before_or_within_an_answer(
    stand_in: StandIn, vendor: Vendor, scenario: dict[str, str], kind: type[JobError], code: str
) -> None:
    stand_in.set(**scenario, message="said the model")
    error = _refused(vendor.port(stand_in.url), _structured(vendor))
    assert (type(error), error.code) == (kind, code)
    assert "said the model" in error.message
    assert len(stand_in.calls()) == 1


@dataclass(frozen=True)
class Break:
    """One way in which an answer is interrupted, and the expected decisions."""

    scenario: dict[str, Any]
    codes: tuple[str, ...]


_BREAKS = {
    "cut": Break({"cut": "chunked"}, ("model_connection", "model_stream_cut")),
    "cut where nothing tells that more was to come": Break({"cut": "unchunked"}, ("model_stream_cut",)),
    "reset": Break({"cut": "reset"}, ("model_connection",)),
    "silence within": Break({"stall_s": 30}, ("model_timeout",)),
    "silence before": Break({"first_token_s": 30}, ("model_timeout",)),
    "spoiled": Break({"bad_checksum": True}, ("model_connection", "model_stream_cut")),
}


@pytest.mark.parametrize("case", _BREAKS.values(), ids=_BREAKS)
def test_only_the_engine_retries_an_interrupted_answer(stand_in: StandIn, vendor: Vendor, case: Break) -> None:
    stand_in.set(**case.scenario)
    # A call whose silence is not cut is answered in the end, and then raises nothing.
    silence_s = 0.5 if case.codes == ("model_timeout",) else 60
    error = _refused(vendor.port(stand_in.url, silence_s=silence_s), _structured(vendor))
    assert type(error) is Retry
    assert error.code in case.codes
    assert len(stand_in.calls()) == 1


@pytest.mark.parametrize("after_events", [0, 1, 2, 5])
def test_a_truncated_stream_is_noticed_at_any_position(
    model: Model, vendor: Vendor, stand_in: StandIn, after_events: int
) -> None:
    stand_in.set(cut="unchunked", after_events=after_events, chunk_chars=5)
    assert _refused(model, _structured(vendor)).code == "model_stream_cut"


def test_an_unreachable_model_is_retried(vendor: Vendor) -> None:
    error = _refused(vendor.port("http://127.0.0.1:9"), _free(vendor))
    assert (type(error), error.code) == (Retry, "model_connection")
    assert "127.0.0.1" not in error.message, "the message does not contain the address"


def test_an_answer_cut_at_max_tokens_is_an_error_with_usage(model: Model, vendor: Vendor) -> None:
    reply = model.ask(_structured(vendor, max_tokens=5), _nothing, CancellationToken())
    assert isinstance(reply.fault, Fail)
    assert (reply.fault.code, reply.data) == ("model_answer_too_long", None)
    assert "max_tokens=5" in reply.fault.message
    assert reply.usage.input_tokens > 0 < reply.usage.output_tokens


def test_an_answer_that_violates_the_schema_is_returned_unchecked(
    model: Model, vendor: Vendor, stand_in: StandIn
) -> None:
    stand_in.set(nonsense=True)
    reply = model.ask(_structured(vendor), _nothing, CancellationToken())
    assert (reply.fault, "title" in (reply.data or {})) == (None, False)


def test_an_error_raised_by_on_chunk_ends_the_call_at_once(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    stand_in.set(chunk_s=1, chunk_chars=1)
    pieces: list[str] = []

    def stop(piece: str) -> None:
        pieces.append(piece)
        raise Stopped("the lease is lost")

    with pytest.raises(Stopped):
        model.ask(_free(vendor), stop, CancellationToken())
    assert (len(pieces), len(stand_in.calls())) == (1, 1)
    eventually(lambda: stand_in.calls(outcome="caller hung up") != [])  # it did not wait for the rest


def test_the_port_works_again_after_every_kind_of_interruption(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    for scenario in ({"cut": "chunked"}, {"cut": "unchunked"}, {"bad_checksum": True}, {"error": vendor.busy}):
        stand_in.set(scenario)
        _refused(model, _structured(vendor))
        stand_in.set()
        assert model.ask(_structured(vendor), _nothing, CancellationToken()).data is not None


# Attachments

PDF = Attachment(pdf(["Harbour Lights Festival", "Deadline: 15 March 2027"]), "application/pdf", "call/2027.pdf")
TEXT = Attachment(b"Harbour Lights Festival\n\nDeadline: 15 March 2027", "text/plain; charset=utf-8", "call.txt")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b8"
    "0000000049454e44ae426082"
)
PICTURE = Attachment(PNG, "image/png", "dot.png")


@pytest.mark.parametrize("attachment", [PDF, TEXT], ids=lambda attachment: attachment.media_type)
def test_a_document_is_read_by_the_model(model: Model, vendor: Vendor, attachment: Attachment) -> None:
    question = _structured(vendor, prompt="Which call is it?", attachments=(attachment,))
    assert model.ask(question, _nothing, CancellationToken()).data == {
        "title": "Harbour Lights Festival",
        "deadline": "2027-03-15",
    }


def test_an_image_counts_as_input_tokens(model: Model, vendor: Vendor, stand_in: StandIn) -> None:
    model.ask(_free(vendor, attachments=(PICTURE, PICTURE)), _nothing, CancellationToken())
    model.ask(_free(vendor), _nothing, CancellationToken())
    with_pictures, without = stand_in.calls()
    assert with_pictures["input_tokens"] > without["input_tokens"] + 2_000


def test_documents_with_the_same_name_get_different_names(model: Model, vendor: Vendor) -> None:
    odd = replace(PDF, name="Ø:/weird  name?.pdf")
    nameless = replace(TEXT, name="")
    question = _structured(vendor, attachments=(PDF, PDF, odd, nameless, nameless))
    assert model.ask(question, _nothing, CancellationToken()).fault is None


_REFUSED = {
    "a type that nobody takes": (replace(PDF, media_type="application/zip"), "attachment_not_supported"),
    "no type": (replace(PDF, media_type=""), "attachment_not_supported"),
    "no bytes": (replace(PICTURE, content=b""), "attachment_not_supported"),
    "too large": (replace(PDF, content=b"%PDF-" + b" " * 50_000_000), "attachment_too_large"),
}


@pytest.mark.parametrize(("attachment", "code"), _REFUSED.values(), ids=_REFUSED)
def test_an_unsupported_attachment_is_refused_before_the_request(
    model: Model, vendor: Vendor, stand_in: StandIn, attachment: Attachment, code: str
) -> None:
    error = _refused(model, _free(vendor, attachments=(attachment,)))
    assert (type(error), error.code) == (Fail, code)
    assert attachment.name in error.message
    assert stand_in.calls() == []


@pytest.mark.parametrize(("attachment", "most"), [(PICTURE, 20), (TEXT, 5)], ids=["pictures", "documents"])
def test_too_many_attachments_for_bedrock_are_refused(stand_in: StandIn, attachment: Attachment, most: int) -> None:
    vendor = VENDORS["bedrock"]
    model = vendor.port(stand_in.url)
    assert model.ask(_free(vendor, attachments=(attachment,) * most), _nothing, CancellationToken()).fault is None
    error = _refused(model, _free(vendor, attachments=(attachment,) * (most + 1)))
    assert error.code == "attachments_too_many"
    assert f"at most {most} " in error.message


# The vendor of a model


@pytest.mark.parametrize(
    ("model_id", "ours"),
    [
        ("gemini-2.5-flash", True),
        ("models/gemini-2.5-pro", True),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("google.gemma-3-27b-it", False),
        ("arn:aws:bedrock:eu-west-1:1:application-inference-profile/gemini-abc", False),
    ],
)
def test_the_id_of_a_model_determines_its_vendor(model_id: str, *, ours: bool) -> None:
    assert is_gemini(model_id) is ours


class Read(BaseModel):
    title: str
    deadline: str


def test_one_job_can_ask_both_vendors_and_records_the_usage_of_each(stand_in: StandIn) -> None:
    def first(job: Job[Any]) -> Value:
        stand_in.set(nonsense=True, times=1)
        found = job.ask(
            f"<document>{DOCUMENT}</document>", answer=Read, model_id="gemini-2.5-flash", attachments=[TEXT]
        )
        return Value(text=found.title)

    def second(job: Job[Any]) -> Value:
        return Value(text=job.ask(f"Say more of {job.output(first).text}.", model_id=VENDORS["bedrock"].model_id))

    shop = Shop([first, second], _Both(stand_in, a_gemini_key(Keys("k"))))  # type: ignore[arg-type]
    job = shop.deliver(shop.keep())
    assert job.failure is None
    assert [call["operation"] for call in stand_in.calls()] == [
        "streamGenerateContent",
        "streamGenerateContent",
        "converse-stream",
    ]
    assert {model: usage.calls for model, usage in job.models.items()} == {
        "gemini-2.5-flash": 2,  # including a repair turn
        VENDORS["bedrock"].model_id: 1,
    }
    assert sum(usage.input_tokens for usage in job.models.values()) == job.usage.input_tokens
    assert job.cost_usd is not None
    assert 0 < job.cost_usd < 1


def _Both(stand_in: StandIn, secrets: Secrets) -> ModelRouter:  # noqa: N802 - reads as a part
    return ModelRouter(bedrock(stand_in.url), secrets, stand_in.url)


def test_the_retry_delay_of_gemini_becomes_the_delay_of_the_job(stand_in: StandIn) -> None:
    stand_in.set(error="RESOURCE_EXHAUSTED", retry_delay_s=36.67)
    vendor = VENDORS["gemini"]
    error = _refused(vendor.port(stand_in.url), _free(vendor))
    assert isinstance(error, Defer)
    assert error.after == timedelta(seconds=37)
