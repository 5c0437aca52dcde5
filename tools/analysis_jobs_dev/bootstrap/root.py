"""The Terraform root that bootstraps an environment, and its state.

The first run keeps the state in a file, because there is no bucket yet, and moves it into the bucket that it has made.
Every later run, on any machine, finds it there. A run that was interrupted before the move goes on with the file.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import boto3

from analysis_jobs_dev import places
from analysis_jobs_dev.bootstrap.account import github_provider, has_state
from analysis_jobs_dev.cloud.root import escaped
from analysis_jobs_dev.terraform_command import command_environment, run_in

__all__ = ["BootstrapError", "BootstrapRoot"]

LOCK_FILE = ".terraform.lock.hcl"
MAIN_FILE = "main.tf.json"
BACKEND_FILE = "backend.tf.json"
STATE_FILE = "terraform.tfstate"
PLAN_FILE = "plan.tfplan"
PROVIDER = "module.bootstrap.aws_iam_openid_connect_provider.github[0]"
PACKAGES = "module.bootstrap.module.packages[0]."
OUTPUTS = (
    "deploy_role_arn",
    "functions_boundary_arn",
    "oidc_provider_arn",
    "package_bucket",
    "plan_role_arn",
    "region",
    "state",
    "subjects",
)
_CHANGES = 2


class BootstrapError(Exception):
    """The account cannot be prepared. The message names the fix."""


@dataclass(frozen=True)
class BootstrapRoot:
    """The root in `folder`. `variables` are those of modules/bootstrap.

    `aws` are environment variables that replace the caller's own ones, for a local cloud. `log` is where Terraform
    prints to.
    """

    folder: Path
    region: str
    variables: Mapping[str, Any]
    aws: Mapping[str, str] = field(default_factory=dict, repr=False)
    log: TextIO | None = None

    def plan(self) -> bool:
        """Connect to the state, print the changes, and return whether there are any.

        Raises BootstrapError, and botocore's errors if there are no credentials.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = places.local_root() / LOCK_FILE
        if lock.exists():
            shutil.copyfile(lock, self.folder / LOCK_FILE)
        self.write_main(self.variables)
        self._connect()
        self.write_main(self.as_it_is())
        return self._terraform(
            "plan", "-input=false", f"-out={PLAN_FILE}", "-detailed-exitcode", accepted=(0, _CHANGES)
        ) == (_CHANGES)

    def apply(self) -> dict[str, Any]:
        """Apply the plan, move the state into the bucket, and return the outputs. Raises BootstrapError."""
        self._terraform("apply", "-input=false", PLAN_FILE)
        outputs = self.outputs()
        if not (self.folder / BACKEND_FILE).exists():
            self._write_backend(outputs["state"]["bucket"], outputs["state"]["bootstrap_key"])
            self._terraform("init", "-input=false", "-migrate-state", "-force-copy", quiet=True)
            for path in self.folder.glob(f"{STATE_FILE}*"):
                path.unlink()
        return outputs

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the module."""
        found = json.loads(self._text("output", "-json"))
        return {name: found[name]["value"] for name in OUTPUTS if name in found}

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a boto3 client of the account."""
        given = {
            "aws_access_key_id": self.aws.get("AWS_ACCESS_KEY_ID"),
            "aws_secret_access_key": self.aws.get("AWS_SECRET_ACCESS_KEY"),
            "endpoint_url": self.aws.get("AWS_ENDPOINT_URL"),
            "verify": self.aws.get("AWS_CA_BUNDLE"),
        }
        session: Any = boto3.Session()  # its overloads want a literal name
        return session.client(service, region_name=self.region, **{name: each for name, each in given.items() if each})

    def state_bucket(self) -> str:
        """Return the name of the state bucket, which the module would choose too."""
        named = (self.variables.get("state") or {}).get("bucket")
        account = self.client("sts").get_caller_identity()["Account"]
        return str(named or f"tfstate-{self.variables['name']}-{account}-{self.region}")

    def _connect(self) -> None:
        """Use the state in the bucket if it is there, else the file."""
        (self.folder / BACKEND_FILE).unlink(missing_ok=True)
        bucket, key = self.state_bucket(), f"bootstrap/{self.variables['name']}.tfstate"
        if has_state(self.client("s3"), bucket, key):
            self._write_backend(bucket, key)
        self._terraform("init", "-input=false", "-reconfigure", quiet=True)

    def as_it_is(self) -> dict[str, Any]:
        """Return the variables, so that what an earlier run has made stays.

        The provider for GitHub that this state has is kept; that of another state is used. A bucket for packages that
        this state has is kept.
        """
        kept = self._text("state", "list", accepted=(0, 1))
        given = dict(self.variables)
        github = dict(given["github"])
        if not github.get("oidc_provider_arn") and PROVIDER not in kept:
            github["oidc_provider_arn"] = github_provider(self.client("iam"))
        given["github"] = github
        if PACKAGES in kept:
            given["packages"] = {**(given.get("packages") or {}), "create": True}
        return given

    def write_main(self, variables: Mapping[str, Any]) -> None:
        """Write the call of the module with these variables."""
        source = os.path.relpath(places.modules().resolve() / "bootstrap", self.folder.resolve())
        tags = {"managed-by": "terraform", "stack": variables["name"]}
        content = {
            "terraform": {"required_version": ">= 1.11"},
            "provider": {"aws": {"region": self.region, "default_tags": {"tags": tags}}},
            "module": {"bootstrap": {"source": source, **escaped(variables)}},
            "output": {name: {"value": f"${{module.bootstrap.{name}}}"} for name in OUTPUTS},
        }
        (self.folder / MAIN_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    def _write_backend(self, bucket: str, key: str) -> None:
        settings = {"bucket": bucket, "key": key, "region": self.region, "encrypt": True, "use_lockfile": True}
        content = {"terraform": {"backend": {"s3": settings}}}
        (self.folder / BACKEND_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    def _text(self, *arguments: str, accepted: tuple[int, ...] = (0,)) -> str:
        return self._run(arguments, quiet=True, accepted=accepted).stdout

    def _terraform(self, *arguments: str, quiet: bool = False, accepted: tuple[int, ...] = (0,)) -> int:
        return self._run(arguments, quiet=quiet, accepted=accepted).returncode

    def _run(
        self, arguments: tuple[str, ...], *, quiet: bool, accepted: tuple[int, ...]
    ) -> subprocess.CompletedProcess[str]:
        environment = command_environment(self.aws, without=("AWS_",) if self.aws else ())
        done = run_in(self.folder, arguments, environment, quiet=quiet, log=self.log)
        if done.returncode not in accepted:
            said = f":\n{done.stdout}{done.stderr}" if quiet else ": see its output above."
            raise BootstrapError(f"`terraform {arguments[0]}` failed{said}")
        return done
