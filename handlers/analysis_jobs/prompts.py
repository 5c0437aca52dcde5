"""Prompts are data: a table of them, looked up by key, and a template that no text can break."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field, TypeAdapter, ValidationError

from analysis_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_CLOSING_TAG = re.compile(r"</([A-Za-z_][\w-]*)>")
# DynamoDB writes at most 100 items in one transaction; a category takes two.
MAX_CATEGORIES = 50


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
    categories: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CATEGORIES)]
    user_prompt_template: str
    system_prompt: str = ""
    output_format: str = ""
    version: int = 0
    is_active: bool = True

    @staticmethod
    def load(path: Path) -> Prompt:
        """Read a prompt from a TOML file whose keys are this class' fields.

        Raises `ConfigurationError`, which names the file and what is wrong in it.
        """
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path.name} is no TOML: {error}") from error
        if unknown := found.keys() - {field.name for field in fields(Prompt)}:
            raise ConfigurationError(f"{path.name}: there is no {', '.join(sorted(unknown))} in a prompt")
        return _prompt(found, path.name)

    def render(self, values: Mapping[str, str]) -> RenderedPrompt:
        """Put `values` into the template, once: braces inside a value stay what they are.

        Nor can a value close a tag of the template, as `</document>`: there it reads `< /document>`.

        Raises `ConfigurationError` where the template does not use a value: its text would silently be missing.
        """
        unused = values.keys() - set(_PLACEHOLDER.findall(self.user_prompt_template))
        if unused:
            names = ", ".join(f"{{{name}}}" for name in sorted(unused))
            raise ConfigurationError(f"prompt {self.section}/{self.sub_section} v{self.version} lacks {names}")
        kept = self._with_tags_open(values)
        user = _PLACEHOLDER.sub(lambda match: kept.get(match[1], match[0]), self.user_prompt_template)
        if self.output_format:
            user = f"{user}\n\n{self.output_format}"
        return RenderedPrompt(user, self.system_prompt or None, f"{self.section}/{self.sub_section}@v{self.version}")

    def _with_tags_open(self, values: Mapping[str, str]) -> dict[str, str]:
        names = "|".join(map(re.escape, _CLOSING_TAG.findall(self.user_prompt_template)))
        if not names:
            return dict(values)
        closing = re.compile(rf"</(?=\s*(?:{names})\b)", re.IGNORECASE)
        return {name: closing.sub("< /", value) for name, value in values.items()}


@cache
def _adapter() -> TypeAdapter[Prompt]:
    return TypeAdapter(Prompt)


def _prompt(found: Mapping[str, Any], origin: str) -> Prompt:
    """Return the prompt in `found`, whatever else is there.

    Raises `ConfigurationError`, which names `origin` and what is missing or wrong.
    """
    try:
        return _adapter().validate_python(dict(found))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"prompt {origin}: {wrong}") from error


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

        key = prompt_key(section, sub_section, category)
        response = self._client.get_item(TableName=self._table, Key={"prompt": {"S": key}, "version": {"S": "active"}})
        if "Item" not in response:
            return None
        found = {name: TypeDeserializer().deserialize(value) for name, value in response["Item"].items()}
        prompt = _prompt(found | {"version": found.get("number")}, f"{key} in the table")
        return prompt if prompt.is_active else None

    def put_active(self, prompt: Prompt) -> None:
        """Keep `prompt` as its version, and make it the active one of each of its categories: all, or none."""
        from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415 - as above

        if prompt.version < 1:
            raise ConfigurationError(f"prompt version {prompt.version}: versions begin at 1 (0 is the code's default)")
        attributes = asdict(replace(prompt, is_active=True))
        attributes |= {"number": attributes.pop("version"), "categories": list(prompt.categories)}
        puts: list[Any] = []
        for category in prompt.categories:
            for version in (f"v{prompt.version:06}", "active"):
                key = {
                    "prompt": prompt_key(prompt.section, prompt.sub_section, category),
                    "version": version,
                }
                item = {name: TypeSerializer().serialize(value) for name, value in (attributes | key).items()}
                puts.append({"Put": {"TableName": self._table, "Item": item}})
        self._client.transact_write_items(TransactItems=puts)
