"""boto3's own `bedrock-runtime` client, the stand-in and AWS's documents agree: answers, and every way to fail."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError, ReadTimeoutError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as StreamReadTimeoutError

from cloud.stand_in import StandIn
from cloud.stand_in.refusals import IN_STREAM
from tests.standin.asking import HAIKU, PERSON, Ask, asking, document, input_of, names_of, text_of, tool, user

BEFORE_THE_STREAM = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


def test_converse_answers_with_text(ask: Ask) -> None:
    answer = ask.whole(document("museum"))
    assert answer["stopReason"] == "end_turn"
    assert answer["output"]["message"]["role"] == "assistant"
    assert "Harbour Museum" in answer["output"]["message"]["content"][0]["text"]
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]
    assert answer["metrics"]["latencyMs"] >= 0


def test_converse_stream_answers_with_the_same_text(ask: Ask) -> None:
    events = ask.events(document("museum"))
    whole = ask.whole(document("museum"))
    assert names_of(events) == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert text_of(events) == whole["output"]["message"]["content"][0]["text"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_converse_fills_a_tools_input(ask: Ask) -> None:
    answer = ask.whole(document("museum"), toolConfig=tool(PERSON))
    [block] = answer["output"]["message"]["content"]
    assert answer["stopReason"] == "tool_use"
    assert block["toolUse"]["name"] == "Answer"
    assert block["toolUse"]["input"]["summary"].startswith("Digital Archive for the Harbour Museum.")


def test_converse_stream_fills_the_same_input(ask: Ask) -> None:
    events = ask.events(document("museum"), toolConfig=tool(PERSON))
    whole = ask.whole(document("museum"), toolConfig=tool(PERSON))
    assert names_of(events)[:3] == ["messageStart", "contentBlockStart", "contentBlockDelta"]
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "Answer"
    assert input_of(events) == whole["output"]["message"]["content"][0]["toolUse"]["input"]
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"


def test_an_answer_is_cut_at_max_tokens(ask: Ask) -> None:
    events = ask.events(document("museum"), inferenceConfig={"maxTokens": 10})
    assert events[-2]["messageStop"]["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 10
    with pytest.raises(json.JSONDecodeError):
        input_of(ask.events(document("museum"), toolConfig=tool(PERSON), inferenceConfig={"maxTokens": 10}))


def test_an_answer_ends_at_a_stop_sequence(ask: Ask) -> None:
    answer = ask.whole(document("museum"), inferenceConfig={"stopSequences": ["Museum"]})
    assert answer["stopReason"] == "stop_sequence"
    assert answer["output"]["message"]["content"][0]["text"].endswith("for the Harbour ")


def test_every_answer_says_that_it_is_a_stand_ins(ask: Ask) -> None:
    answer = ask.whole(document("road"))
    events = ask.events(document("road"), toolConfig=tool(PERSON))
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-stand-in"] == "true"
    assert answer["output"]["message"]["content"][0]["text"].startswith("[stand-in model]")
    assert input_of(events)["summary"].endswith("(stand-in model)")
    assert events[-2]["messageStop"]["additionalModelResponseFields"] == {"stand_in": True}


@pytest.mark.parametrize(("code", "status"), BEFORE_THE_STREAM.items())
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
def test_an_error_in_the_stream_is_spelt_in_lower_case(stand_in: StandIn, ask: Ask, code: str) -> None:
    stand_in.set(stream_error=code)
    arrived: list[dict[str, Any]] = []
    with pytest.raises(EventStreamError) as caught:
        ask.events_into(arrived, document("road"))
    assert caught.value.response["Error"]["Code"] == code
    stand_in.set(stream_error=code, match="Background", after_events=2)
    with pytest.raises(EventStreamError):
        ask.events(document("road"))


def test_what_came_before_the_error_in_the_stream_is_kept(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(stream_error="throttlingException", after_events=3)
    stream = ask.stream(document("road"))
    events = iter(stream)
    first = [next(iter(next(events))) for _ in range(3)]
    assert first == ["messageStart", "contentBlockDelta", "contentBlockDelta"]
    with pytest.raises(EventStreamError):
        next(events)
    stream.close()


def test_converse_gets_an_error_of_the_stream_as_its_status(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(stream_error="modelStreamErrorException")
    with pytest.raises(ask.bedrock.exceptions.ModelErrorException):
        ask.whole()


def test_a_cut_stream_is_a_protocol_error(stand_in: StandIn, ask: Ask) -> None:
    for cut in ("chunked", "reset"):
        stand_in.set(cut=cut)
        with pytest.raises(ProtocolError):
            ask.events(document("road"))


def test_a_cut_without_chunking_looks_like_the_end(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(cut="unchunked")
    events = ask.events(document("road"))
    assert len(events) == 3
    assert "messageStop" not in names_of(events)


def test_a_cut_whole_answer_is_an_empty_one_and_a_reset_an_error(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(cut="chunked")
    assert "output" not in ask.whole()
    stand_in.set(cut="reset")
    with pytest.raises((ConnectionClosedError, ProtocolError)):
        ask.whole()


def test_a_short_answer_is_broken_off_before_its_end_too(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(cut="unchunked", after_events=1000)
    assert names_of(ask.events("Hi."))[-1] == "contentBlockStop"


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
    connection = http.client.HTTPConnection(urlsplit(stand_in.url).netloc, timeout=5)
    body = json.dumps({"messages": [user("Hello.")]})
    answers = []
    for _ in range(3):
        connection.request("POST", f"/model/{HAIKU}/converse", body)
        answers.append(json.load(connection.getresponse())["stopReason"])
    connection.close()
    assert answers == ["end_turn"] * 3
