"""The prompts of a project, released with its code.

A changed prompt becomes an inactive version. The canaries run with it. It is activated when the new code is in service,
and goes back with it.

Operators change prompts without a deployment, too. So only a file that has changed since the last release counts: a
release of other code does not undo their work.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptError, PromptLibrary


@dataclass(frozen=True)
class PromptChange:
    """A prompt that a release activates: its new version, and the active versions before and after, by category.

    `old_code` and `new_code` are the versions of the code before and after it. Jobs that still run on the code that
    leaves keep the prompts that they began with. Both are empty if the code stays the same.
    """

    name: str
    version: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    old_code: str = ""
    new_code: str = ""

    @classmethod
    def of(cls, text: Mapping[str, Any]) -> Self:
        """Return the change that `as_json` describes."""
        return cls(**text)

    def as_json(self) -> dict[str, Any]:
        """Return the change as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PromptRelease:
    """Releases the prompt files of a folder. A project without prompts has no folder."""

    library: PromptLibrary
    folder: Path | None

    def digests(self) -> dict[str, str]:
        """Return a digest of each prompt file, by the name of its prompt."""
        return {prompt.name: _digest(prompt) for prompt in self._files()}

    def stage(self, released: Mapping[str, str] | None, old_code: str = "", new_code: str = "") -> list[PromptChange]:
        """Store the prompts that have changed since the release with these digests. None of them becomes active.

        See `PromptChange` for the versions of the code. `released` is None if nobody knows what was released. Then a
        prompt that the table has already stays as it is.
        """
        found = []
        for prompt in self._files():
            if released is None and self.library.find(prompt.name):
                continue
            if released is not None and released.get(prompt.name) == _digest(prompt):
                continue
            version = self._stored(prompt)
            head = self.library.head(prompt.name)
            after = dict.fromkeys(version.categories, version.version)
            before = {category: head.active.get(category, 0) for category in version.categories}
            if before != after:
                codes = (old_code, new_code) if old_code != new_code else ("", "")
                found.append(PromptChange(prompt.name, version.version, before, after, *codes))
        return found

    def warnings(self, changes: Sequence[PromptChange]) -> list[str]:
        """Return the placeholders that the new and the active version of a prompt do not have in common."""
        found = []
        for change in changes:
            new = self.library.version(change.name, change.version)
            for version in sorted(set(change.before.values()) - {0}):
                found += [
                    f"{change.name}: {each}"
                    for each in new.warnings_about_change(self.library.version(change.name, version))
                ]
        return found

    def activate(self, changes: Sequence[PromptChange]) -> None:
        """Activate the new versions."""
        for change in changes:
            self.library.activate(change.name, change.version, except_for=change.old_code)

    def go_back(self, changes: Sequence[PromptChange], *, is_undo: bool = True) -> list[str]:
        """Activate the versions of before. Return a line for each prompt.

        Without `is_undo`, the changes were made by a rollback, and this one takes that back. A prompt that
        somebody has changed since stays as it is.
        """
        lines = []
        for change in changes:
            active = self.library.head(change.name).active
            if any(active.get(category, 0) != version for category, version in change.after.items()):
                if any(active.get(category, 0) != version for category, version in change.before.items()):
                    lines.append(f"the prompt {change.name} was changed by somebody else, and stays as it is")
                continue
            self.library.restore(change.name, change.before, is_undo=is_undo, except_for=change.new_code)
            lines.append(f"the prompt {change.name} has its earlier version again")
        return lines

    def _files(self) -> list[Prompt]:
        return [Prompt.load(path) for path in sorted(self.folder.glob("*.toml"))] if self.folder else []

    def _stored(self, prompt: Prompt) -> Prompt:
        try:
            return self.library.put(prompt)[0]
        except PromptError:
            # The file was edited under the same version: take the next free one.
            return self.library.put(replace(prompt, version=0))[0]


def _digest(prompt: Prompt) -> str:
    return hashlib.sha256(json.dumps(asdict(prompt), sort_keys=True).encode()).hexdigest()[:16]
