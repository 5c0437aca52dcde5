"""How the tests call the stand-in: boto3's own client, and two documents."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
BRIEF = {"title": "Brief", "type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}


def document(name: str) -> str:
    """Return one of the two texts: `museum`, `road`."""
    return (Path(__file__).parent / "documents" / f"{name}.txt").read_text("utf-8")


@contextlib.contextmanager
def asking(url: str, read_timeout_s: float = 5) -> "Iterator[Ask]":
    """Give a client of the stand-in at this URL, and close its connections afterwards."""
    with contextlib.closing(client(url, read_timeout_s=read_timeout_s)) as bedrock:
        yield Ask(bedrock)


def client(url: str, read_timeout_s: float = 5) -> "BedrockRuntimeClient":
    """Return a client that sends each request once."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="example",
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=read_timeout_s, max_pool_connections=32, proxies={}
        ),
    )


def user(text: str) -> dict[str, Any]:
    """Return a turn of the user."""
    return {"role": "user", "content": [{"text": text}]}


def tool(schema: Mapping[str, Any], name: str = "Answer", *, forced: bool = True) -> dict[str, Any]:
    """Return a `toolConfig` with one tool."""
    spec = {"name": name, "inputSchema": {"json": dict(schema)}}
    return {"tools": [{"toolSpec": spec}], **({"toolChoice": {"tool": {"name": name}}} if forced else {})}


class Ask:
    """Calls Converse or ConverseStream, and returns what arrived."""

    def __init__(self, bedrock: "BedrockRuntimeClient", model_id: str = SONNET) -> None:
        self.bedrock = bedrock
        self.model_id = model_id

    def whole(self, text: str = "Hello.", **more: Any) -> dict[str, Any]:
        """Return the answer of Converse."""
        return dict(self.bedrock.converse(**self._arguments(text, more)))

    def events(self, text: str = "Hello.", **more: Any) -> list[dict[str, Any]]:
        """Return all events of ConverseStream."""
        with contextlib.closing(self.stream(text, **more)) as stream:
            return [{**event} for event in stream]

    def stream(self, text: str = "Hello.", **more: Any) -> Any:
        """Return the stream of ConverseStream; the caller reads and closes it."""
        return self.bedrock.converse_stream(**self._arguments(text, more))["stream"]

    def _arguments(self, text: str, more: Mapping[str, Any]) -> Any:
        return {"modelId": self.model_id, "messages": [user(text)], **more}


def text_of(answer: Mapping[str, Any]) -> str:
    """Return the text of an answer of Converse."""
    return next(str(block["text"]) for block in answer["output"]["message"]["content"] if "text" in block)


def streamed(events: list[dict[str, Any]]) -> str:
    """Return the text of a stream, or the tool's input as JSON."""
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta["toolUse"]["input"] if "toolUse" in delta else delta.get("text", "") for delta in deltas)


def input_of(events: list[dict[str, Any]]) -> Any:
    """Return the tool's input of a stream."""
    return json.loads(streamed(events))


def names_of(events: list[dict[str, Any]]) -> list[str]:
    """Return the names of the events, each run of one name once."""
    names = [next(iter(event)) for event in events]
    return [name for place, name in enumerate(names) if place == 0 or name != names[place - 1]]
