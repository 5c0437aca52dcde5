"""Google's own client, the stand-in and Gemini's documents agree: answers, schemas, keys, and every way to fail."""

import base64
import http.client
import io
import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud.stand_in import StandIn
from tests.handlers.pdfs import pdf
from tests.standin.asking import PERSON, Ask, document, tool

MODEL = "gemini-2.5-flash"


def _post(stand_in: StandIn, path: str, content: Any, key: str | None = "any") -> tuple[int, str, str]:
    """Return the status, the content type and the body of an answer."""
    split = urlsplit(stand_in.url)
    connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=10)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"x-goog-api-key": key})
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, str(answer.headers["content-type"]), answer.read().decode()
    finally:
        connection.close()


def _body(*parts: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}], "generationConfig": config}


def _whole(stand_in: StandIn, body: Any, **options: Any) -> tuple[int, Any]:
    status, _, text = _post(stand_in, f"/v1beta/models/{MODEL}:generateContent", body, **options)
    return status, json.loads(text)


def _stream(stand_in: StandIn, body: Any) -> list[Any]:
    status, kind, text = _post(stand_in, f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", body)
    assert (status, kind) == (200, "text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\r\n\r\n") if line]


def _text(*chunks: Any) -> str:
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"])


def _error(answer: tuple[int, Any]) -> tuple[int, str, str]:
    status, body = answer
    assert body["error"]["code"] == status
    return status, body["error"]["status"], body["error"]["message"]


def test_a_whole_answer_and_a_streamed_one_say_the_same(stand_in: StandIn) -> None:
    body = _body({"text": document("museum")}, maxOutputTokens=500)
    status, whole = _whole(stand_in, body)
    chunks = _stream(stand_in, body)
    assert status == 200
    assert "Harbour Museum" in _text(whole) == _text(*chunks)
    assert whole["candidates"][0]["finishReason"] == "STOP"
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks] == [None] * (len(chunks) - 1) + ["STOP"]
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    assert "stand-in" in whole["modelVersion"], "nobody may take it for the real one"
    usage = whole["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]


@pytest.mark.parametrize(
    "shape",
    [
        {"responseJsonSchema": PERSON},
        {"responseSchema": {"type": "OBJECT", "properties": {"summary": {"type": "STRING", "nullable": True}}}},
    ],
    ids=["JSON schema", "Gemini's own"],
)
def test_a_schema_is_filled_as_bedrocks_tool_is(stand_in: StandIn, ask: Ask, shape: dict[str, Any]) -> None:
    _, whole = _whole(stand_in, _body({"text": document("museum")}, responseMimeType="application/json", **shape))
    bedrocks = ask.whole(document("museum"), toolConfig=tool(PERSON))["output"]["message"]["content"][0]["toolUse"]
    assert json.loads(_text(whole)) == bedrocks["input"]


def test_an_answer_is_cut_at_its_limit(stand_in: StandIn) -> None:
    _, whole = _whole(stand_in, _body({"text": document("museum")}, maxOutputTokens=3))
    assert whole["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert len(_text(whole)) == 12


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Invalid JSON payload"),
        (b"[]", "Invalid JSON payload"),
        ({}, "contents is not specified"),
        ({"contents": [{"parts": []}]}, "contents is not specified"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "valid role"),
        (_body({"text": "x"}, maxOutputTokens=0), "maxOutputTokens value of 0"),
        (_body({"text": "x"}, maxOutputTokens=65_537), "from 1 (inclusive) to 65537 (exclusive)"),
        (_body({"text": "x"}, responseJsonSchema=PERSON), "response mime type"),
        (_body({"inlineData": {"mimeType": "application/zip", "data": "eA=="}}), "Unsupported MIME type"),
        (_body({"inlineData": {"mimeType": "image/png", "data": "x"}}), "TYPE_BYTES"),
        (_body({"inlineData": {"mimeType": "image/png", "data": ""}}), "Unable to process"),
    ],
)
def test_what_gemini_would_refuse_is_refused(stand_in: StandIn, body: Any, message: str) -> None:
    status, name, said = _error(_whole(stand_in, body))
    assert (status, name) == (400, "INVALID_ARGUMENT")
    assert message in said


def test_a_model_that_there_is_not_is_not_found(stand_in: StandIn) -> None:
    _, _, text = _post(stand_in, "/v1beta/models/claude:generateContent", _body({"text": "x"}))
    assert _error((404, json.loads(text)))[1] == "NOT_FOUND"


def test_a_prompt_that_is_too_long_is_refused(stand_in: StandIn) -> None:
    stand_in.set(context_tokens=5)
    assert "exceeds the maximum number of tokens" in _error(_whole(stand_in, _body({"text": "x " * 50})))[2]


