"""The variables of a project's Terraform root in the local cloud.

The file `envs/local.json` has the project's choices. `LocalValues` fills in what the file leaves out and only the local
cloud knows, such as its issuer and the ARN of a secret.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.known_values import KnownValues
from analysis_jobs_dev.environments import explain
from analysis_jobs_dev.environments.document import Document, SyntaxProblemError
from analysis_jobs_dev.environments.schema import SETTINGS, RootInterface
from analysis_jobs_dev.environments.variables import Schema

FILE = Path("envs", "local.json")
# Keys of an environment's file that mean nothing here: the local cloud has its own state and package.
_IGNORED = frozenset({"$schema", "deployment", "name", "package", "package_bucket", "project", "region", "state"})
_EMPTY: Mapping[str, object] = {"array": [], "boolean": False, "map": {}}

type _Path = tuple[str, ...]


@dataclass(frozen=True)
class LocalFile:
    """The project's `envs/local.json`; `document` is None without the file.

    It is the file of an environment: `settings` has the variables of the root, as `RootInterface` describes. They may
    also be beside `settings`.
    """

    path: Path
    document: Document | None

    @classmethod
    def of(cls, project: Path) -> "LocalFile":
        """Read the file of the project in a folder. Raises CloudError if it is not a JSON object."""
        path = project / FILE
        if not path.exists():
            return cls(path, None)
        try:
            document = Document.read(path)
        except SyntaxProblemError as error:
            raise CloudError(str(error)) from error
        if not isinstance(document.value, dict):
            raise CloudError(f"{path} must have an object: the variables of the Terraform root by name.")
        return cls(path, document)

    @property
    def region(self) -> str | None:
        """The Region of the local cloud, None if the file does not say."""
        found = self.document and self.document.value.get("region")
        return found if isinstance(found, str) else None

    def variables(self, root: RootInterface) -> dict[str, Any]:
        """Return the variables of the root that the file sets.

        Raises CloudError with every value that does not fit its type, and every key that the root does not have:
        Terraform would ignore it.
        """
        if self.document is None:
            return {}
        own = {name: each.schema for name, each in root.variables.items()}
        content = {
            name: value
            for name, value in self.document.value.items()
            if name == SETTINGS or name not in _IGNORED or (name in own and name != "package")
        }
        inside = {name: each for name, each in own.items() if name != SETTINGS or not root.inner}
        settings: Schema = {"properties": {**inside, **root.inner}, "additionalProperties": False, "type": "object"}
        known = {"properties": {**own, SETTINGS: settings}, "additionalProperties": False}
        found = explain.problems(content, _optional(known))
        wrong = sorted(self.document.problem(path, message) for path, message in found)
        if wrong:
            raise CloudError("\n".join(map(str, wrong)))
        chosen = content.pop(SETTINGS, {})
        return {**content, **(root.values(chosen) if chosen else {})}


def filled(root: RootInterface, given: Mapping[str, Any], known: KnownValues, file: Path) -> dict[str, Any]:
    """Return values for the variables of a root: the given ones, and those that it requires and nobody gives.

    What the local cloud knows is filled in, also attributes of objects. A list or a map is empty, and a boolean false.
    Raises CloudError for the others, which belong into the `file`.
    """
    filling = _Filling(known)
    required = {
        name for name, each in root.variables.items() if each.is_required and f"TF_VAR_{name}" not in os.environ
    }
    wanted = {name: each for name, each in root.variables.items() if name in given or name in required}
    found = {name: filling.value(each.schema, (name,), given) for name, each in wanted.items()}
    if filling.missing:
        them = "it" if len(filling.missing) == 1 else "them"
        raise CloudError(
            f"The Terraform root requires {', '.join(filling.missing)}, which the local cloud does not know. Set "
            f"{them} in {file}."
        )
    return {**given, **found}


class _Filling:
    """Fills values in, and collects the names of those that are missing."""

    def __init__(self, known: KnownValues) -> None:
        self._known = known
        self.missing: list[str] = []

    def value(self, schema: Schema, path: _Path, around: Mapping[str, Any]) -> object:
        """Return the value of the variable or attribute at the end of `path`. `around` is the object that it is in."""
        given = around.get(path[-1])
        if path[-1] in around and not isinstance(given, Mapping):
            return given
        if "properties" in schema and path != ("package",):
            inside = given or {}
            required = schema.get("required", ())
            wanted = {name: each for name, each in schema["properties"].items() if name in inside or name in required}
            return {**inside, **{name: self.value(each, (*path, name), inside) for name, each in wanted.items()}}
        if given is not None:
            return given
        kind = _type_of(schema)
        if (known := self._known.of(path, kind)) is not None:
            return known
        if kind not in _EMPTY:
            self.missing.append(f"{'.'.join(path)} ({kind or 'of any type'})")
        return _EMPTY.get(kind)


def _type_of(schema: Schema) -> str:
    """Return the type in a schema. An object without attributes of its own is a "map". Empty for any type."""
    types = schema.get("type", [])
    kind = next((each for each in ([types] if isinstance(types, str) else types) if each != "null"), "")
    return "map" if kind == "object" and "properties" not in schema else str(kind)


def _optional(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a schema that accepts values in which something is missing: it is filled in later."""
    if isinstance(schema, Mapping):
        return {name: _optional(each) for name, each in schema.items() if not _is_keyword_required(name, each)}
    return schema


def _is_keyword_required(name: str, value: object) -> bool:
    # Below `properties` it is the name of an attribute, and its value a schema.
    return name == "required" and isinstance(value, list)
