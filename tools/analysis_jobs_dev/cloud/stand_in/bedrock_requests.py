"""Reads a Converse request, and refuses what Bedrock refuses.

What a field may hold is checked by AWS's own model of the service, which botocore carries. The rules that it does not
have are here, in Bedrock's words where they are known.
"""

import base64
import binascii
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from analysis_jobs_dev.cloud.stand_in.answers import Conversation, Wanted
from analysis_jobs_dev.cloud.stand_in.families import check as check_family
from analysis_jobs_dev.cloud.stand_in.families import family_of, native_schema
from analysis_jobs_dev.cloud.stand_in.models import Model
from analysis_jobs_dev.cloud.stand_in.prompt_cache import blocks_of
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError, invalid, require

# A model does what a block of text says: JSON that fits this schema.
_SCHEMA_IN_WORDS: Final = re.compile(r"JSON schema:\s*(\{.*\})\s*$", re.DOTALL | re.IGNORECASE)
_DOCUMENT_NAME: Final = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]+")
# How many there may be in a message, and of how many bytes.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
_MOST: Final = {"image": (20, 3_932_160, "3.75 MB"), "document": (5, 4_718_592, "4.5 MB")}


def conversation_of(raw: bytes, model: Model) -> Conversation:
    """Return the conversation in a request's body.

    Raises:
        RefusedError: SerializationException, ValidationException.

    """
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError("SerializationException", "The request body is not a JSON object.")
    if found := list(_violations(_input_shape(), body, "")):
        raise invalid(f"{len(found)} validation error{'s'[: len(found) > 1]} detected: {'; '.join(found)}")
    messages, config = body.get("messages") or [], body.get("toolConfig") or {}
    _check_turns(messages)
    tools, choice = _tools(config), config.get("toolChoice") or {}
    family = family_of(model.name)
    check_family(family, body)
    _check_tool_blocks(messages, tools)
    inference, limit = body.get("inferenceConfig") or {}, model.max_output_tokens
    require(
        (inference.get("maxTokens") or 1) <= limit,
        f"The maximum tokens you requested exceeds the model limit of {limit}. "
        f"Try again with a maximum tokens value that is lower than {limit}.",
    )
    decoded = _with_attachments(messages, family.large)
    return Conversation(
        messages=decoded,
        system=body.get("system") or (),
        tools=tools,
        tool_choice=choice,
        max_tokens=inference.get("maxTokens"),
        stop_sequences=inference.get("stopSequences") or (),
        metadata=body.get("requestMetadata") or {},
        blocks=blocks_of(body, [block for message in decoded for block in message["content"]]),
        wanted=_wanted(body),
        thinks=family.thinks == "always",
        compiled=_compiled(body, tools),
        tier=(body.get("serviceTier") or {}).get("type", ""),
    )


def _wanted(body: Mapping[str, Any]) -> Wanted | None:
    """Return the JSON that the text of the answer must be: by a native schema, or by a schema in words."""
    if (native := native_schema(body)) is not None:
        definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        return Wanted(str(definition.get("name") or ""), json.loads(native))
    said = [*(body.get("system") or ()), *(block for message in body["messages"] for block in message["content"])]
    in_words = next(filter(None, (_SCHEMA_IN_WORDS.search(str(block.get("text", ""))) for block in said)), None)
    try:
        schema = json.loads(in_words[1]) if in_words else None
    except ValueError:
        return None
    return Wanted(str(schema.get("title") or ""), schema) if isinstance(schema, dict) else None


