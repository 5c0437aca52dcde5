"""Prompts are data: a table of them, looked up by key, and a template that no text can break."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from analysis_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@dataclass(frozen=True)
class RenderedPrompt:
    """What a model is asked, and which prompt that was made of (kept on the job)."""

    user: str
    system: str | None
    source: str


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt. `version` 0 is a default that ships with the code."""

    section: str
    sub_section: str
    categories: tuple[str, ...]
    user_prompt_template: str
    system_prompt: str = ""
    output_format: str = ""
    version: int = 0
    is_active: bool = True

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a prompt from a TOML file whose keys are this class' fields."""
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(**{**fields, "categories": tuple(fields["categories"])})

    def render(self, values: Mapping[str, str]) -> RenderedPrompt:
        """Put `values` into the template, once: braces inside a value stay what they are.

        Raises `ConfigurationError` where the template does not use a value: its text would silently be missing.
        """
        unused = values.keys() - set(_PLACEHOLDER.findall(self.user_prompt_template))
        if unused:
            names = ", ".join(f"{{{name}}}" for name in sorted(unused))
            raise ConfigurationError(f"prompt {self.section}/{self.sub_section} v{self.version} lacks {names}")
        user = _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), self.user_prompt_template)
        if self.output_format:
            user = f"{user}\n\n{self.output_format}"
        return RenderedPrompt(user, self.system_prompt or None, f"{self.section}/{self.sub_section}@v{self.version}")


def prompt_key(section: str, sub_section: str, category: str) -> str:
    """Return the hash key of a prompt: what it is looked up by, so that nothing is scanned."""
    return f"{section}/{sub_section}#{category}"


class PromptStore(Protocol):
    """The table of prompts."""

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
    """Prompts on DynamoDB: an item a version, and a copy of the active one under the version `active`."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def active(self, section: str, sub_section: str, category: str) -> Prompt | None:
        """See `PromptStore.active`. One read by key."""
        from boto3.dynamodb.types import TypeDeserializer  # noqa: PLC0415 - the API handler never asks for a prompt

        key = {
            "prompt": {"S": prompt_key(section, sub_section, category)},
            "version": {"S": "active"},
        }
        item = self._client.get_item(TableName=self._table, Key=key).get("Item")
        if item is None:
            return None
        fields: dict[str, Any] = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
        number = int(fields.pop("number"))
        del fields["prompt"], fields["version"]
        prompt = Prompt(**{**fields, "categories": tuple(fields["categories"]), "version": number})
        return prompt if prompt.is_active else None

    def put_active(self, prompt: Prompt) -> None:
        """Keep `prompt` as its version, and make it the active one of each of its categories: all, or none."""
        from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415 - as above

        if prompt.version < 1:
            raise ConfigurationError(f"prompt version {prompt.version}: versions begin at 1 (0 is the code's default)")
        fields = asdict(replace(prompt, is_active=True))
        fields |= {"number": fields.pop("version"), "categories": list(prompt.categories)}
        puts: list[Any] = []
        for category in prompt.categories:
            for version in (f"v{prompt.version:06}", "active"):
                key = {
                    "prompt": prompt_key(prompt.section, prompt.sub_section, category),
                    "version": version,
                }
                item = {name: TypeSerializer().serialize(value) for name, value in (fields | key).items()}
                puts.append({"Put": {"TableName": self._table, "Item": item}})
        self._client.transact_write_items(TransactItems=puts)
