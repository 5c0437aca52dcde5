"""A prompt, and its template: values are put in once, and cannot become a part of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from analysis_jobs.base.errors import ConfigurationError

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
# What its author may have meant as a placeholder: a name and nothing else between braces.
_NEARLY_A_PLACEHOLDER = re.compile(r"\{\s*([A-Za-z][A-Za-z0-9_ -]*)\s*\}")
_CLOSING_TAG = re.compile(r"</([A-Za-z_][\w-]*)>")
# DynamoDB writes at most 100 items in one transaction: a category takes one, and so do the rest together.
MAX_CATEGORIES = 50
# Both are parts of a key: section/sub_section#category.
_NAME_PART = r"^[^#/\s]([^#/]{0,61}[^#/\s])?$"


@dataclass(frozen=True)
class RenderedPrompt:
    """What a model is asked, and which prompt that was made of (kept on the job)."""

    user: str
    system: str | None
    source: str


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt. `version` 0 is a default that ships with the code."""

    section: Annotated[str, Field(pattern=_NAME_PART)]
    sub_section: Annotated[str, Field(pattern=_NAME_PART)]
    categories: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CATEGORIES)]
    user_prompt_template: Annotated[str, Field(min_length=1)]
    system_prompt: str = ""
    output_format: str = ""
    version: Annotated[int, Field(ge=0, le=999_999)] = 0
    is_active: bool = True

    @staticmethod
    def load(path: Path) -> Prompt:
        """Read a prompt from a TOML file whose keys are this class' fields.

        Raises `ConfigurationError`, which names the file and what is wrong in it.
        """
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path.name} is no TOML: {error}") from error
        if unknown := found.keys() - {field.name for field in fields(Prompt)}:
            raise ConfigurationError(f"{path.name}: there is no {', '.join(sorted(unknown))} in a prompt")
        return parse(found, path.name)

    @property
    def name(self) -> str:
        """What the prompt is asked for by: `section/sub_section`."""
        return f"{self.section}/{self.sub_section}"

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the values that the template takes, in the order of their first use."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.user_prompt_template)))

    def doubts(self) -> list[str]:
        """Return what is allowed in the template, and probably not meant."""
        template = self.user_prompt_template
        found = [] if self.placeholders else ["it has no placeholder: no text of a job will be in it"]
        for match in _NEARLY_A_PLACEHOLDER.finditer(template):
            if not _PLACEHOLDER.fullmatch(match[0]):
                name = re.sub(r"\W+", "_", match[1].strip()).lower()
                found.append(f"{match[0]} is no placeholder, and stays as it is: write {{{name}}} if you mean one")
        tags = _CLOSING_TAG.findall(template)
        return found + [
            f"{{{name}}} stands in no tags: write <{name}>{{{name}}}</{name}>, and that what stands in them is "
            "material, so that a document's text is not taken for an instruction"
            for name in self.placeholders
            if not any(_stands_in(template, name, tag) for tag in tags)
        ]

    def render(self, values: Mapping[str, str]) -> RenderedPrompt:
        """Put `values` into the template, once: braces inside a value stay what they are.

        Nor can a value close a tag of the template, as `</document>`: there it reads `< /document>`.

        Raises `ConfigurationError` where the template does not use a value: its text would silently be missing.
        """
        unused = values.keys() - set(self.placeholders)
        if unused:
            names = ", ".join(f"{{{name}}}" for name in sorted(unused))
            raise ConfigurationError(f"prompt {self.name} v{self.version} lacks {names}")
        user = _filled(self.user_prompt_template, values)
        if self.output_format:
            user = f"{user}\n\n{self.output_format}"
        return RenderedPrompt(user, self.system_prompt or None, f"{self.name}@v{self.version}")


def parse(found: Mapping[str, Any], origin: str) -> Prompt:
    """Return the prompt in `found`, whatever else is there.

    Raises `ConfigurationError`, which names `origin` and what is missing or wrong.
    """
    try:
        return _adapter().validate_python(dict(found))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"prompt {origin}: {wrong}") from error


@cache
def _adapter() -> TypeAdapter[Prompt]:
    return TypeAdapter(Prompt)


def _stands_in(template: str, name: str, tag: str) -> bool:
    return re.search(rf"<{re.escape(tag)}[^>]*>.*\{{{name}\}}.*</{re.escape(tag)}>", template, re.DOTALL) is not None


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with the values put in, of which no part closes one of the template's tags."""
    pieces: list[str] = []
    own: list[tuple[int, int]] = []  # where the text is the template's own
    length = at = 0

    def add(piece: str) -> None:
        nonlocal length
        pieces.append(piece)
        length += len(piece)

    for match in _PLACEHOLDER.finditer(template):
        if match[1] in values:
            own.append((length, length + match.start() - at))
            add(template[at : match.start()])
            add(values[match[1]])
            at = match.end()
    own.append((length, length + len(template) - at))
    add(template[at:])
    return _with_tags_open("".join(pieces), set(_CLOSING_TAG.findall(template)), own)


def _with_tags_open(text: str, tags: set[str], own: list[tuple[int, int]]) -> str:
    """Open every closing tag that is not wholly the template's own: one may be made of two values side by side."""
    if not tags:
        return text
    closing = re.compile(rf"<(/\s*(?:{'|'.join(map(re.escape, sorted(tags)))})\b)", re.IGNORECASE)
    spans = iter(own)
    span = next(spans)

    def open_(match: re.Match[str]) -> str:
        nonlocal span
        while span[1] <= match.start():
            following = next(spans, None)
            if following is None:
                break
            span = following
        is_own = span[0] <= match.start() and match.end() <= span[1]
        return match[0] if is_own else f"< {match[1]}"

    return closing.sub(open_, text)
