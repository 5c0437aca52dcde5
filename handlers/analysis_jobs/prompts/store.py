"""Reads the active prompt of a category, with one read by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from analysis_jobs.prompts.template import Prompt, parse

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ACTIVE = "active"


def prompt_key(section: str, sub_section: str, category: str) -> str:
    """Return the hash key under which the active prompt of a category is stored."""
    return f"{section}/{sub_section}#{category}"


def version_item(version: int) -> str:
    """Return the sort key of a version. The hash key is the name of the prompt."""
    return f"v{version:06}"


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
    """Active prompts in DynamoDB, one item per category. See `library` for the other items of the table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`. It takes one request. Raises `ConfigurationError` if the item is invalid."""
        key = prompt_key(section, sub_section, category)
        prompt = self._read(key, ACTIVE)
        return prompt if prompt and prompt.is_active else None

    def version(self, name: str, version: int) -> Prompt | None:
        """See `PromptStore.version`. Requests and errors are as for `active`."""
        return self._read(name, version_item(version))

    def _read(self, key: str, item: str) -> Prompt | None:
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - the API function never reads a prompt

        response = self._client.get_item(TableName=self._table, Key={"prompt": {"S": key}, "item": {"S": item}})
        if "Item" not in response:
            return None
        content = {name: TypeDeserializer().deserialize(value) for name, value in response["Item"].items()}
        return parse(content, f"{key} in the table")
