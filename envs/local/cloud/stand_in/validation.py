"""Checks a Converse request as Bedrock does, and reads it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cloud.stand_in.answers import Conversation
from cloud.stand_in.contents import decoded
from cloud.stand_in.models import Model
from cloud.stand_in.refusals import BedrockError, invalid

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_METADATA: Final = 16


def parse(body: bytes) -> dict[str, Any]:
    """Return the body's JSON object.

    Raises:
        BedrockError: SerializationException where it is none.

    """
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BedrockError("SerializationException", "The request body is not a JSON object.")
    return found


def check(body: Mapping[str, Any], model: Model) -> Conversation:
    """Return the conversation.

    Raises:
        BedrockError: ValidationException, with the words Bedrock uses where they are known.

    """
    _check_messages(body.get("messages") or [])
    tools = _tools(body)
    if model.refuses_forced_tool and {"any", "tool"} & ((body.get("toolConfig") or {}).get("toolChoice") or {}).keys():
        raise invalid(model.refuses_forced_tool)
    _check_tool_blocks(body["messages"], tools)
    inference = body.get("inferenceConfig") or {}
    _check_inference(inference, model)
    metadata = body.get("requestMetadata") or {}
    if len(metadata) > _MOST_METADATA:
        raise _constraint(len(metadata), "requestMetadata", f"have length less than or equal to {_MOST_METADATA}")
    return Conversation(
        messages=decoded(body["messages"]),
        system=body.get("system") or (),
        tools=tools,
        tool_choice=(body.get("toolConfig") or {}).get("toolChoice") or {},
        max_tokens=inference.get("maxTokens"),
        stop_sequences=inference.get("stopSequences") or (),
        metadata=metadata,
    )


def check_length(conversation: Conversation, most_tokens: int) -> None:
    """Refuse what the model cannot read as a whole.

    Raises:
        BedrockError: ValidationException.

    """
    if conversation.input_tokens > most_tokens:
        raise invalid("Input is too long for requested model.")


def _check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    if not messages or messages[0].get("role") != "user":
        raise invalid(
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message.",
        )
    for number, message in enumerate(messages):
        if message.get("role") not in {"user", "assistant"}:
            raise _constraint(
                message.get("role"), f"messages.{number + 1}.member.role", "satisfy enum value set: [user, assistant]"
            )
        if number and message["role"] == messages[number - 1]["role"]:
            raise invalid(
                "A conversation must alternate between user and assistant roles. "
                "Make sure the conversation alternates between user and assistant roles and try again.",
            )
        if not message.get("content"):
            raise invalid(
                f"The content field in the Message object at messages.{number} is empty. "
                "Add a ContentBlock object to the content field and try again.",
            )
        for place, block in enumerate(message["content"]):
            if "text" in block and not str(block["text"]).strip():
                raise invalid(
                    f"The text field in the ContentBlock object at messages.{number}.content.{place} is blank. "
                    "Add text to the text field, and try again.",
                )


def _tools(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    config = body.get("toolConfig")
    if config is None:
        return {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    if not specs:
        raise invalid(
            "1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        )
    for number, spec in enumerate(specs):
        if not _TOOL_NAME.fullmatch(str(spec.get("name", ""))):
            where = f"toolConfig.tools.{number + 1}.member.toolSpec.name"
            raise _constraint(spec.get("name"), where, "satisfy regular expression pattern: [a-zA-Z0-9_-]+")
        schema = (spec.get("inputSchema") or {}).get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(
                f"The value at toolConfig.tools.{number}.toolSpec.inputSchema.json.type must be one of the following: "
                "object.",
            )
    tools = {str(spec["name"]): spec for spec in specs}
    chosen = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if chosen is not None and chosen not in tools:
        raise invalid(f"The tool {chosen} at toolConfig.toolChoice.tool.name is none of toolConfig.tools.")
    return tools


def _check_tool_blocks(messages: list[Mapping[str, Any]], tools: Mapping[str, Any]) -> None:
    """Check that every tool use is answered by its result in the next turn, and no other."""
    asked: list[str] = []
    for number, message in enumerate(messages):
        answered = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if missing := [each for each in asked if each not in answered]:
            raise invalid(
                f"Expected toolResult blocks at messages.{number}.content for the following Ids: {', '.join(missing)}"
            )
        if len(answered) > len(asked):
            raise invalid(
                f"The number of toolResult blocks at messages.{number}.content exceeds the number of toolUse blocks of "
                "previous turn.",
            )
        asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        if (asked or answered) and not tools:
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")


def _check_inference(inference: Mapping[str, Any], model: Model) -> None:
    most = inference.get("maxTokens")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise _constraint(most, "inferenceConfig.maxTokens", "have value greater than or equal to 1")
    if most is not None and most > model.max_output_tokens:
        limit = model.max_output_tokens
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {limit}. "
            f"Try again with a maximum tokens value that is lower than {limit}.",
        )
    for name in ("temperature", "topP"):
        value = inference.get(name)
        if value is not None and not 0 <= value <= 1:
            bound = "less than or equal to 1" if value > 1 else "greater than or equal to 0"
            raise _constraint(value, f"inferenceConfig.{name}", f"have value {bound}")


def _constraint(value: object, where: str, rule: str) -> BedrockError:
    return invalid(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: Member must {rule}"
    )
