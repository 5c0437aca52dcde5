"""boto3's own `bedrock-runtime` client agrees with the stand-in: on answers, and on every way to fail."""

import contextlib
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError, ReadTimeoutError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as StreamReadTimeoutError

from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.cloud.stand_in.refusals import BEDROCK_STATUS, IN_STREAM
from tests.standin.asking import BRIEF, HAIKU, Ask, asking, document, input_of, names_of, streamed, text_of, tool, user


def test_both_operations_answer_with_the_same_text_and_usage(ask: Ask) -> None:
    whole, events = ask.whole(document("museum")), ask.events(document("museum"))
    assert (whole["stopReason"], whole["output"]["message"]["role"]) == ("end_turn", "assistant")
    assert names_of(events) == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert streamed(events) == text_of(whole)
    assert "Harbour Museum" in text_of(whole)
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    usage = whole["usage"]
    assert events[-1]["metadata"]["usage"] == usage
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]


def test_both_operations_fill_the_same_tool_input(ask: Ask) -> None:
    whole = ask.whole(document("museum"), toolConfig=tool(BRIEF))
    events = ask.events(document("museum"), toolConfig=tool(BRIEF))
    [block] = whole["output"]["message"]["content"]
    assert (whole["stopReason"], block["toolUse"]["name"]) == ("tool_use", "Answer")
    assert block["toolUse"]["input"]["summary"].startswith("Digital Archive for the Harbour Museum.")
    assert names_of(events)[:3] == ["messageStart", "contentBlockStart", "contentBlockDelta"]
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "Answer"
    assert input_of(events) == block["toolUse"]["input"]
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"


def test_an_answer_is_cut_at_max_tokens(ask: Ask) -> None:
    events = ask.events(document("museum"), inferenceConfig={"maxTokens": 10})
    assert events[-2]["messageStop"]["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 10
    with pytest.raises(json.JSONDecodeError):
        input_of(ask.events(document("museum"), toolConfig=tool(BRIEF), inferenceConfig={"maxTokens": 10}))


def test_an_answer_ends_at_a_stop_sequence(ask: Ask) -> None:
    answer = ask.whole(document("museum"), inferenceConfig={"stopSequences": ["Museum"]})
    assert answer["stopReason"] == "stop_sequence"
    assert text_of(answer).endswith("for the Harbour ")


def test_every_answer_says_that_it_comes_from_a_stand_in(ask: Ask) -> None:
    answer = ask.whole(document("road"))
    events = ask.events(document("road"), toolConfig=tool(BRIEF))
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-stand-in"] == "true"
    assert text_of(answer).startswith("[stand-in model]")
    assert input_of(events)["summary"].endswith("(stand-in model)")
    assert events[-2]["messageStop"]["additionalModelResponseFields"] == {"stand_in": True}


@pytest.mark.parametrize(("code", "status"), BEDROCK_STATUS.items())
def test_an_error_before_the_stream_is_botocores_own_class(stand_in: StandIn, ask: Ask, code: str, status: int) -> None:
    stand_in.set(error=code, message="told to")
    for call in (ask.whole, ask.events):
        with pytest.raises(ClientError, match="told to") as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        if hasattr(ask.bedrock.exceptions, code):
            assert isinstance(caught.value, getattr(ask.bedrock.exceptions, code))


@pytest.mark.parametrize("code", IN_STREAM)
def test_an_error_in_the_stream_comes_after_the_events_before_it(stand_in: StandIn, ask: Ask, code: str) -> None:
    stand_in.set(stream_error=code, after_events=3)
    arrived: list[str] = []
    with pytest.raises(EventStreamError) as caught, contextlib.closing(ask.stream(document("road"))) as stream:
        arrived.extend(next(iter(event)) for event in stream)
    assert caught.value.response["Error"]["Code"] == code
    assert arrived == ["messageStart", "contentBlockDelta", "contentBlockDelta"]


def test_converse_gets_an_error_of_the_stream_as_its_status(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(stream_error="modelStreamErrorException")
    with pytest.raises(ask.bedrock.exceptions.ModelErrorException):
        ask.whole()


@pytest.mark.parametrize("cut", ["chunked", "reset"])
def test_a_cut_stream_is_a_protocol_error(stand_in: StandIn, ask: Ask, cut: str) -> None:
    stand_in.set(cut=cut)
    with pytest.raises(ProtocolError):
        ask.events(document("road"))


@pytest.mark.parametrize(
    ("text", "after_events", "last"), [("road", 3, "contentBlockDelta"), ("", 1000, "contentBlockStop")]
)
def test_a_cut_without_chunking_looks_like_the_end(
    stand_in: StandIn, ask: Ask, text: str, after_events: int, last: str
) -> None:
    stand_in.set(cut="unchunked", after_events=after_events)
    assert names_of(ask.events(document(text) if text else "Hi."))[-1] == last


def test_a_cut_whole_answer_is_empty_and_a_reset_one_an_error(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(cut="chunked")
    assert "output" not in ask.whole()
    stand_in.set(cut="reset")
    with pytest.raises((ConnectionClosedError, ProtocolError)):
        ask.whole()


def test_a_stalled_stream_is_a_read_timeout_of_urllib3(stand_in: StandIn) -> None:
    stand_in.set(stall_s=60)
    with asking(stand_in.url, read_timeout_s=0.3) as impatient:
        with pytest.raises(StreamReadTimeoutError):
            impatient.events(document("road"))
        with pytest.raises(ReadTimeoutError):
            impatient.whole(document("road"))


def test_a_bad_checksum_is_noticed(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(bad_checksum=True)
    with pytest.raises(ChecksumMismatch):
        ask.events(document("road"))


def test_a_kept_connection_serves_several_calls(stand_in: StandIn) -> None:
    connection = http.client.HTTPConnection(urlsplit(stand_in.url).netloc, timeout=60)
    answers: list[Any] = []
    for _ in range(3):
        connection.request("POST", f"/model/{HAIKU}/converse", json.dumps({"messages": [user("Hello.")]}))
        answers.append(json.load(connection.getresponse())["stopReason"])
    connection.close()
    assert answers == ["end_turn"] * 3
