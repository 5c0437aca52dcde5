"""Checks the pictures and documents of a Converse request as Bedrock does, and decodes them."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.stand_in.refusals import invalid

_NAME: Final = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]{1,200}")


@dataclass(frozen=True)
class _Kind:
    formats: frozenset[str]
    most: int
    most_bytes: int
    too_many: str
    too_large: str


# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
_KINDS: Final = {
    "image": _Kind(
        frozenset({"gif", "jpeg", "png", "webp"}), 20, 3_932_160,
        "The number of images exceeds the maximum of 20 per request.",
        "The image exceeds the maximum size of 3.75 MB.",
    ),
    "document": _Kind(
        frozenset({"csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"}), 5, 4_718_592,
        "The number of documents exceeds the maximum of 5 per request.",
        "The document exceeds the maximum size of 4.5 MB.",
    ),
}  # fmt: skip


def decoded(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with the bytes of their pictures and documents.

    Raises:
        BedrockError: ValidationException.

    """
    names: set[str] = set()
    found = [{**message, "content": [_block(block, names) for block in message["content"]]} for message in messages]
    for message in found:
        blocks = message["content"]
        for name, kind in _KINDS.items():
            if sum(name in block for block in blocks) > kind.most:
                raise invalid(kind.too_many)
        if message["role"] != "user" and any(name in block for name in _KINDS for block in blocks):
            raise invalid("Images and documents may be in messages of the role user only.")
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            raise invalid("A text block is required when a document is included in the message.")
    return found


def _block(block: Mapping[str, Any], names: set[str]) -> Mapping[str, Any]:
    for name, kind in _KINDS.items():
        if name in block:
            return {name: _content(name, block[name], kind, names)}
    return block


def _content(name: str, given: Mapping[str, Any], kind: _Kind, names: set[str]) -> dict[str, Any]:
    if given.get("format") not in kind.formats:
        offered = ", ".join(sorted(kind.formats))
        raise invalid(f"Value '{given.get('format')}' at '{name}.format' must satisfy enum value set: [{offered}]")
    if name == "document":
        called = str(given.get("name", ""))
        if not _NAME.fullmatch(called):
            raise invalid(
                "The file name provided is not valid: it can only contain alphanumeric characters, whitespace "
                "characters, hyphens, parentheses, and square brackets, and no more than one whitespace in a row."
            )
        if called in names:
            raise invalid("The document names must be unique.")
        names.add(called)
    try:
        content = base64.b64decode((given.get("source") or {})["bytes"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise invalid(f"The {name} has no bytes: the stand-in reads no S3 locations.") from error
    if not content:
        raise invalid(f"The {name} is empty.")
    if len(content) > kind.most_bytes:
        raise invalid(kind.too_large)
    return {**given, "source": {"bytes": content}}
