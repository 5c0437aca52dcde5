"""The Terraform root of an environment, as a release uses it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis_jobs_dev.environments import deploy
from analysis_jobs_dev.environments.root import TerraformRoot
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.stack import Stack
from analysis_jobs_dev.release.versions import LIVE, FunctionVersions, Versions

_ALIAS = "aws_lambda_alias"
# A deployment of code changes these, and nothing else.
_CODE = {_ALIAS, "aws_lambda_function"}


def keep_live(root: TerraformRoot) -> None:
    """Let the plans of a root keep the versions in service. A stack that does not exist yet has none."""
    if deployment := root.deployment():
        root.use(root.package.keeping(Versions(root.client("lambda"), Stack.of(deployment).functions).of(LIVE)))


@dataclass
class RootOfRelease:
    """Plans and applies a root. With `plan_file`, that plan is applied, which somebody has approved.

    Otherwise the first plan compares the configuration with the state only. It is applied if it changes nothing but
    functions and their aliases, and if nobody else has changed these functions. A difference of another resource in AWS
    is then not repaired. In all other cases every resource is read and planned again. `refresh` leaves out the first
    plan.
    """

    root: TerraformRoot
    plan_file: Path | None = None
    refresh: bool = False
    say: Callable[[str], None] = print
    _live: FunctionVersions = field(default_factory=dict)
    _shown: Mapping[str, Any] | None = None

    def deployment(self) -> Mapping[str, Any]:
        """See `machine.Terraform`."""
        return self.root.deployment()

    def plan(self, live: FunctionVersions | None) -> bool:
        """See `machine.Terraform`. Raises `ReleaseError` for an approved plan that keeps other versions in service."""
        self._live, self._shown = live or {}, None
        if self.plan_file:
            self._shown = deploy.check_plan(self.root, self.plan_file)
            if live is not None and (others := kept(self._plan())) and others - set(live.values()):
                raise ReleaseError(
                    "The plan is out of date: another version has been put in service since it was made. Plan again.",
                    [f"the plan keeps version {', '.join(sorted(others))}, in service is {dict(live)}"],
                )
            return True
        self.root.use(self.root.package.keeping(live) if live is not None else self.root.package)
        return (live is not None and not self.refresh and self._plan_code()) or self.root.plan(self.root.plan_file)

    def _plan_code(self) -> bool:
        """Plan without reading the resources. Return whether only the code of functions changes."""
        if not self.root.plan(self.root.plan_file, quiet=True, refresh=False):
            return False
        functions = changed_functions(self._plan())
        if not functions or not self._are_as_in_the_state(functions):
            self._shown = None
            return False
        self.say(f"  functions alone change ({', '.join(sorted(functions))}), so the other resources are not read")
        return True

    def _are_as_in_the_state(self, functions: Mapping[str, str]) -> bool:
        """Tell whether nobody has changed the functions since Terraform did. `functions` is the time of each change.

        Otherwise a new version would have the change of somebody else too.
        """
        client = self.root.client("lambda")
        return all(
            client.get_function_configuration(FunctionName=name)["LastModified"] == modified
            for name, modified in functions.items()
        )

    def moved_aliases(self) -> Sequence[str]:
        """See `machine.Terraform`."""
        names = Stack.of(self.deployment()).functions
        return moved_aliases(self._plan(), {names[key]: version for key, version in self._live.items()})

    def apply(self) -> None:
        """See `machine.Terraform`."""
        self.root.apply(self._file, keeps_outputs=bool(self._live) and not changes_outputs(self._plan()))

    def _plan(self) -> Mapping[str, Any]:
        """Return the plan that is applied, as `terraform show -json` has it. Terraform needs seconds for that."""
        if self._shown is None:
            self._shown = self.root.show(self._file)
        return self._shown

    @property
    def _file(self) -> Path:
        return self.plan_file or self.root.plan_file


def changed_functions(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the functions that a plan changes, and when each was last changed. Empty if it changes anything else."""
    changes = [
        each
        for each in plan.get("resource_changes", [])
        if each["mode"] == "managed" and each["change"]["actions"] not in (["no-op"], ["read"])
    ]
    if not all(each["type"] in _CODE and each["change"]["actions"] == ["update"] for each in changes):
        return {}
    functions = (each["change"]["before"] for each in changes if each["type"] != _ALIAS)
    return {each["function_name"]: each["last_modified"] for each in functions}


def changes_outputs(plan: Mapping[str, Any]) -> bool:
    """Tell whether an output of the root has another value after a plan."""
    return any(each["actions"] != ["no-op"] for each in plan.get("output_changes", {}).values())


def moved_aliases(plan: Mapping[str, Any], in_service: Mapping[str, str]) -> list[str]:
    """Return the addresses of the aliases `live` that a plan (`terraform show -json`) would move.

    `in_service` has the version in service by the name of the function. The plan itself may not know it: releases move
    aliases without Terraform.
    """
    return [
        each["address"]
        for each in _live_aliases(plan)
        if each["change"]["actions"] == ["update"]
        and _version(each["change"], "after") != in_service.get(each["change"]["before"]["function_name"])
    ]


def kept(plan: Mapping[str, Any]) -> set[str]:
    """Return the versions in service that a plan keeps."""
    found = (_version(each["change"], "after") for each in _live_aliases(plan) if each["change"]["before"])
    return {version for version in found if version}


def _live_aliases(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    aliases = [each for each in plan.get("resource_changes", []) if each["type"] == _ALIAS]
    return [each for each in aliases if (each["change"]["after"] or each["change"]["before"] or {}).get("name") == LIVE]


def _version(change: Mapping[str, Any], side: str) -> str | None:
    found: str | None = (change[side] or {}).get("function_version")
    return found
