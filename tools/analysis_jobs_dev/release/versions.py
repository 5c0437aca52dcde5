"""The versions of a stack's functions, and the aliases that point at them.

`live` is in service. `candidate` is the newest version; Terraform moves it. `previous` was in service before `live`.

The worker moves first and the API last, so that a job of the new API never meets an old worker. The way back is the
other way round. An old API and a new worker do meet: a new worker must take the jobs that are queued already.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analysis_jobs.base.clock import Clock

LIVE = "live"
CANDIDATE = "candidate"
PREVIOUS = "previous"
ORDER = ("worker", "events", "sweeper", "api")
# A version that is not in service may still run: an invocation takes up to 15 minutes.
_YOUNGEST_PRUNED = timedelta(hours=1)

type FunctionVersions = Mapping[str, str]


@dataclass(frozen=True)
class Versions:
    """Reads and moves the aliases. `functions` are the names of the functions by `worker`, `api` and so on."""

    client: Any
    functions: Mapping[str, str]

    def of(self, alias: str) -> dict[str, str]:
        """Return the version that an alias of each function points at. A function without the alias is missing.

        While `live` moves in steps, it is the version that it moves away from.
        """
        found = {key: self._alias(key, alias) for key in self._keys()}
        return {key: each["FunctionVersion"] for key, each in found.items() if each}

    def moving(self) -> list[str]:
        """Return the functions with a `live` that points at two versions."""
        found = {key: self._alias(key, LIVE) for key in self._keys()}
        return [key for key, each in found.items() if each and _weights(each)]

    def move(self, function: str, version: str, *, percent: int = 100) -> None:
        """Send this share of the calls of `live` to a version. The others stay where they are."""
        current = self._alias(function, LIVE)
        if percent >= 100 or current is None or current["FunctionVersion"] == version:  # noqa: PLR2004 - all
            self._point(function, LIVE, version)
            return
        self._point(function, LIVE, current["FunctionVersion"], {version: percent / 100})

    def put(self, alias: str, versions: FunctionVersions) -> list[str]:
        """Point an alias of each function at a version, the API first. Return the functions that needed it."""
        changed = []
        for function in reversed(ORDER):
            if function in versions and function in self.functions:
                current = self._alias(function, alias)
                if current and current["FunctionVersion"] == versions[function] and not _weights(current):
                    continue
                self._point(function, alias, versions[function])
                changed.append(function)
        return changed

    def prune(self, keep: int, clock: Clock) -> dict[str, list[str]]:
        """Delete old versions, except the newest `keep` and those that an alias uses. Return them by function."""
        pruned = {}
        for key in self._keys():
            name = self.functions[key]
            used = {version for alias in self._aliases(name) for version in _versions(alias)}
            known = sorted(self._published(name), key=lambda each: int(each["Version"]))
            old = [each for each in known[:-keep] if each["Version"] not in used and _is_old(each, clock)]
            for each in old:
                self.client.delete_function(FunctionName=name, Qualifier=each["Version"])
            if old:
                pruned[key] = [each["Version"] for each in old]
        return pruned

    def configuration(self, function: str, qualifier: str) -> dict[str, Any]:
        """Return Lambda's configuration of a version."""
        found: dict[str, Any] = self.client.get_function_configuration(
            FunctionName=self.functions[function], Qualifier=qualifier
        )
        return found

    def code_of(self, versions: FunctionVersions) -> str:
        """Return the version of the code that the worker has in these versions; "" if nobody knows."""
        if "worker" not in versions:
            return ""
        variables = self.configuration("worker", versions["worker"]).get("Environment", {}).get("Variables", {})
        return str(variables.get("CODE_VERSION", ""))

    def _keys(self) -> list[str]:
        return [key for key in ORDER if key in self.functions]

    def _alias(self, function: str, alias: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.client.get_alias(FunctionName=self.functions[function], Name=alias)
        except self.client.exceptions.ResourceNotFoundException:
            return None
        return found

    def _point(self, function: str, alias: str, version: str, weights: Mapping[str, float] | None = None) -> None:
        given = {
            "FunctionName": self.functions[function],
            "Name": alias,
            "FunctionVersion": version,
            "RoutingConfig": {"AdditionalVersionWeights": dict(weights or {})},
        }
        try:
            self.client.update_alias(**given)
        except self.client.exceptions.ResourceNotFoundException:
            if alias != PREVIOUS:
                raise
            del given["RoutingConfig"]
            self.client.create_alias(**given, Description="The version that was in service before.")

    def _aliases(self, name: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("list_aliases").paginate(FunctionName=name):
            yield from page["Aliases"]

    def _published(self, name: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("list_versions_by_function").paginate(FunctionName=name):
            yield from (each for each in page["Versions"] if each["Version"].isdigit())


def _weights(alias: Mapping[str, Any]) -> dict[str, float]:
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


def _versions(alias: Mapping[str, Any]) -> set[str]:
    return {alias["FunctionVersion"], *_weights(alias)}


def _is_old(version: Mapping[str, Any], clock: Clock) -> bool:
    # For example "2026-11-28T18:00:00.000+0000".
    return clock.now() - datetime.fromisoformat(version["LastModified"]) > _YOUNGEST_PRUNED