def test_any_key_is_taken_until_one_is_named_and_a_reset_forgets_it(stand_in: StandIn) -> None:
    body = _body({"text": "x"})
    assert _whole(stand_in, body, key="whatever")[0] == 200
    stand_in.take_gemini_key("right")
    assert _whole(stand_in, body, key="right")[0] == 200
    status, answer = _whole(stand_in, body, key="wrong")
    assert (status, answer["error"]["message"]) == (400, "API key not valid. Please pass a valid API key.")
    assert answer["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    stand_in.reset()
    assert _whole(stand_in, body, key="wrong")[0] == 200


def test_without_a_key_a_call_is_refused(stand_in: StandIn) -> None:
    assert _error(_whole(stand_in, _body({"text": "x"}), key=None))[:2] == (403, "PERMISSION_DENIED")


def test_a_quota_says_which_one_it_is_and_how_long_to_wait(stand_in: StandIn) -> None:
    stand_in.set(tokens_per_minute=10, retry_delay_s=12.5)
    status, answer = _whole(stand_in, _body({"text": "x"}, maxOutputTokens=100))
    failure, retry = answer["error"]["details"]
    assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "PerMinute" in failure["violations"][0]["quotaId"]
    assert retry["retryDelay"] == "12.5s"


@pytest.mark.parametrize(
    ("told", "status", "name"),
    [
        ("RESOURCE_EXHAUSTED", 429, "RESOURCE_EXHAUSTED"),
        ("ThrottlingException", 429, "RESOURCE_EXHAUSTED"),
        ("UNAVAILABLE", 503, "UNAVAILABLE"),
        ("AccessDeniedException", 403, "PERMISSION_DENIED"),
        ("ExpiredTokenException", 500, "INTERNAL"),
    ],
)
def test_an_error_goes_by_either_vendors_name(stand_in: StandIn, told: str, status: int, name: str) -> None:
    stand_in.set(error=told)
    assert _error(_whole(stand_in, _body({"text": "x"})))[:2] == (status, name)


@pytest.mark.parametrize(
    ("told", "name"),
    [("RESOURCE_EXHAUSTED", "ThrottlingException"), ("ABORTED", "InternalServerException")],
)
def test_geminis_names_are_understood_at_bedrock_too(stand_in: StandIn, ask: Ask, told: str, name: str) -> None:
    stand_in.set(error=told)
    with pytest.raises(getattr(ask.bedrock.exceptions, name)):
        ask.whole()


def test_the_log_knows_calls_of_both(stand_in: StandIn, ask: Ask) -> None:
    ask.whole("Hello.")
    _whole(stand_in, _body({"text": "Hello."}))
    expected = [("converse", "ok"), ("generateContent", "ok")]
    # A call is written down as ended when its answer is out: its caller may be here before that.
    deadline = time.monotonic() + 60
    while (found := [(call["operation"], call["outcome"]) for call in stand_in.calls()]) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


# What is beside the prompt


def _inline(content: bytes, kind: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(content).decode()}}


def _picture(text: str) -> bytes:
    image = pytest.importorskip("PIL.Image")
    draw, font = pytest.importorskip("PIL.ImageDraw"), pytest.importorskip("PIL.ImageFont")
    picture = image.new("RGB", (900, 160), "white")
    draw.Draw(picture).text((30, 50), text, fill="black", font=font.load_default(48))
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


def _title(stand_in: StandIn, part: dict[str, Any]) -> Any:
    schema = {"type": "object", "properties": {"deadline": {"type": "string"}}, "required": ["deadline"]}
    body = _body(
        part, {"text": "When is the deadline?"}, responseMimeType="application/json", responseJsonSchema=schema
    )
    return json.loads(_text(_whole(stand_in, body)[1]))["deadline"]


def test_the_text_of_a_pdf_is_read(stand_in: StandIn) -> None:
    assert "March 2027" in _title(stand_in, _inline(pdf(["Deadline: 15 March 2027"]), "application/pdf"))


def test_a_picture_is_read_where_there_is_an_engine(stand_in: StandIn) -> None:
    pytest.importorskip("tesserocr")
    assert "March 2027" in _title(stand_in, _inline(_picture("Deadline: 15 March 2027"), "image/png"))


@pytest.mark.parametrize(("content", "kind"), [(b"%PDF-1.4 rubbish", "application/pdf"), (b"rubbish", "image/png")])
def test_what_cannot_be_read_says_so_and_is_no_error(stand_in: StandIn, content: bytes, kind: str) -> None:
    _, whole = _whole(stand_in, _body(_inline(content, kind), {"text": "What is it?"}))
    assert "cannot read this" in _text(whole)


def test_both_alphabets_of_base64_are_understood(stand_in: StandIn) -> None:
    content = "Deadline: 15 March 2027 \u00fb\u00ff\u00be".encode()
    plain = _inline(content, "text/plain")
    safe = {"inlineData": {"mimeType": "text/plain", "data": base64.urlsafe_b64encode(content).decode()}}
    assert _title(stand_in, plain) == _title(stand_in, safe)


def _converse(ask: Ask, *blocks: dict[str, Any], text: str | None = "What?") -> Any:
    turn = {"role": "user", "content": [*blocks, *([{"text": text}] if text else [])]}
    return ask.bedrock.converse(modelId=ask.model_id, messages=[turn])  # type: ignore[list-item]


def _document(name: str = "call", content: bytes = b"Deadline: 15 March 2027", kind: str = "txt") -> dict[str, Any]:
    return {"document": {"name": name, "format": kind, "source": {"bytes": content}}}


_IMAGE = {"image": {"format": "png", "source": {"bytes": b"x"}}}


@pytest.mark.parametrize(
    ("blocks", "text", "message"),
    [
        ([_document("a.pdf")], "x", "file name provided is not valid"),
        ([_document("two  blanks")], "x", "file name provided is not valid"),
        ([_document(), _document()], "x", "must be unique"),
        ([_document(str(number)) for number in range(6)], "x", "maximum of 5"),
        ([_IMAGE] * 21, "x", "maximum of 20"),
        ([_document(kind="pdf")], None, "text block is required"),
        ([_document(content=b"x" * 4_718_593)], "x", "4.5 MB"),
        ([{"image": {"format": "png", "source": {"bytes": b"x" * 3_932_161}}}], "x", "3.75 MB"),
    ],
)
def test_converse_refuses_what_bedrock_refuses(ask: Ask, blocks: list[Any], text: str | None, message: str) -> None:
    with pytest.raises(ask.bedrock.exceptions.ValidationException, match=message):
        _converse(ask, *blocks, text=text)


def test_converse_reads_documents_too(ask: Ask) -> None:
    answer = _converse(ask, _document(), text="When is the deadline?")
    assert "15 March 2027" in answer["output"]["message"]["content"][0]["text"]
