"""The answer of the stand-in model to a conversation: scripted, or filled in from the document in the prompt."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.attached import CHARS_PER_TOKEN, Attached, attached
from analysis_jobs_dev.cloud.stand_in.filling import fill, free_text
from analysis_jobs_dev.cloud.stand_in.prompt_cache import Block
from analysis_jobs_dev.cloud.stand_in.scenarios import Scenario

_FENCED = re.compile(r"<(?P<tag>[a-z_]+)\b[^<>]*>(?P<inside>.*?)</(?P=tag)\s*>", re.DOTALL | re.IGNORECASE)
_DOCUMENT_TAGS: Final = frozenset({"document", "source", "text", "rfp_text"})
_NONSENSE: Final = {"stand_in_nonsense": [None, {"this": "fits no schema"}]}


@dataclass(frozen=True)
class Answer:
    """An answer: either `text`, or a tool's name and its input as JSON. It is cut to the tokens that it may have."""

    stop_reason: str
    text: str = ""
    tool: str = ""
    tool_json: str = ""

    @property
    def output_tokens(self) -> int:
        """How many tokens it has."""
        return tokens(self.text or self.tool_json)

    @property
    def tool_input(self) -> Any:  # noqa: ANN401 - JSON
        """The input of the tool; empty where it was cut."""
        try:
            return json.loads(self.tool_json)
        except json.JSONDecodeError:
            return {}


@dataclass(frozen=True)
class Wanted:
    """The JSON that a text answer must be, and the name of its schema."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Conversation:
    """A valid request, in Converse's terms for both vendors."""

    messages: Sequence[Mapping[str, Any]]
    system: Sequence[Mapping[str, Any]] = ()
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tool_choice: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None
    stop_sequences: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    wanted: Wanted | None = None
    thinks: bool = False
    compiled: str = ""
    tier: str = ""

    @cached_property
    def prompt(self) -> str:
        """All texts of the conversation, the system's first."""
        turns = (_texts(message["content"]) for message in self.messages)
        return "\n".join([*_texts(self.system), *(text for texts in turns for text in texts)])

    @cached_property
    def source(self) -> str:
        """The document: attached files and text between tags, else the user's last text.

        Tags such as `<document>` come first, then others on lines of their own, such as `<letter>`. A turn with a
        tool's result is a remark on the answer, not a document.
        """
        turns = [
            "\n".join(_texts(message["content"]))
            for message in self.messages
            if message["role"] == "user" and not any("toolResult" in block for block in message["content"])
        ]
        fenced = [(match["tag"].lower(), match["inside"]) for turn in turns for match in _FENCED.finditer(turn)]
        documents = [inside for tag, inside in fenced if tag in _DOCUMENT_TAGS]
        others = [inside for _, inside in fenced if inside.startswith("\n")]
        found = [*(each.text for each in self.attachments if not each.is_picture), *(documents or others)]
        if not found:  # reading pictures takes long, and is less exact than text
            found = [each.text for each in self.attachments]
        return "\n\n".join(found) if found else next((turn for turn in reversed(turns) if turn.strip()), "")

    @cached_property
    def input_tokens(self) -> int:
        """How many tokens are read: one per four characters, tools and their results included."""
        blocks = (block for message in self.messages for block in message["content"])
        others = [block for block in blocks if not block.keys() & {"text", "cachePoint"} and not attached(block)]
        others += self.tools.values()
        read = tokens(self.prompt + (json.dumps(others, default=str) if others else ""))
        return read + sum(each.tokens for each in self.attachments)

    @cached_property
    def attachments(self) -> list[Attached]:
        """The pictures and documents of the user's turns."""
        blocks = (block for message in self.messages if message["role"] == "user" for block in message["content"])
        return [found for block in blocks if (found := attached(block))]

    @property
    def tool_to_use(self) -> str:
        """The forced tool, else the first one, unless its result was just accepted; empty without tools."""
        if forced := self.tool_choice.get("tool", {}).get("name"):
            return str(forced)
        results = [block["toolResult"] for block in self.messages[-1]["content"] if "toolResult" in block]
        done = bool(results) and all(result.get("status", "success") == "success" for result in results)
        return "" if done and "any" not in self.tool_choice else next(iter(self.tools), "")

    @property
    def is_decided(self) -> bool:
        """Whether the question decides the shape of the answer: text, a schema, or one certain tool."""
        if not self.tools:
            return True
        return bool(self.tool_to_use) and (len(self.tools) == 1 or "tool" in self.tool_choice)

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema of the tool to use, or of the text; empty without one."""
        tool = self.tools.get(self.tool_to_use)
        return tool["inputSchema"]["json"] if tool else self.wanted.schema if self.wanted else {}

    @property
    def shapes(self) -> list[str]:
        """The names of the structured answer: of the tool, or of the schema."""
        return [self.tool_to_use, self.wanted.name if self.wanted else "", str(self.schema.get("title", ""))]


def answer(conversation: Conversation, most_tokens: int, scenario: Scenario) -> Answer:
    """Return the scenario's answer, else one from the document; cut where it has more than `most_tokens`."""
    tool, given = conversation.tool_to_use, scenario.answer
    if isinstance(given, str) or (given is None and not conversation.schema):
        text = given if isinstance(given, str) else free_text(conversation.source)
        return _as_text("[stand-in model] blah" if scenario.nonsense else text, most_tokens, conversation)
    data = given if given is not None else fill(conversation.schema, conversation.source)
    tool_json = json.dumps(_NONSENSE if scenario.nonsense else data, ensure_ascii=False)
    if not tool:
        return _as_text(tool_json, most_tokens, conversation)
    if scenario.tool_as_text and not conversation.tool_choice.keys() & {"any", "tool"}:
        return _as_text(f"Here is the answer:\n\n```json\n{tool_json}\n```", most_tokens, conversation)
    room = most_tokens * CHARS_PER_TOKEN
    return Answer("max_tokens" if len(tool_json) > room else "tool_use", tool=tool, tool_json=tool_json[:room])


def tokens(text: str) -> int:
    """Return roughly how many tokens a text has."""
    return max(1, math.ceil(len(text) / CHARS_PER_TOKEN))


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _as_text(text: str, most_tokens: int, conversation: Conversation) -> Answer:
    room = most_tokens * CHARS_PER_TOKEN
    ends = [text.index(each) for each in conversation.stop_sequences if each and each in text]
    if ends and min(ends) <= room:
        return Answer("stop_sequence", text=text[: min(ends)])
    return Answer("max_tokens" if len(text) > room else "end_turn", text=text[:room])


def _texts(content: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    return (str(block["text"]) for block in content if "text" in block)
