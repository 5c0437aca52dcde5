"""The stand-in refuses what Bedrock refuses, in its words where they are known."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.standin.asking import BRIEF, HAIKU, SONNET, Ask, text_of, tool, user

ASSISTANT = {"role": "assistant", "content": [{"text": "Hello."}]}
USED = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "Answer", "input": {}}}]}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "It does not fit."}], "status": "error"}}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no message": ({"messages": []}, "must start with a user message"),
    "an assistant first": ({"messages": [ASSISTANT, user("Hi.")]}, "must start with a user message"),
    "two users in a row": ({"messages": [user("Hi."), user("Oh?")]}, "must alternate between user and assistant roles"),
    "an unknown role": (
        {"messages": [user("Hi."), {"role": "tool", "content": []}]},
        "Value at 'messages.2.member.role' failed to satisfy constraint: Member must satisfy enum value set",
    ),
    "an empty turn": ({"messages": [{"role": "user", "content": []}]}, "messages.0 is empty"),
    "a blank text": ({"messages": [user(" ")]}, "messages.0.content.0 is blank"),
    "too many tokens asked for": ({"inferenceConfig": {"maxTokens": 64_001}}, "exceeds the model limit of 64000"),
    "no tokens asked for": ({"inferenceConfig": {"maxTokens": 0}}, "greater than or equal to 1"),
    "a temperature too high": ({"inferenceConfig": {"temperature": 1.5}}, "less than or equal to 1"),
    "too long a text": ({"messages": [user("word " * 200_000)]}, "Input is too long for requested model."),
    "a choice of no tool": (
        {"toolConfig": {**tool(BRIEF), "toolChoice": {"tool": {"name": "Other"}}}},
        "Other at toolConfig.toolChoice.tool.name",
    ),
    "no tools": ({"toolConfig": {"tools": []}}, "Value at 'toolConfig.tools' failed to satisfy constraint"),
    "a tool's name with a dot": ({"toolConfig": tool(BRIEF, "a.b")}, "toolSpec.name"),
    "a schema of no object": ({"toolConfig": tool({"type": "array"})}, "inputSchema.json.type must be one of"),
    "a tool use without a result": (
        {"messages": [user("Hi."), USED, user("Again.")], "toolConfig": tool(BRIEF)},
        "Expected toolResult blocks at messages.2.content for the following Ids: t1",
    ),
    "a result without a use": (
        {"messages": [user("Hi."), ASSISTANT, {"role": "user", "content": [RESULT]}], "toolConfig": tool(BRIEF)},
        "exceeds the number of toolUse blocks",
    ),
    "a tool use without tools": (
        {"messages": [user("Hi."), USED, {"role": "user", "content": [RESULT]}]},
        "toolConfig field must be defined",
    ),
    "too much metadata": ({"requestMetadata": {f"k{n}": "v" for n in range(17)}}, "requestMetadata"),
}


def refusal(url: str, body: object, model: str = SONNET, operation: str = "converse") -> tuple[int, str, str]:
    """Return status, error type and message; sent without botocore, which would refuse some of it itself."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    credential = "AWS4-HMAC-SHA256 Credential=AKIA/20270101/eu-west-1/bedrock/aws4_request"
    request = Request(f"{url}/model/{model}/{operation}", content, {"Authorization": credential})
    with pytest.raises(HTTPError) as caught:
        urlopen(request, timeout=60)
    with caught.value as answer:
        return answer.code, answer.headers["x-amzn-ErrorType"].partition(":")[0], json.load(answer)["message"]


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("operation", ["converse", "converse-stream"])
def test_a_bad_request_is_a_validation_exception(
    stand_in: StandIn, operation: str, change: dict[str, Any], words: str
) -> None:
    status, kind, message = refusal(stand_in.url, {"messages": [user("Hi.")], **change}, operation=operation)
    assert (status, kind) == (400, "ValidationException")
    assert words in message


def a_document(name: str = "call", content: bytes = b"Deadline: 15 March 2027", kind: str = "txt") -> dict[str, Any]:
    return {"document": {"name": name, "format": kind, "source": {"bytes": content}}}


