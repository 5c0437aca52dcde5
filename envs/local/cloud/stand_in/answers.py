"""What the stand-in model answers: text, or the input of the tool it is to use, from the document it was given."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from cloud.stand_in.attached import Attached, attached
from cloud.stand_in.filling import fill
from cloud.stand_in.json_types import Json
from cloud.stand_in.reading import read

CHARS_PER_TOKEN: Final = 4
_TAG = "document|documents|doc|source|source_text|rfp|rfp_text|input_text|text|content|attachment"
_FENCED = re.compile(rf"<(?P<tag>{_TAG})\b[^<>]*>(?P<inside>.*?)</(?P=tag)\s*>", re.DOTALL | re.IGNORECASE)
_NONSENSE: Final = {"stand_in_nonsense": [None, {"this": "fits no schema"}]}


@dataclass(frozen=True)
class Answer:
    """An answer: either `text` or a tool's name and its input as JSON, already cut to the tokens it may have."""

    stop_reason: str
    text: str = ""
    tool: str = ""
    tool_json: str = ""

    @property
    def output_tokens(self) -> int:
        """How many tokens it is."""
        return tokens(self.text or self.tool_json)

    @property
    def tool_input(self) -> Json:
        """The input of the tool; empty where it was cut."""
        try:
            return json.loads(self.tool_json)
        except json.JSONDecodeError:
            return {}


@dataclass(frozen=True)
class Conversation:
    """The body of a Converse request that was found valid."""

    messages: Sequence[Mapping[str, Any]]
    system: Sequence[Mapping[str, Any]] = ()
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tool_choice: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    stop_sequences: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def prompt(self) -> str:
        """All texts of the conversation, the system's first."""
        turns = (_texts(message["content"]) for message in self.messages)
        return "\n".join([*_texts(self.system), *(text for texts in turns for text in texts)])

    @cached_property
    def source(self) -> str:
        """The document: what stands between tags such as `<document>`, else the text of the user's last turn.

        A turn that returns a tool's result is a remark on the answer, not a document: the turn before it counts.
        """
        turns = [
            "\n".join(_texts(message["content"]))
            for message in self.messages
            if message["role"] == "user" and not any("toolResult" in block for block in message["content"])
        ]
        fenced = [match["inside"] for turn in turns for match in _FENCED.finditer(turn)]
        seen = self.attachments
        told = [*(each.shown for each in seen if not each.is_picture), *fenced]
        if seen:  # pictures are looked at where there is no text, which is exact and quick to read
            return "\n\n".join(told or [each.shown for each in seen])
        return "\n\n".join(fenced) if fenced else next((turn for turn in reversed(turns) if turn.strip()), "")

    @cached_property
    def input_tokens(self) -> int:
        """How many tokens are read: four characters each, the tools' schemas and results included."""
        plain = (block for message in self.messages for block in message["content"] if not attached(block))
        others = [*(block for block in plain if "text" not in block), *self.tools.values()]
        read = tokens(self.prompt + (json.dumps(others, default=str) if others else ""))
        return read + sum(each.tokens for each in self.attachments)

    @cached_property
    def attachments(self) -> list[Attached]:
        """The pictures and documents of the user's turns."""
        blocks = (block for message in self.messages if message["role"] == "user" for block in message["content"])
        return [found for block in blocks if (found := attached(block))]

    @property
    def tool_to_use(self) -> str:
        """The tool that is forced, else the first one, unless its result was just accepted."""
        if forced := self.tool_choice.get("tool", {}).get("name"):
            return str(forced)
        results = [block["toolResult"] for block in self.messages[-1]["content"] if "toolResult" in block]
        done = bool(results) and all(result.get("status", "success") == "success" for result in results)
        return "" if done and "any" not in self.tool_choice else next(iter(self.tools), "")


def answer(
    conversation: Conversation, most_tokens: int, *, nonsense: bool = False, tool_as_text: bool = False
) -> Answer:
    """Return the answer, cut where it would be longer than it may be."""
    room = most_tokens * CHARS_PER_TOKEN
    if tool := conversation.tool_to_use:
        schema = conversation.tools[tool]["inputSchema"]["json"]
        tool_json = json.dumps(_NONSENSE if nonsense else fill(schema, conversation.source), ensure_ascii=False)
        if tool_as_text and not conversation.tool_choice.keys() & {"any", "tool"}:
            text = f"Here is the answer:\n\n```json\n{tool_json}\n```"
            return Answer("max_tokens" if len(text) > room else "end_turn", text=text[:room])
        return Answer("max_tokens" if len(tool_json) > room else "tool_use", tool=tool, tool_json=tool_json[:room])
    text = "[stand-in model] blah" if nonsense else _free_text(conversation.source)
    ends = [text.index(each) for each in conversation.stop_sequences if each and each in text]
    if ends and min(ends) <= room:
        return Answer("stop_sequence", text=text[: min(ends)])
    return Answer("max_tokens" if len(text) > room else "end_turn", text=text[:room])


def tokens(text: str) -> int:
    """Return roughly how many tokens a text is."""
    return max(1, math.ceil(len(text) / CHARS_PER_TOKEN))


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _free_text(source: str) -> str:
    document = read(source)
    stated = [f"- {each.label}: {each.text}" for each in document.passages if each.label][:12]
    lines = [f"[stand-in model] {document.summary()}", *(["", "The document states:", *stated] if stated else [])]
    return "\n".join(lines)


def _texts(content: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    return (str(block["text"]) for block in content if "text" in block)