def _compiled(body: Mapping[str, Any], tools: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the schemas that Bedrock compiles for the request, as text; empty without one."""
    strict = [tool["inputSchema"]["json"] for tool in tools.values() if tool.get("strict")]
    schemas = [native_schema(body), *strict]
    return json.dumps(schemas, sort_keys=True) if any(schemas) else ""


@functools.cache
def _input_shape() -> StructureShape:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("Converse").input_shape
    if shape is None:
        raise TypeError("botocore's model of Converse has no input")
    return shape


def _violations(shape: Shape, value: Any, where: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield each constraint of the service model that a value violates, in the words of AWS's services."""
    rules = shape.metadata
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        for name, member in shape.members.items():
            if (given := value.get(name)) is not None:
                yield from _violations(member, given, f"{where}.{name}".lstrip("."))
    elif isinstance(shape, ListShape):
        for number, each in enumerate(value):
            yield from _violations(shape.member, each, f"{where}.{number + 1}.member")
    elif isinstance(shape, MapShape):
        for name, each in value.items():
            yield from _violations(shape.key, name, f"{where}.key")
            yield from _violations(shape.value, each, f"{where}.member")
    is_sized = not isinstance(value, int | float)
    size, what = (len(value), "length") if is_sized else (value, "value")
    broken = [
        ("min" in rules and size < rules["min"], f"have {what} greater than or equal to {rules.get('min')}"),
        ("max" in rules and size > rules["max"], f"have {what} less than or equal to {rules.get('max')}"),
        (rules.get("enum") and value not in rules["enum"], f"satisfy enum value set: {rules.get('enum')}"),
        (
            "pattern" in rules and not re.fullmatch(rules["pattern"], value),
            f"satisfy regular expression pattern: {rules.get('pattern')}",
        ),
    ]
    yield from (f"Value at '{where}' failed to satisfy constraint: Member must {rule}" for bad, rule in broken if bad)


def _check_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    require(
        messages and messages[0].get("role") == "user",
        "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    )
    for number, message in enumerate(messages):
        require(
            not number or message["role"] != messages[number - 1]["role"],
            "A conversation must alternate between user and assistant roles. "
            "Make sure the conversation alternates between user and assistant roles and try again.",
        )
        require(
            message.get("content"),
            f"The content field in the Message object at messages.{number} is empty. "
            "Add a ContentBlock object to the content field and try again.",
        )
        for place, block in enumerate(message["content"]):
            require(
                str(block.get("text", "-")).strip(),
                f"The text field in the ContentBlock object at messages.{number}.content.{place} is blank. "
                "Add text to the text field, and try again.",
            )


def _tools(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    for number, spec in enumerate(specs):
        schema = (spec.get("inputSchema") or {}).get("json")
        require(
            isinstance(schema, dict) and schema.get("type") == "object",
            f"The value at toolConfig.tools.{number}.toolSpec.inputSchema.json.type must be one of the following: "
            "object.",
        )
    tools = {str(spec["name"]): spec for spec in specs}
    chosen = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    require(
        chosen is None or chosen in tools,
        f"The tool {chosen} at toolConfig.toolChoice.tool.name is not one of toolConfig.tools.",
    )
    return tools


def _check_tool_blocks(messages: Sequence[Mapping[str, Any]], tools: Mapping[str, Any]) -> None:
    """Check that the turn after a tool use has its result, and no other result."""
    asked: list[str] = []
    for number, message in enumerate(messages):
        answered = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        missing = ", ".join(each for each in asked if each not in answered)
        where = f"messages.{number}.content"
        require(not missing, f"Expected toolResult blocks at {where} for the following Ids: {missing}")
        require(
            len(answered) <= len(asked),
            f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn.",
        )
        asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        require(
            tools or not (asked or answered),
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        )


def _with_attachments(messages: Iterable[Mapping[str, Any]], large: Sequence[str]) -> list[dict[str, Any]]:
    """Return the messages with the decoded bytes of their pictures and documents.

    Documents of the formats in `large` may have any size.
    """
    names: set[str] = set()
    found = [
        {**message, "content": [_decoded(block, names, large) for block in message["content"]]} for message in messages
    ]
    for message in found:
        blocks = message["content"]
        for kind, (most, _, _) in _MOST.items():
            count = sum(kind in block for block in blocks)
            require(count <= most, f"The number of {kind}s exceeds the maximum of {most} per request.")
            is_users = message["role"] == "user"
            require(is_users or not count, "Images and documents may be in messages of the role user only.")
        require(
            any("text" in block for block in blocks) or not any("document" in block for block in blocks),
            "A text block is required when a document is included in the message.",
        )
    return found


def _decoded(block: Mapping[str, Any], names: set[str], large: Sequence[str]) -> Mapping[str, Any]:
    kind = next((each for each in _MOST if each in block), None)
    if kind is None:
        return block
    given = block[kind]
    if kind == "document":
        require(
            _DOCUMENT_NAME.fullmatch(given["name"]),
            "The file name provided is not valid: it can only contain alphanumeric characters, whitespace "
            "characters, hyphens, parentheses, and square brackets, and no more than one whitespace in a row.",
        )
        require(given["name"] not in names, "The document names must be unique.")
        names.add(given["name"])
    try:
        content = base64.b64decode(given["source"]["bytes"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise invalid(f"The {kind} has no bytes: the stand-in reads no S3 locations.") from error
    _, most_bytes, most_mb = _MOST[kind]
    any_size = kind == "document" and given.get("format") in large
    require(any_size or len(content) <= most_bytes, f"The {kind} exceeds the maximum size of {most_mb}.")
    return {kind: {**given, "source": {"bytes": content}}}