def an_image(content: bytes = b"x", kind: str = "png") -> dict[str, Any]:
    return {"image": {"format": kind, "source": {"bytes": content}}}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([a_document("a.pdf")], "file name provided is not valid"),
        ([a_document("two  blanks")], "file name provided is not valid"),
        ([a_document(), a_document()], "must be unique"),
        ([a_document(str(number)) for number in range(6)], "maximum of 5"),
        ([a_document(content=b"x" * 4_718_593)], "4.5 MB"),
        ([a_document(kind="exe")], "document.format"),
        ([an_image()] * 21, "maximum of 20"),
        ([an_image(b"x" * 3_932_161)], "3.75 MB"),
        ([an_image(kind="tiff")], "image.format"),
    ],
)
def test_an_attachment_that_bedrock_refuses_is_refused(ask: Ask, blocks: list[Any], message: str) -> None:
    turn: Any = {"role": "user", "content": [*blocks, {"text": "What is it?"}]}
    with pytest.raises(ask.bedrock.exceptions.ValidationException, match=message):
        ask.whole(messages=[turn])


def test_a_document_is_read_and_needs_a_text_beside_it(ask: Ask) -> None:
    alone = {"role": "user", "content": [a_document()]}
    with pytest.raises(ask.bedrock.exceptions.ValidationException, match="text block is required"):
        ask.whole(messages=[alone])
    answer = ask.whole(messages=[{"role": "user", "content": [a_document(), {"text": "When is it?"}]}])
    assert "15 March 2027" in text_of(answer)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("eu.anthropic.claude-opus-5-5", "when tool_choice forces tool use"),
        ("eu.meta.llama4-scout-17b-instruct-v1:0", "doesn't support the toolConfig.toolChoice.tool field"),
    ],
)
def test_some_models_refuse_a_forced_tool_and_use_one_that_is_offered(
    stand_in: StandIn, ask: Ask, model: str, words: str
) -> None:
    choices: list[dict[str, Any]] = [{"tool": {"name": "Answer"}}, {"any": {}}]
    for choice in choices:
        body = {"messages": [user("Hi.")], "toolConfig": {**tool(BRIEF), "toolChoice": choice}}
        status, kind, message = refusal(stand_in.url, body, model)
        assert (status, kind) == (400, "ValidationException")
        assert words in message
    offered = Ask(ask.bedrock, model)
    assert offered.whole(toolConfig=tool(BRIEF, forced=False))["stopReason"] == "tool_use"
    stand_in.set(tool_as_text=True)
    assert "```json" in text_of(offered.whole(toolConfig=tool(BRIEF, forced=False)))


def test_a_body_that_is_no_json_object_is_refused(stand_in: StandIn) -> None:
    for body in (b"{", b"[]"):
        assert refusal(stand_in.url, body)[:2] == (400, "SerializationException")


def test_a_request_of_an_unforeseen_shape_is_refused_and_reported(
    stand_in: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    status, kind, message = refusal(stand_in.url, {"messages": ["Hi."]})
    assert (status, kind) == (400, "ValidationException")
    assert "The stand-in cannot answer this" in message
    assert "Traceback" in capfd.readouterr().err


def test_the_context_can_be_made_small_for_a_test(stand_in: StandIn, ask: Ask) -> None:
    stand_in.set(context_tokens=10)
    assert ask.whole("Hi.")["stopReason"] == "end_turn"
    with pytest.raises(ask.bedrock.exceptions.ValidationException, match="Input is too long"):
        ask.whole("word " * 20)


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("gpt-4", "ValidationException", "model identifier is invalid"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "ValidationException", "model identifier is invalid"),
        ("anthropic.claude-v2:1", "ResourceNotFoundException", "end of its life"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "ValidationException", "on-demand throughput"),
    ],
)
def test_a_model_that_is_not_offered_here_is_refused(ask: Ask, model: str, code: str, words: str) -> None:
    other = Ask(ask.bedrock, model)
    for call in (other.whole, other.events):
        with pytest.raises(ClientError, match=words) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
    assert Ask(ask.bedrock, HAIKU).whole()["stopReason"] == "end_turn", "an older model takes its bare ID"


def test_a_repair_turn_is_answered_from_the_document_and_an_accepted_result_ends_the_turn(ask: Ask) -> None:
    turns = [user("<document>\nMoon Base Plan\n</document>"), USED]
    repaired = ask.whole(messages=[*turns, {"role": "user", "content": [RESULT]}], toolConfig=tool(BRIEF))
    assert repaired["stopReason"] == "tool_use"
    [block] = repaired["output"]["message"]["content"]
    assert block["toolUse"]["input"]["summary"].startswith("Moon Base Plan")
    accepted = {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "Thanks."}]}}]}
    assert ask.whole(messages=[*turns, accepted], toolConfig=tool(BRIEF, forced=False))["stopReason"] == "end_turn"
