"""A prompt and its template. Values are filled in once, and cannot change the template."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.base.values import dataclass
from analysis_jobs.prompts.documents import SHORTEST_DOCUMENT, without_document
from analysis_jobs.prompts.tags import forged_tags

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
# Text in braces that the author may have meant as a placeholder.
_NEAR_PLACEHOLDER = re.compile(r"\{\s*([A-Za-z][A-Za-z0-9_ -]*)\s*\}")
_CLOSING_TAG = re.compile(r"</([A-Za-z_][\w-]*)>")
# A DynamoDB transaction has at most 100 items. A change takes one per category that it activates, and a few more.
MAX_CATEGORIES = 50
# Section and sub-section are parts of the key section/sub_section#category.
_NAME_PART = r"^[^#/\s]([^#/]{0,61}[^#/\s])?$"


@dataclass(frozen=True)
class RenderedPrompt:
    """A prompt with its values filled in. `source` names the prompt and its version; the job's row keeps it.

    `document` is the longest value, if it is long enough for a prompt cache. `rest` is the prompt with a note in its
    place, for a request that sends the document first.
    """

    user: str
    system: str | None
    source: str
    document: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt. Version 0 is a default that ships with the code.

    `user_prompt_template` has placeholders such as `{rfp_text}`. `output_format` is appended to the filled template.
    """

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
        """Read a prompt from a TOML file. Its keys are the fields of this class.

        Raises `ConfigurationError`. The message names the file and the key.
        """
        import tomllib  # noqa: PLC0415 - a declaration must be fast to import

        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path.name} is not valid TOML: {error}") from error
        if unknown := content.keys() - {field.name for field in fields(Prompt)}:
            raise ConfigurationError(f"{path.name}: a prompt has no key {', '.join(sorted(unknown))}")
        return parse(content, path.name)

    @property
    def name(self) -> str:
        """The name that `Job.prompt` takes: `section/sub_section`."""
        return f"{self.section}/{self.sub_section}"

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the template's placeholders, in the order of their first use."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.user_prompt_template)))

    def warnings(self) -> list[str]:
        """Return warnings about parts of the template that are valid but probably mistakes."""
        template = self.user_prompt_template
        warnings = [] if self.placeholders else ["it has no placeholder, so it cannot contain any text of a job"]
        for match in _NEAR_PLACEHOLDER.finditer(template):
            if not _PLACEHOLDER.fullmatch(match[0]):
                name = re.sub(r"\W+", "_", match[1].strip()).lower()
                warnings.append(
                    f"{match[0]} is not a placeholder, and stays as it is: write {{{name}}} if you mean one"
                )
        tags = _CLOSING_TAG.findall(template)
        return warnings + [
            f"{{{name}}} is not between tags: write <{name}>{{{name}}}</{name}>, and say in the prompt that the text "
            "between the tags is material, so that the model does not follow instructions in a document"
            for name in self.placeholders
            if not any(_is_between(template, name, tag) for tag in tags)
        ]

    def warnings_about_change(self, active: Prompt) -> list[str]:
        """Return warnings about placeholders that this version and the active version do not have in common.

        The code fills the placeholders of the active version.
        """
        new = [name for name in self.placeholders if name not in active.placeholders]
        gone = [name for name in active.placeholders if name not in self.placeholders]
        return [
            f"the active version v{active.version} does not have {{{name}}}: if the code does not fill it, the model "
            f"sees the text {{{name}}}"
            for name in new
        ] + [
            f"the active version v{active.version} has {{{name}}}, and this one has not: jobs fail if the code fills it"
            for name in gone
        ]

    def render(self, values: Mapping[str, str]) -> RenderedPrompt:
        """Fill `values` into the template in one pass. Braces inside a value are plain text.

        A value cannot open or close a tag of the template: `</document>` in it becomes `[/document>`. That includes
        texts that only look like the tag, see `forged_tags`.

        Raises `ConfigurationError` if the template does not use one of the values. The prompt would silently lack it.
        """
        unused = values.keys() - set(self.placeholders)
        if unused:
            raise ConfigurationError(f"the template of prompt {self.name} v{self.version} lacks {_in_braces(unused)}")
        user = self._filled(self.user_prompt_template, values)
        source = f"{self.name}@v{self.version}"
        longest = max(values, key=lambda name: len(values[name]), default="")
        if len(values.get(longest, "")) < SHORTEST_DOCUMENT:
            return RenderedPrompt(user, self.system_prompt or None, source)
        rest = self._filled(without_document(self.user_prompt_template, longest), values)
        return RenderedPrompt(user, self.system_prompt or None, source, values[longest], rest)

    def _filled(self, template: str, values: Mapping[str, str]) -> str:
        user = _fill(template, values)
        return f"{user}\n\n{self.output_format}" if self.output_format else user


def document_element(document: str) -> str:
    """Return a document between tags, for a request that sends it first. No text of it closes the tag."""
    return _fill("<document>\n{document}\n</document>", {"document": document})


def fill_prompt(template: str, /, **values: str) -> str:
    r"""Return a prompt that is written in the code, with `values` filled in.

        fill_prompt("Summarise this letter:\n<letter>\n{text}\n</letter>", text=job.text(job.request.letter))

    Use it instead of an f-string: as in `Job.prompt`, no text of a value can form one of the template's tags. Raises
    `ConfigurationError` if the template has no placeholder for one of the values.
    """
    unused = values.keys() - set(_PLACEHOLDER.findall(template))
    if unused:
        raise ConfigurationError(f"the template of the prompt lacks {_in_braces(unused)}")
    return _fill(template, values)


def _in_braces(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def parse(values: Mapping[str, Any], origin: str) -> Prompt:
    """Return the prompt that `values` describe. Other keys are ignored.

    Raises `ConfigurationError`. The message names `origin` and the field.
    """
    try:
        return _adapter().validate_python(dict(values))
    except ValidationError as error:
        raise ConfigurationError(f"prompt {origin}: {describe(field_errors(error, whole=''))}") from error


@cache
def _adapter() -> TypeAdapter[Prompt]:
    return TypeAdapter(Prompt)


def _is_between(template: str, name: str, tag: str) -> bool:
    return re.search(rf"<{re.escape(tag)}[^>]*>.*\{{{name}\}}.*</{re.escape(tag)}>", template, re.DOTALL) is not None


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Return the template with the values filled in. No text of a value forms one of the template's tags."""
    pieces: list[str] = []
    template_spans: list[tuple[int, int]] = []  # the parts of the result that come from the template
    length = at = 0

    def add(piece: str) -> None:
        nonlocal length
        pieces.append(piece)
        length += len(piece)

    for match in _PLACEHOLDER.finditer(template):
        if match[1] in values:
            template_spans.append((length, length + match.start() - at))
            add(template[at : match.start()])
            add(values[match[1]])
            at = match.end()
    template_spans.append((length, length + len(template) - at))
    add(template[at:])
    return _break_forged_tags("".join(pieces), set(_CLOSING_TAG.findall(template)), template_spans)


def _break_forged_tags(text: str, tags: set[str], template_spans: list[tuple[int, int]]) -> str:
    """Turn the angle bracket of each tag that is not wholly from the template into a square one.

    Two adjacent values may form a tag together.
    """
    broken: list[str] = []
    at = 0
    for start, bracket_end, name_end in forged_tags(text, tags):
        index = bisect_right(template_spans, start, key=lambda span: span[0]) - 1
        if start >= at and name_end > template_spans[index][1]:
            broken += (text[at:start], "[")
            at = bracket_end
    return "".join((*broken, text[at:]))
