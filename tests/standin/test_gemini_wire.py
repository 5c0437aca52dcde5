"""Gemini's protocol as its documentation has it. `tests/handlers` hold the same server against Google's own client."""

import base64
import io
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image, ImageDraw, ImageFont

from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.pdfs import pdf
from tests.standin.asking import BRIEF, Ask, document, tool

MODEL = "gemini-2.5-flash"


def post(stand_in: StandIn, operation: str, content: Any, model: str = MODEL, key: str = "any") -> tuple[int, str]:
    """Return the status and the body of an answer."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"} | ({"x-goog-api-key": key} if key else {})
    try:
        with urlopen(Request(f"{stand_in.url}/v1beta/models/{model}:{operation}", body, headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def whole(stand_in: StandIn, body: Any, **options: Any) -> tuple[int, Any]:
    status, text = post(stand_in, "generateContent", body, **options)
    return status, json.loads(text)


def stream(stand_in: StandIn, body: Any) -> list[Any]:
    _, text = post(stand_in, "streamGenerateContent?alt=sse", body)
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\r\n\r\n") if line]


def asking_for(*parts: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}], "generationConfig": config}


def text_of(*chunks: Any) -> str:
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


def inline(content: bytes, kind: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(content).decode()}}


def test_a_whole_answer_and_a_streamed_one_say_the_same(stand_in: StandIn) -> None:
    body = asking_for({"text": document("museum")}, maxOutputTokens=500)
    (status, answer), chunks = whole(stand_in, body), stream(stand_in, body)
    assert status == 200
    assert "Harbour Museum" in text_of(answer) == text_of(*chunks)
    assert answer["candidates"][0]["finishReason"] == "STOP"
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None] * (len(chunks) - 1) + ["STOP"]
    assert chunks[-1]["usageMetadata"] == answer["usageMetadata"]
    assert "stand-in" in answer["modelVersion"], "nobody may take it for the real one"
    usage = answer["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]


@pytest.mark.parametrize(
    "shape",
    [
        {"responseJsonSchema": BRIEF},
        {"responseSchema": {"type": "OBJECT", "properties": {"summary": {"type": "STRING", "nullable": True}}}},
    ],
    ids=["JSON schema", "Gemini's own"],
)
def test_a_schema_is_filled_as_bedrocks_tool_is(stand_in: StandIn, ask: Ask, shape: dict[str, Any]) -> None:
    _, answer = whole(stand_in, asking_for({"text": document("museum")}, responseMimeType="application/json", **shape))
    block = ask.whole(document("museum"), toolConfig=tool(BRIEF))["output"]["message"]["content"][0]
    assert json.loads(text_of(answer)) == block["toolUse"]["input"]


def test_an_answer_is_cut_at_its_limit(stand_in: StandIn) -> None:
    _, answer = whole(stand_in, asking_for({"text": document("museum")}, maxOutputTokens=3))
    assert (answer["candidates"][0]["finishReason"], len(text_of(answer))) == ("MAX_TOKENS", 12)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Invalid JSON payload"),
        (b"[]", "Invalid JSON payload"),
        ({}, "contents is not specified"),
        ({"contents": [{"parts": []}]}, "contents is not specified"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        (asking_for({"text": "x"}, maxOutputTokens=0), "maxOutputTokens value of 0"),
        (asking_for({"text": "x"}, maxOutputTokens=65_537), "from 1 (inclusive) to 65537 (exclusive)"),
        (asking_for({"text": "x"}, responseJsonSchema=BRIEF), "response mime type"),
        (asking_for({"text": "x" * 4_500_000}), "exceeds the maximum number of tokens"),
        (asking_for(inline(b"x", "application/zip")), "Unsupported MIME type"),
        (asking_for({"inlineData": {"mimeType": "image/png", "data": "x"}}), "TYPE_BYTES"),
        (asking_for(inline(b"", "image/png")), "Unable to process"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_gemini_would_refuse_is_refused(stand_in: StandIn, body: Any, message: str) -> None:
    status, answer = whole(stand_in, body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert message in answer["error"]["message"]


def test_an_unknown_model_and_a_call_without_a_key_are_refused(stand_in: StandIn) -> None:
    body = asking_for({"text": "x"})
    assert whole(stand_in, body, model="claude")[1]["error"]["status"] == "NOT_FOUND"
    assert whole(stand_in, body, key="")[1]["error"]["status"] == "PERMISSION_DENIED"


def test_a_reset_forgets_the_key(stand_in: StandIn) -> None:
    stand_in.take_gemini_key("right")
    body = asking_for({"text": "x"})
    assert [whole(stand_in, body, key=key)[0] for key in ("right", "wrong")] == [200, 400]
    stand_in.reset()
    assert whole(stand_in, body, key="wrong")[0] == 200


def test_an_error_goes_by_either_vendors_name(stand_in: StandIn, ask: Ask) -> None:
    for told, gemini, bedrock in (
        ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "ThrottlingException"),
        ("ThrottlingException", "RESOURCE_EXHAUSTED", "ThrottlingException"),
        ("UNAVAILABLE", "UNAVAILABLE", "ServiceUnavailableException"),
        ("ABORTED", "ABORTED", "InternalServerException"),
        ("ExpiredTokenException", "INTERNAL", "ExpiredTokenException"),
    ):
        stand_in.set(error=told)
        assert whole(stand_in, asking_for({"text": "x"}))[1]["error"]["status"] == gemini
        with pytest.raises(ask.bedrock.exceptions.ClientError, match=bedrock):
            ask.whole()


# Attachments


def picture(text: str) -> bytes:
    drawn, held = Image.new("RGB", (900, 160), "white"), io.BytesIO()
    ImageDraw.Draw(drawn).text((30, 50), text, fill="black", font=ImageFont.load_default(48))
    drawn.save(held, "PNG")
    return held.getvalue()


DEADLINE = "Deadline: 15 March 2027"


@pytest.mark.parametrize(
    "part",
    [inline(pdf([DEADLINE]), "application/pdf"), inline(picture(DEADLINE), "image/png"), inline(b"x", "text/plain")],
    ids=["PDF", "picture", "text in the other alphabet"],
)
def test_an_attachment_is_read(stand_in: StandIn, part: dict[str, Any]) -> None:
    if part["inlineData"]["mimeType"] == "text/plain":
        part["inlineData"]["data"] = base64.urlsafe_b64encode(f"{DEADLINE} \u00fb\u00ff\u00be".encode()).decode()
    schema = {"type": "object", "properties": {"deadline": {"type": "string"}}, "required": ["deadline"]}
    shape = {"responseMimeType": "application/json", "responseJsonSchema": schema}
    _, answer = whole(stand_in, asking_for(part, {"text": "When is the deadline?"}, **shape))
    assert "March 2027" in json.loads(text_of(answer))["deadline"]


@pytest.mark.parametrize(("content", "kind"), [(b"%PDF-1.4 rubbish", "application/pdf"), (b"rubbish", "image/png")])
def test_an_unreadable_attachment_is_named_in_the_answer(stand_in: StandIn, content: bytes, kind: str) -> None:
    _, answer = whole(stand_in, asking_for(inline(content, kind), {"text": "What is it?"}))
    assert "cannot read this" in text_of(answer)
