"""Scenarios: which calls are slowed, failed or throttled, how often, and what the log says about them."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import HTTPClientError

from analysis_jobs_dev.cloud.stand_in import Remote, Scenario, StandIn
from analysis_jobs_dev.cloud.stand_in.answers import digest
from analysis_jobs_dev.cloud.stand_in.models import find
from analysis_jobs_dev.cloud.stand_in.scenarios import TokenQuota
from tests.standin.asking import BRIEF, HAIKU, SONNET, Ask, asking, document, input_of, streamed, tool, user


def until(holds: Callable[[], object]) -> None:
    """Wait for something that happens on another thread."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.02)


def test_a_scenario_meets_only_the_calls_it_matches(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ModelNotReadyException", match="Trunk Road", pattern=r"EUR \d", model="eu.*", tool="Brief")
    for text, shape in ((document("museum"), BRIEF), (document("road"), {**BRIEF, "title": "Other"})):
        assert ask.whole(text, toolConfig=tool(shape))["stopReason"] == "tool_use"
    assert Ask(ask.bedrock, HAIKU).whole(document("road"), toolConfig=tool(BRIEF))["stopReason"] == "tool_use"
    with pytest.raises(ask.bedrock.exceptions.ModelNotReadyException):
        ask.whole(document("road"), toolConfig=tool(BRIEF))


def test_the_first_scenario_with_turns_left_decides_then_the_next(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set({"error": "ThrottlingException", "times": 1}, Scenario(error="ModelTimeoutException", times=1))
    with pytest.raises(ask.bedrock.exceptions.ThrottlingException):
        ask.events()
    with pytest.raises(ask.bedrock.exceptions.ModelTimeoutException):
        ask.whole()
    assert ask.whole()["stopReason"] == "end_turn"


def test_a_refused_request_spends_no_turn_of_a_scenario(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ThrottlingException", times=1)
    with pytest.raises(ask.bedrock.exceptions.ValidationException):
        ask.whole(messages=[user(" ")])
    assert stand_in.scenarios()[0]["times"] == 1


def test_a_trickle_arrives_piece_by_piece_and_its_first_piece_alone(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set({"chunk_s": 0.01, "chunk_chars": 4, "times": 1}, {"chunk_s": 60, "chunk_chars": 4})
    assert len([event for event in ask.events("Moon Base Plan") if "contentBlockDelta" in event]) >= 8
    stream = ask.stream("Moon Base Plan")
    assert next(iter(stream)) == {"messageStart": {"role": "assistant"}}
    assert stand_in.calls()[-1]["outcome"] == "running", "the rest comes later"
    stream.close()


def test_nonsense_does_not_fit_the_schema_and_the_next_answer_does(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(nonsense=True, times=1)
    assert "summary" not in input_of(ask.events(document("road"), toolConfig=tool(BRIEF)))
    assert "summary" in input_of(ask.events(document("road"), toolConfig=tool(BRIEF)))


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
        {"pattern": "("},
    ],
    ids=str,
)
def test_an_impossible_scenario_is_refused_here_and_by_the_server(stand_in: StandIn, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stand_in.set(**wrong)
    with pytest.raises(HTTPError, match="400") as caught:
        stand_in.request("POST", "/control", wrong)
    caught.value.close()
    assert stand_in.scenarios() == []


def test_an_unknown_path_is_not_found(stand_in: StandIn) -> None:
    with pytest.raises(HTTPError, match="404") as caught:
        stand_in.request("GET", "/nothing")
    caught.value.close()


def test_a_stand_in_is_controlled_by_its_url_alone(stand_in: StandIn) -> None:
    Remote(stand_in.url).set(stall_s=1, match="x")
    assert stand_in.scenarios() == [Scenario(stall_s=1, match="x").model_dump()]


def test_the_log_names_model_document_job_and_outcome(stand_in: StandIn, ask: Ask) -> None:
    ask.events(f"Read.\n<document>{document('road')}</document>", requestMetadata={"job_id": "01J"})
    stand_in.set(stream_error="throttlingException")
    with pytest.raises(Exception, match="throttlingException"):
        ask.events(document("road"))
    good, bad = stand_in.calls()
    assert (good["model"], good["operation"], good["metadata"]) == (SONNET, "converse-stream", {"job_id": "01J"})
    assert good["document_sha256"] == bad["document_sha256"] == digest(document("road"))
    assert good["prompt_sha256"] != bad["prompt_sha256"]
    assert good["output_tokens"] > 0
    assert [good["outcome"], bad["outcome"]] == ["ok", "stream: throttlingException"]
    assert stand_in.calls(outcome="ok") == [good]


def test_a_caller_that_hangs_up_is_noticed_while_the_model_is_silent(stand_in: StandIn) -> None:
    stand_in.set(stall_s=600)
    connection = http.client.HTTPConnection(urlsplit(stand_in.url).netloc, timeout=60)
    connection.request("POST", f"/model/{HAIKU}/converse-stream", json.dumps({"messages": [user("Hello.")]}))
    response = connection.getresponse()
    response.read1(10)
    assert stand_in.calls()[0]["outcome"] == "running"
    response.close()
    connection.close()
    until(lambda: stand_in.calls()[0]["outcome"] == "caller hung up")


def test_a_storm_is_counted_to_the_last_call(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(error="ThrottlingException", times=20)

    def outcome(number: int) -> str:
        try:
            return streamed(ask.events(f"Call {number}"))[:16]
        except ask.bedrock.exceptions.ThrottlingException:
            return "throttled"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(outcome, range(100)))
    assert (outcomes.count("throttled"), outcomes.count("[stand-in model]")) == (20, 80)
    assert len({call["prompt_sha256"] for call in stand_in.calls()}) == 100


def test_leaving_the_block_breaks_off_the_calls_under_way_and_frees_the_port() -> None:
    broken_off = threading.Event()

    def wait_for_ever(url: str) -> None:
        with asking(url, read_timeout_s=600) as patient, pytest.raises(HTTPClientError):
            patient.whole()
        broken_off.set()

    with StandIn() as short:
        short.set(first_token_s=600)
        threading.Thread(target=wait_for_ever, args=(short.url,), daemon=True).start()
        until(short.calls)
    assert broken_off.wait(30)
    with StandIn(int(short.url.rpartition(":")[2])) as again:
        assert (again.url, again.calls()) == (short.url, [])


# The token quota


class Clock:
    """A clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("model", "used"), [(HAIKU, 1_100), (SONNET, 1_500)])
def test_a_call_reserves_all_it_may_write_and_settles_at_its_output_times_the_burndown(model: str, used: int) -> None:
    quota, found = TokenQuota(Scenario(tokens_per_minute=10_000), Clock()), find(model, "eu-west-1")
    reserved = quota.reserve(found, 1_000, 8_000)
    assert reserved
    assert quota.reserve(found, 500, 501) is None
    quota.settle(reserved, found, 1_000, 100)
    assert reserved.tokens == used
    assert quota.reserve(found, 500, 501)


def test_a_call_without_a_maximum_reserves_that_of_the_model() -> None:
    reserved = TokenQuota(Scenario(tokens_per_minute=4_100), Clock()).reserve(find(HAIKU, "eu-west-1"), 4, None)
    assert reserved
    assert reserved.tokens == 4_100


def test_the_quota_comes_back_after_its_minute_and_each_model_has_its_own() -> None:
    clock = Clock()
    quota = TokenQuota(Scenario(tokens_per_minute=5_000), clock)
    haiku, sonnet = find(HAIKU, "eu-west-1"), find(SONNET, "eu-west-1")
    assert quota.reserve(haiku, 0, 4_000)
    assert quota.reserve(haiku, 0, 4_000) is None
    assert quota.reserve(sonnet, 0, 4_000)
    clock.now += 60
    assert quota.reserve(haiku, 0, 4_000)


def test_a_call_beyond_the_quota_is_throttled_and_logged(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(tokens_per_minute=5_000, quota_window_s=3_600)
    assert ask.whole(inferenceConfig={"maxTokens": 4_000})["stopReason"] == "end_turn"
    with pytest.raises(ask.bedrock.exceptions.ThrottlingException, match="Too many tokens"):
        ask.whole(inferenceConfig={"maxTokens": 4_990})
    assert [call["outcome"] for call in stand_in.calls()] == ["ok", "ThrottlingException"]
