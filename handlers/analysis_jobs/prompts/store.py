"""Reads the active prompt of a category, with one read by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from analysis_jobs.prompts.template import Prompt, parse

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ACTIVE = "active"
_KEPT_CODE, _KEPT_VERSION = "kept_code", "kept_version"


def prompt_key(section: str, sub_section: str, category: str) -> str:
    """Return the hash key under which the active prompt of a category is stored."""
    return f"{section}/{sub_section}#{category}"


def version_item(version: int) -> str:
    """Return the sort key of a version. The hash key is the name of the prompt."""
    return f"v{version:06}"


def kept_for(code_version: str, version: int) -> dict[str, Any]:
    """Return the fields of an active prompt instead of which a version of the code uses another one; 0 means none."""
    return {_KEPT_CODE: code_version, _KEPT_VERSION: version}


class PromptStore(Protocol):
    """The prompt table, as a worker reads it."""

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """Return the active prompt of a category; None if it has none."""

    def version(self, name: str, version: int) -> Prompt | None:
        """Return a version of the prompt `section/sub_section`, whether it is active or not; None if there is none."""


class MemoryPromptStore:
    """Active prompts in a dictionary, for tests."""

    def __init__(self, *prompts: Prompt) -> None:
        self._prompts = {
            prompt_key(prompt.section, prompt.sub_section, category): prompt
            for prompt in prompts
            for category in prompt.categories
        }
        self._versions = {(prompt.name, prompt.version): prompt for prompt in prompts}

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`."""
        return self._prompts.get(prompt_key(section, sub_section, category))

    def version(self, name: str, version: int) -> Prompt | None:
        """See `PromptStore.version`."""
        return self._versions.get((name, version))


class DynamoPromptStore:
    """Active prompts in DynamoDB, one item per category. See `library` for the other items of the table.

    `code_version` is that of the reader. An item may name one version of the code that keeps an earlier prompt.
    """

    def __init__(self, client: DynamoDBClient, table: str, code_version: str = "") -> None:
        self._client = client
        self._table = table
        self._code_version = code_version

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`. It takes one request, and two for the code that keeps an earlier prompt.

        Raises `ConfigurationError` if the item is invalid.
        """
        key = prompt_key(section, sub_section, category)
        content = self._read(key, ACTIVE)
        if content and self._code_version and content.get(_KEPT_CODE) == self._code_version:
            kept = int(content[_KEPT_VERSION])
            return self.version(f"{section}/{sub_section}", kept) if kept else None
        prompt = parse(content, f"{key} in the table") if content else None
        return prompt if prompt and prompt.is_active else None

    def version(self, name: str, version: int) -> Prompt | None:
        """See `PromptStore.version`. It takes one request. Raises as `active` does."""
        content = self._read(name, version_item(version))
        return parse(content, f"{name} v{version} in the table") if content else None

    def _read(self, key: str, item: str) -> dict[str, Any] | None:
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - the API function never reads a prompt

        response = self._client.get_item(TableName=self._table, Key={"prompt": {"S": key}, "item": {"S": item}})
        if "Item" not in response:
            return None
        return {name: TypeDeserializer().deserialize(value) for name, value in response["Item"].items()}
