"""Plans whole roots with the real provider, against an account that is made up."""

import base64
import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.modules.harness import Terraform


@dataclass(frozen=True)
class Plan:
    """What `terraform show -json` says of a plan that creates everything."""

    text: dict[str, Any]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Planned values by address, of what is created; unknown ones are missing."""
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
        """Return the only resource of a type whose values are the wanted ones."""
        [found] = [
            values for values in self.of_type(kind).values() if all(values[key] == wanted[key] for key in wanted)
        ]
        return found

    def kinds(self) -> Counter[str]:
        """Return how many resources of each type are created."""
        return Counter(change["type"] for change in self.text["resource_changes"] if change["mode"] == "managed")

    def references(self, *modules: str, given: str) -> set[str]:
        """Return what the innermost of nested module calls is given as one input."""
        module = self.text["configuration"]["root_module"]
        for name in modules:
            call = module["module_calls"][name]
            module = call["module"]
        return set(call["expressions"][given]["references"])


def write_package(folder: Path, name: str = "package.zip") -> dict[str, str]:
    """Write a file that stands for a built zip; return what its manifest says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"stands for a built zip")
    digest = base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
    return {"path": str(path), "sha256_base64": digest, "version": "1.2.3", "architecture": "arm64"}


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


def _run(terraform: Terraform, folder: str, *arguments: str) -> str:
    done = terraform.run(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
