"""The switchboard: who is slowed, failed or throttled, how often, and what the log says of it."""

import dataclasses
import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import HTTPClientError

from cloud.stand_in import Remote, StandIn
from cloud.stand_in.answers import digest
from cloud.stand_in.models import find
from cloud.stand_in.scenarios import Control, Scenario, TokenQuota
from tests.standin.asking import HAIKU, PERSON, SONNET, Ask, asking, document, input_of, text_of, tool, user


def test_a_scenario_meets_only_the_calls_it_matches(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ModelNotReadyException", match="Trunk Road")
    assert ask.whole(document("museum"))["stopReason"] == "end_turn"
    with pytest.raises(ask.bedrock.exceptions.ModelNotReadyException):
        ask.whole(document("road"))


def test_a_scenario_ends_after_its_turns(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="InternalServerException", times=2)
    for _ in range(2):
        with pytest.raises(ask.bedrock.exceptions.InternalServerException):
            ask.events()
    assert ask.events()[-2]["messageStop"]["stopReason"] == "end_turn"


def test_the_first_scenario_that_matches_decides_then_the_next(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set({"error": "ThrottlingException", "times": 1}, Scenario(error="ModelTimeoutException"))
    with pytest.raises(ask.bedrock.exceptions.ThrottlingException):
        ask.whole()
    with pytest.raises(ask.bedrock.exceptions.ModelTimeoutException):
        ask.whole()


def test_a_reset_ends_every_scenario(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ThrottlingException")
    stand_in.reset()
    assert ask.whole()["stopReason"] == "end_turn"


def test_the_first_token_can_be_late(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(first_token_s=0.3)
    begun = time.monotonic()
    ask.events()
    assert time.monotonic() - begun >= 0.3


def test_a_trickle_arrives_piece_by_piece(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(chunk_s=0.02, chunk_chars=4)
    stream = ask.stream("Moon Base Plan")
    pieces = [event["contentBlockDelta"]["delta"]["text"] for event in stream if "contentBlockDelta" in event]
    assert len(pieces) >= 8
    assert max(map(len, pieces)) == 4


def test_nonsense_does_not_fit_the_schema_and_the_next_answer_does(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(nonsense=True, times=1)
    assert "summary" not in input_of(ask.events(document("road"), toolConfig=tool(PERSON)))
    assert "summary" in input_of(ask.events(document("road"), toolConfig=tool(PERSON)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency": 3},
        {"error": "NoSuchException"},
        {"stream_error": "ThrottlingException"},
        {"cut": "sideways"},
        {"chunk_s": -1},
        {"chunk_chars": 0},
        {"first_token_s": "long"},
    ],
    ids=str,
)
def test_a_scenario_that_cannot_be_is_refused(stand_in: StandIn, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stand_in.set(**wrong)
    with pytest.raises(HTTPError, match="400") as caught:
        stand_in.request("POST", "/control", wrong)
    caught.value.close()
    assert stand_in.scenarios() == []


def test_what_the_stand_in_does_not_have_is_not_found(stand_in: StandIn) -> None:
    with pytest.raises(HTTPError, match="404") as caught:
        stand_in.request("GET", "/nothing")
    caught.value.close()


def test_a_stand_in_elsewhere_is_steered_by_its_url(stand_in: StandIn) -> None:
    remote = Remote(stand_in.url)
    remote.set(stall_s=1, match="x")
    assert stand_in.scenarios() == [{**dataclasses.asdict(Scenario(stall_s=1, match="x"))}]


def test_the_log_names_model_document_job_and_outcome(stand_in: StandIn, ask: Ask) -> None:
    ask.events(f"Read.\n<document>{document('road')}</document>", requestMetadata={"job_id": "01J"})
    stand_in.set(stream_error="throttlingException")
    with pytest.raises(Exception, match="throttlingException"):
        ask.events(document("road"))
    good, bad = stand_in.calls()
    assert good["model"] == SONNET
    assert good["operation"] == "converse-stream"
    assert good["metadata"] == {"job_id": "01J"}
    assert good["document_sha256"] == bad["document_sha256"] == digest(document("road"))
    assert good["prompt_sha256"] != bad["prompt_sha256"]
    assert good["output_tokens"] > 0
    assert [good["outcome"], bad["outcome"]] == ["ok", "stream: throttlingException"]
    assert stand_in.calls(outcome="ok") == [good]


def test_a_caller_that_hangs_up_is_noticed_while_the_model_is_silent(stand_in: StandIn) -> None:
    stand_in.set(stall_s=30)
    connection = http.client.HTTPConnection(urlsplit(stand_in.url).netloc, timeout=5)
    connection.request("POST", f"/model/{HAIKU}/converse-stream", json.dumps({"messages": [user("Hello.")]}))
    response = connection.getresponse()
    response.read1(10)
    assert stand_in.calls()[0]["outcome"] == "running"
    response.close()
    connection.close()
    until = time.monotonic() + 25  # the model is silent for longer
    while stand_in.calls()[0]["outcome"] == "running" and time.monotonic() < until:
        time.sleep(0.02)
    assert stand_in.calls()[0]["outcome"] == "caller hung up"


def test_a_storm_is_counted_to_the_last_call(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ThrottlingException", times=20)

    def outcome(number: int) -> str:
        try:
            return text_of(ask.events(f"Call {number}"))[:16]
        except ask.bedrock.exceptions.ThrottlingException:
            return "throttled"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(outcome, range(100)))
    assert outcomes.count("throttled") == 20
    assert outcomes.count("[stand-in model]") == 80
    assert len({call["prompt_sha256"] for call in stand_in.calls()}) == 100


def test_leaving_the_block_breaks_off_what_runs_and_frees_the_port() -> None:
    broken_off = threading.Event()

    def wait_for_ever(url: str) -> None:
        with asking(url, read_timeout_s=60) as patient, pytest.raises(HTTPClientError):
            patient.whole()
        broken_off.set()

    with StandIn() as short:
        short.set(first_token_s=60)
        threading.Thread(target=wait_for_ever, args=(short.url,), daemon=True).start()
        until = time.monotonic() + 50
        while not short.calls() and time.monotonic() < until:
            time.sleep(0.01)
    assert broken_off.wait(50)  # the answer would have come after 60 s
    with StandIn(int(short.url.rpartition(":")[2])) as again:
        assert again.url == short.url
        assert again.calls() == []


class Clock:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_call_reserves_its_input_and_all_it_may_write() -> None:
    quota = TokenQuota(Scenario(tokens_per_minute=10_000), Clock())
    model = find(HAIKU, "eu-west-1")
    assert quota.reserve(model, 1_000, 5_000) is not None
    assert quota.reserve(model, 1_000, 3_001) is None
    assert quota.reserve(model, 1_000, 3_000) is not None


def test_a_call_that_names_no_maximum_reserves_the_models() -> None:
    quota = TokenQuota(Scenario(tokens_per_minute=4_100), Clock())
    reserved = quota.reserve(find(HAIKU, "eu-west-1"), 4, None)
    assert reserved is not None
    assert reserved.tokens == 4_100


@pytest.mark.parametrize(("model", "used"), [(HAIKU, 1_100), (SONNET, 1_500)])
def test_a_call_settles_at_its_output_times_the_burndown(model: str, used: int) -> None:
    quota = TokenQuota(Scenario(tokens_per_minute=10_000), Clock())
    found = find(model, "eu-west-1")
    reserved = quota.reserve(found, 1_000, 4_000)
    assert reserved is not None
    quota.settle(reserved, found, 1_000, 100)
    assert reserved.tokens == used


def test_the_quota_comes_back_after_its_minute_and_is_each_models_own() -> None:
    clock = Clock()
    quota = TokenQuota(Scenario(tokens_per_minute=5_000), clock)
    haiku, sonnet = find(HAIKU, "eu-west-1"), find(SONNET, "eu-west-1")
    assert quota.reserve(haiku, 0, 4_000) is not None
    assert quota.reserve(haiku, 0, 4_000) is None
    assert quota.reserve(sonnet, 0, 4_000) is not None
    clock.now += 60
    assert quota.reserve(haiku, 0, 4_000) is not None


def test_a_call_beyond_the_quota_is_throttled_and_logged(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(tokens_per_minute=5_000, quota_window_s=30)
    assert ask.whole(inferenceConfig={"maxTokens": 4_000})["stopReason"] == "end_turn"
    with pytest.raises(ask.bedrock.exceptions.ThrottlingException, match="Too many tokens"):
        ask.whole(inferenceConfig={"maxTokens": 4_990})
    assert [call["outcome"] for call in stand_in.calls()] == ["ok", "ThrottlingException"]


def test_turns_are_not_spent_twice_by_threads() -> None:
    control = Control()
    control.set([Scenario(error="ThrottlingException", times=50)])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: control.take("x")[0].error, range(200)))
    assert taken.count("ThrottlingException") == 50
