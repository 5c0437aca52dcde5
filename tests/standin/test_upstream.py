"""`--model`: the stand-in forwards questions to an OpenAI-compatible server. A small server stands for it here."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, override

import pytest

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream
from tests.standin.asking import BRIEF, Ask, asking, input_of, names_of, streamed, text_of, tool

USAGE = {"prompt_tokens": 41, "completion_tokens": 7, "total_tokens": 48}


class Server(ThreadingHTTPServer):
    """A server with chat completions. A test sets its answer: the message, or a status and an error."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.message: dict[str, Any] = {"content": "Hello from the laptop."}
        self.finish_reason = "stop"
        self.error: tuple[int, dict[str, Any]] | None = None
        self.breaks_off = False
        self.waits_for: threading.Event | None = None
        self.always_whole = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers as llama.cpp, Ollama and vLLM do."""

    server: Server

    def do_GET(self) -> None:
        self._answer(200, {"object": "list", "data": [{"id": "llama-small"}, {"id": "other"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, **asked})
        self.server.headers.append(dict(self.headers))
        if self.server.error:
            self._answer(*self.server.error)
        elif asked["stream"] and not self.server.always_whole:
            self._stream()
        else:
            message = {"role": "assistant", **self.server.message}
            choice = {"index": 0, "message": message, "finish_reason": self.server.finish_reason}
            self._answer(200, {"choices": [choice], "usage": USAGE})

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        text = self.server.message.get("content") or ""
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [{"content": text[at : at + 9]} for at in range(0, len(text), 9)]
        if calls := self.server.message.get("tool_calls"):
            deltas.append({"tool_calls": calls})
        for number, delta in enumerate(deltas):
            if number == 1 and self.server.waits_for:
                self.server.waits_for.wait(60)
            self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            if number and self.server.breaks_off:
                return
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": self.server.finish_reason}]})
        self._event({"choices": [], "usage": USAGE})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, content: object) -> None:
        self.wfile.write(f"data: {json.dumps(content)}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status: int, content: object) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Keep silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    with StandIn(upstream=Upstream.connect(server.url)) as stand_in, asking(stand_in.url) as own:
        yield own


def test_a_question_is_answered_by_the_server_whole_or_as_a_stream(server: Server, ask: Ask) -> None:
    whole = ask.whole("Who are you?", system=[{"text": "Be brief."}], inferenceConfig={"maxTokens": 50})
    assert (text_of(whole), whole["stopReason"]) == ("Hello from the laptop.", "end_turn")
    assert (whole["usage"]["inputTokens"], whole["usage"]["outputTokens"]) == (41, 7)
    events = ask.events("Who are you?")
    assert streamed(events) == "Hello from the laptop."
    assert names_of(events) == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 7
    first, second = server.asked
    assert first["path"] == "/v1/chat/completions"
    assert first["model"] == "llama-small"
    assert (first["max_tokens"], first["stream"], second["stream"]) == (50, False, True)
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who are you?"},
    ]


@pytest.mark.parametrize("written", ['{"summary": "A pier."}', '```json\n{"summary": "A pier."}\n```'])
def test_a_tool_becomes_a_schema_of_the_answer_and_the_answer_a_use_of_the_tool(
    server: Server, ask: Ask, written: str
) -> None:
    server.message = {"content": written}
    events = ask.events("Sum it up.", toolConfig=tool(BRIEF))
    assert input_of(events) == {"summary": "A pier."}
    [start] = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
    assert start["toolUse"]["name"] == "Answer"
    assert [event["messageStop"]["stopReason"] for event in events if "messageStop" in event] == ["tool_use"]
    whole = ask.whole("Sum it up.", toolConfig=tool(BRIEF, forced=False))
    assert whole["output"]["message"]["content"][0]["toolUse"]["input"] == {"summary": "A pier."}
    for asked in server.asked:
        assert asked["response_format"]["json_schema"]["schema"] == BRIEF
        assert "tools" not in asked
        assert json.dumps(BRIEF) in asked["messages"][0]["content"]


def test_a_choice_between_tools_is_left_to_the_server(server: Server, ask: Ask) -> None:
    function = {"name": "Other", "arguments": '{"summary": "x"}'}
    server.message = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    server.finish_reason = "tool_calls"
    tools = [{"toolSpec": {"name": name, "inputSchema": {"json": BRIEF}}} for name in ("Answer", "Other")]
    choices: list[dict[str, Any]] = [{"toolChoice": {"any": {}}}, {}]
    for choice in choices:
        more = {"toolConfig": {"tools": tools, **choice}}
        content = ask.whole("Sum it up.", **more)["output"]["message"]["content"]
        [use] = [each["toolUse"] for each in content]
        assert (use["name"], use["input"]) == ("Other", {"summary": "x"})
        assert input_of(ask.events("Sum it up.", **more)) == {"summary": "x"}
    assert [asked["tool_choice"] for asked in server.asked] == ["required", "required", "auto", "auto"]
    assert {each["function"]["name"] for each in server.asked[0]["tools"]} == {"Answer", "Other"}


def test_a_conversation_with_results_of_tools_and_pictures_is_passed_on(server: Server, ask: Ask) -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "Answer", "input": {"summary": 1}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "summary is not a text"}], "status": "error"}}
    turns = [
        {
            "role": "user",
            "content": [{"text": "Sum up"}, {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}],
        },
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    server.message = {"content": '{"summary": "x"}'}
    ask.bedrock.converse(modelId=ask.model_id, messages=turns, toolConfig=tool(BRIEF))  # type: ignore[arg-type]
    [asked] = server.asked
    _, user, assistant, answered = asked["messages"]
    assert user["content"][0] == {"type": "text", "text": "Sum up"}
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert assistant["tool_calls"][0]["function"] == {"name": "Answer", "arguments": '{"summary": 1}'}
    assert answered == {"role": "tool", "tool_call_id": "t1", "content": "summary is not a text"}


def test_an_answer_that_is_cut_says_so(server: Server, ask: Ask) -> None:
    server.finish_reason = "length"
    assert ask.whole()["stopReason"] == "max_tokens"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (429, "ThrottlingException"),
        (400, "ValidationException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_an_error_of_the_server_is_one_of_bedrocks_with_its_message(
    server: Server, ask: Ask, status: int, name: str
) -> None:
    server.error = (status, {"error": {"message": "the model is still loading", "type": "x"}})
    calls: list[Callable[[], object]] = [ask.whole, ask.events]
    for call in calls:
        with pytest.raises(getattr(ask.bedrock.exceptions, name), match="the model is still loading"):
            call()


def test_an_answer_that_breaks_off_ends_the_stream_with_an_error(server: Server, ask: Ask) -> None:
    server.breaks_off = True
    with pytest.raises(Exception, match=r"modelStreamErrorException.*broke off"):
        ask.events()


def test_a_silent_model_gives_signs_of_life(server: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis_jobs_dev.cloud.stand_in.endpoint._SIGN_OF_LIFE_S", 0.05)
    server.waits_for = threading.Event()
    stream = iter(ask.stream())
    assert "messageStart" in next(stream), "the answer begins before the model has written anything"
    assert next(stream)["contentBlockDelta"]["delta"] == {"text": ""}
    server.waits_for.set()
    assert streamed(list(stream)) == "Hello from the laptop."


def test_a_server_that_does_not_stream_is_understood(server: Server, ask: Ask) -> None:
    server.always_whole = True
    assert streamed(ask.events()) == "Hello from the laptop."


def test_scripted_answers_come_first(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "answers.toml"
    script.write_text('[[answers]]\nmatch = "scripted"\nanswer = "From the file."\n', "utf-8")
    with StandIn(upstream=Upstream.connect(server.url), answers=[script]) as stand_in, asking(stand_in.url) as own:
        assert text_of(own.whole("A scripted one")) == "From the file."
        assert text_of(own.whole("Any other")) == "Hello from the laptop."
        stand_in.set(error="ThrottlingException")
        with pytest.raises(own.bedrock.exceptions.ThrottlingException):
            own.whole("Any other")


def test_the_url_may_have_any_of_its_usual_forms_and_a_key_is_sent(server: Server) -> None:
    forms = [server.url, f"{server.url}/", f"{server.url}/v1", f"{server.url}/v1/chat/completions"]
    assert {Upstream.connect(form).url for form in forms} == {f"{server.url}/v1"}
    upstream = Upstream.connect(server.url, "mine", key="secret")
    with StandIn(upstream=upstream) as stand_in, asking(stand_in.url) as own:
        own.whole()
    assert server.asked[0]["model"] == "mine"
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_a_server_that_does_not_answer_is_refused_at_once_with_the_fix() -> None:
    [port] = free_ports(1)
    with pytest.raises(CloudError, match=r"No OpenAI-compatible server answers at .*/v1.*Start it"):
        Upstream.connect(f"http://127.0.0.1:{port}")
