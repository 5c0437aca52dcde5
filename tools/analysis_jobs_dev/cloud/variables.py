"""The variables of a project's Terraform root in the local cloud.

The environment `local` has the project's choices, in `envs/local.json`. `filled` adds what only the local cloud knows,
such as its issuer and the ARN of a secret.
"""

import os
from collections.abc import Mapping
from typing import Any

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.known_values import KnownValues
from analysis_jobs_dev.environments.schema import SETTINGS, RootInterface
from analysis_jobs_dev.environments.variables import Schema

_EMPTY: Mapping[str, object] = {"array": [], "boolean": False, "map": {}}

type _Path = tuple[str, ...]


def filled(root: RootInterface, given: Mapping[str, Any], known: KnownValues) -> dict[str, Any]:
    """Return values for the variables of a root: the given ones, and those that it requires and nobody gives.

    What the local cloud knows is filled in, also attributes of objects. A list or a map is empty, and a boolean false.
    Raises CloudError for the others, which belong into the environment `local`.
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
            f"{them} in envs/local.json."
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
            # The attributes of a variable `settings` are beside the other variables there.
            place = path if path[0] == SETTINGS else (SETTINGS, *path)
            self.missing.append(f"{'.'.join(place)} ({kind or 'of any type'})")
        return _EMPTY.get(kind)


def _type_of(schema: Schema) -> str:
    """Return the type in a schema. An object without attributes of its own is a "map". Empty for any type."""
    types = schema.get("type", [])
    kind = next((each for each in ([types] if isinstance(types, str) else types) if each != "null"), "")
    return "map" if kind == "object" and "properties" not in schema else str(kind)
