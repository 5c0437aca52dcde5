"""Plans whole roots with the real provider, against a fictitious account."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from analysis_jobs.authoring.declarations import declared
from analysis_jobs_dev import package, places
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.config import load
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.root import TerraformRoot, prepare
from tests.modules.harness import OFFLINE, Terraform


@dataclass(frozen=True)
class Plan:
    """The output of `terraform show -json` for a plan that creates everything."""

    text: dict[str, Any]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Planned values of the created resources, by address. Unknown values are missing."""
        return {
            change["address"]: change["change"]["after"]
            for change in self.text["resource_changes"]
            if change["mode"] == "managed" and change["change"]["actions"] == ["create"]
        }

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the planned resources of one type."""
        addresses = {change["address"] for change in self.text["resource_changes"] if change["type"] == kind}
        return {address: values for address, values in self.resources.items() if address in addresses}

    def one(self, kind: str, **wanted: str) -> dict[str, Any]:
        """Return the only resource of a type that has the wanted values."""
        [found] = [
            values for values in self.of_type(kind).values() if all(values[key] == wanted[key] for key in wanted)
        ]
        return found

    @property
    def outputs(self) -> dict[str, Any]:
        """Planned outputs of the root; unknown ones are missing."""
        return {name: change["after"] for name, change in self.text["output_changes"].items() if "after" in change}

    def within(self, prefix: str) -> Self:
        """Return the plan with only the resources below an address."""
        changes = [change for change in self.text["resource_changes"] if change["address"].startswith(prefix)]
        return dataclasses.replace(self, text={**self.text, "resource_changes": changes})

    def references(self, *modules: str, given: str) -> set[str]:
        """Return the references in one input of the last of these nested modules."""
        call = self._call(modules)
        return set(call["expressions"][given]["references"])

    def configured(self, address: str, *modules: str) -> dict[str, Any]:
        """Return the configuration of a resource in the last of these nested modules."""
        resources = self._call(modules)["module"]["resources"]
        found: dict[str, Any] = next(each for each in resources if each["address"] == address)
        return found

    def variables_of(self, source: str) -> dict[str, Any]:
        """Return the variables of the module that the root calls from this source."""
        calls = self.text["configuration"]["root_module"]["module_calls"].values()
        [found] = [call["module"]["variables"] for call in calls if call["source"] == source]
        return dict(found)

    def _call(self, modules: Sequence[str]) -> dict[str, Any]:
        call: dict[str, Any] = {"module": self.text["configuration"]["root_module"]}
        for name in modules:
            call = call["module"]["module_calls"][name]
        return call


def write_package(folder: Path, example: str = "rfp-analysis", **changes: object) -> dict[str, str]:
    """Write a file in place of the built zip of an example, and its manifest. Return the module's `package`.

    `changes` replace fields of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{example}-arm64.zip"
    path.write_bytes(b"stands for a built zip")
    project = package.example(example)
    digest = hashlib.sha256(path.read_bytes())
    content = {
        "path": path.name,
        "sha256": digest.hexdigest(),
        "sha256_base64": base64.b64encode(digest.digest()).decode(),
        "size_bytes": path.stat().st_size,
        "architecture": "arm64",
        "version": "1.2.3",
        "project": {"name": project.name, "version": project.version, "commit": None},
        "library": {"name": "analysis-jobs", "version": places.version(), "commit": None},
        "extras": project.extras,
        "declarations": {"analyses": declared(project.analyses), "secrets": [], "ocr_languages": ["eng"]},
        "distributions": {"google-genai": "3", "tesserocr": "2"},
    }
    manifest = path.with_suffix(".json")
    manifest.write_text(json.dumps(content | changes), encoding="utf-8")
    return {"manifest": str(manifest)}


def make_plan(terraform: Terraform, folder: str, account_url: str, **variables: object) -> Plan:
    """Plan the root in `folder` of the workspace with its state on disk instead of in S3."""
    given = {f"TF_VAR_{name}": json.dumps(value) for name, value in variables.items()}
    environment = terraform.environment | given | {"AWS_ENDPOINT_URL_STS": account_url}
    here = dataclasses.replace(terraform, environment=environment)
    root = here.prepare(folder)
    (root / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
    _run(here, folder, "init", "-lockfile=readonly")
    _run(here, folder, "plan", "-out=plan")
    return Plan(json.loads(_run(here, folder, "show", "-json", "plan")))


def plan_environment(
    name: str, workspace: Path, account_url: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> tuple[TerraformRoot, Plan]:
    """Plan an environment of the workspace, with its state on disk instead of in S3."""
    for variable, value in {**OFFLINE, "AWS_ENDPOINT_URL_STS": account_url}.items():
        monkeypatch.setenv(variable, value)
    root = prepare(load(name, workspace), package, backend=Backend.local(workspace / f"{name}.tfstate"))
    root.init()
    root.plan(quiet=True)
    return root, Plan(root.show())


def _run(terraform: Terraform, folder: str, *arguments: str) -> str:
    done = terraform.run(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
