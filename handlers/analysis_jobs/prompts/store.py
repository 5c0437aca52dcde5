"""Where a worker finds the active prompt: by its key, and never by a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from analysis_jobs.prompts.template import Prompt, parse

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ACTIVE = "active"


def prompt_key(section: str, sub_section: str, category: str) -> str:
    """Return the hash key of a prompt: what it is looked up by, so that nothing is scanned."""
    return f"{section}/{sub_section}#{category}"


class PromptStore(Protocol):
    """The table of prompts, as a worker sees it."""

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """Return the active prompt, or None."""


class MemoryPromptStore:
    """Prompts in a dictionary, for tests."""

    def __init__(self, *prompts: Prompt) -> None:
        self._prompts = {
            prompt_key(prompt.section, prompt.sub_section, category): prompt
            for prompt in prompts
            for category in prompt.categories
        }

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`."""
        return self._prompts.get(prompt_key(section, sub_section, category))


class DynamoPromptStore:
    """Prompts on DynamoDB: the active one of a category is an item of its own; see `library` for the rest."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`. One read by key."""
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - the API handler never asks for a prompt

        key = prompt_key(section, sub_section, category)
        response = self._client.get_item(TableName=self._table, Key={"prompt": {"S": key}, "item": {"S": ACTIVE}})
        if "Item" not in response:
            return None
        found = {name: TypeDeserializer().deserialize(value) for name, value in response["Item"].items()}
        prompt = parse(found, f"{key} in the table")
        return prompt if prompt.is_active else None
