"""The Terraform root of an environment, as a release uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs_dev.environments import deploy
from analysis_jobs_dev.environments.root import TerraformRoot
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.stack import Stack
from analysis_jobs_dev.release.versions import LIVE, FunctionVersions, Versions

_ALIAS = "aws_lambda_alias"


def keep_live(root: TerraformRoot) -> None:
    """Let the plans of a root keep the versions in service. A stack that does not exist yet has none."""
    if deployment := root.deployment():
        root.use(root.package.keeping(Versions(root.client("lambda"), Stack.of(deployment).functions).of(LIVE)))


@dataclass
class RootOfRelease:
    """Plans and applies a root. With `plan_file`, that plan is applied, which somebody has approved."""

    root: TerraformRoot
    plan_file: Path | None = None

    def deployment(self) -> Mapping[str, Any]:
        """See `machine.Terraform`."""
        return self.root.deployment()

    def plan(self, live: FunctionVersions | None) -> bool:
        """See `machine.Terraform`. Raises `ReleaseError` for an approved plan that keeps other versions in service."""
        if self.plan_file:
            deploy.check_plan(self.root, self.plan_file)
            if live is not None and (others := kept(self.root.show(self.plan_file))) and others - set(live.values()):
                raise ReleaseError(
                    "The plan is out of date: another version has been put in service since it was made. Plan again.",
                    [f"the plan keeps version {', '.join(sorted(others))}, in service is {dict(live)}"],
                )
            return True
        self.root.use(self.root.package.keeping(live) if live is not None else self.root.package)
        return self.root.plan(self.root.plan_file)

    def moved_aliases(self) -> Sequence[str]:
        """See `machine.Terraform`."""
        return moved_aliases(self.root.show(self._file))

    def apply(self) -> None:
        """See `machine.Terraform`."""
        self.root.apply(self._file)

    @property
    def _file(self) -> Path:
        return self.plan_file or self.root.plan_file


def moved_aliases(plan: Mapping[str, Any]) -> list[str]:
    """Return the addresses of the aliases `live` that a plan (`terraform show -json`) would move."""
    return [
        each["address"]
        for each in _live_aliases(plan)
        if each["change"]["actions"] == ["update"]
        and _version(each["change"], "before") != _version(each["change"], "after")
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
