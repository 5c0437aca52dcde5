"""How the tests ask the stand-in: boto3's own client, and the three documents."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from pydantic import BaseModel

from cloud.stand_in.answers import Conversation
from cloud.stand_in.answers import answer as reply

if TYPE_CHECKING:
    from types_boto3_bedrock_runtime import BedrockRuntimeClient

DOCUMENTS = Path(__file__).parent / "documents"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
PERSON = {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}


def document(name: str) -> str:
    """Return one of the three texts: `museum`, `road`, `certificate`."""
    return (DOCUMENTS / f"{name}.txt").read_text("utf-8")


@contextlib.contextmanager
def asking(url: str, read_timeout_s: float = 5) -> "Iterator[Ask]":
    """Ask the stand-in at this URL, and leave no connection open."""
    with contextlib.closing(client(url, read_timeout_s=read_timeout_s)) as bedrock:
        yield Ask(bedrock)


def filled[Answer: BaseModel](answer: type[Answer], prompt: str) -> Answer:
    """Return what the stand-in would answer to a prompt in the shape of a model, as `job.ask(prompt, answer=…)` does.

    For a look at it while one writes an analysis; what stands between `<document>` and `</document>` is what is read.
    """
    schema = {"inputSchema": {"json": answer.model_json_schema()}}
    asked = Conversation([user(prompt)], tools={"answer": schema}, tool_choice={"tool": {"name": "answer"}})
    return answer.model_validate(reply(asked, 100_000).tool_input)


def client(url: str, region: str = "eu-west-1", read_timeout_s: float = 5) -> "BedrockRuntimeClient":
    """Return a client that sends a request once."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="example",
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=read_timeout_s, max_pool_connections=32, proxies={}
        ),
    )


def user(text: str) -> dict[str, Any]:
    """Return a turn of the user's."""
    return {"role": "user", "content": [{"text": text}]}


def tool(schema: Mapping[str, Any], name: str = "Answer", *, forced: bool = True) -> dict[str, Any]:
    """Return a `toolConfig` with one tool."""
    spec = {"name": name, "inputSchema": {"json": dict(schema)}}
    return {"tools": [{"toolSpec": spec}], **({"toolChoice": {"tool": {"name": name}}} if forced else {})}


class Ask:
    """Calls Converse or ConverseStream and returns what arrived."""

    def __init__(self, bedrock: "BedrockRuntimeClient", model_id: str = SONNET) -> None:
        self.bedrock = bedrock
        self.model_id = model_id

    def whole(self, text: str = "Hello.", **more: Any) -> dict[str, Any]:
        """Return Converse's answer."""
        return dict(self.bedrock.converse(**self._arguments(text, more)))

    def events(self, text: str = "Hello.", **more: Any) -> list[dict[str, Any]]:
        """Return all events of ConverseStream's answer."""
        arrived: list[dict[str, Any]] = []
        self.events_into(arrived, text, **more)
        return arrived

    def events_into(self, arrived: list[dict[str, Any]], text: str = "Hello.", **more: Any) -> None:
        """Add the events as they arrive, so that a test sees what came before an error."""
        with contextlib.closing(self.stream(text, **more)) as stream:
            arrived.extend({**event} for event in stream)

    def stream(self, text: str = "Hello.", **more: Any) -> Any:
        """Return the stream of ConverseStream's answer, to be read and closed by the caller."""
        return self.bedrock.converse_stream(**self._arguments(text, more))["stream"]

    def _arguments(self, text: str, more: Mapping[str, Any]) -> Any:
        return {"modelId": self.model_id, "messages": [user(text)], **more}


def text_of(events: list[dict[str, Any]]) -> str:
    """Return the text of a stream."""
    return "".join(
        event["contentBlockDelta"]["delta"].get("text", "") for event in events if "contentBlockDelta" in event
    )


def input_of(events: list[dict[str, Any]]) -> Any:
    """Return the tool's input of a stream."""
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return json.loads("".join(delta["toolUse"]["input"] for delta in deltas))


def names_of(events: list[dict[str, Any]]) -> list[str]:
    """Return the events' names, repeated ones once."""
    names = [next(iter(event)) for event in events]
    return [name for place, name in enumerate(names) if place == 0 or name != names[place - 1]]
