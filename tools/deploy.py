"""Plans or deploys an environment: `deploy.py plan staging`, `deploy.py deploy staging`.

The package must be built. A deployment applies exactly the plan that it shows, then runs one real job through the
deployed API, and fails if that job fails. TF_STATE_BUCKET names the S3 bucket of Terraform's state, in the
environment's Region. `package_bucket` in the environment's config.json names the bucket that packages are uploaded to;
without it Terraform sends the zip itself, which Lambda accepts up to 50 MB.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import smoke
from analysis_jobs.cli.environment import TOKEN_VARIABLE
from analysis_jobs_dev.environments.package_bucket import UploadError, upload
from analysis_jobs_dev.packager.refusals import DIRECT_UPLOAD_LIMIT
from analysis_jobs_dev.provider_mirror import MirrorError, terraform_environment

REPOSITORY = Path(__file__).resolve().parent.parent
ARCHITECTURE = "arm64"
STATE_BUCKET_VARIABLE = "TF_STATE_BUCKET"


class DeployError(Exception):
    """The environment cannot be planned or deployed. The message names the fix."""


class Environment:
    """A Terraform root module below envs/, and the package to deploy with it."""

    def __init__(self, name: str, example: str, repository: Path) -> None:
        known = environments(repository)
        if name not in known:
            raise DeployError(f"There is no environment {name!r}. Give one of: {', '.join(known)}.")
        manifest = repository / "dist" / f"{example}-{ARCHITECTURE}.json"
        if not manifest.exists():
            raise DeployError(f"{manifest.name} is not in dist: run `make package EXAMPLE={example}`.")
        described = json.loads(manifest.read_text(encoding="utf-8"))
        self.root = repository / "envs" / name
        self.plan_file = repository / ".local" / "plans" / f"{name}.tfplan"
        self.code_version: str = described["version"]
        self._zip = manifest.parent / described["path"]
        self._sha256: str = described["sha256"]
        self._sha256_base64: str = described["sha256_base64"]
        # Relative to the root, so that a state made on one machine fits another.
        self._package: dict[str, Any] = {"manifest": os.path.relpath(manifest, self.root)}
        config = json.loads((self.root / "config.json").read_text(encoding="utf-8"))
        self._region: str = config["region"]
        self._package_bucket: str | None = config.get("package_bucket")
        if self._package_bucket is None and described["size_bytes"] > DIRECT_UPLOAD_LIMIT:
            raise DeployError(
                f"{self._zip.name} has {described['size_bytes'] / 2**20:.1f} MB, and Lambda accepts at most 50 MB that "
                f"do not come from S3: set package_bucket in envs/{name}/config.json to a bucket in {self._region}."
            )
        self._state_bucket = _required(STATE_BUCKET_VARIABLE, "it names the S3 bucket of Terraform's state")

    def plan(self) -> None:
        """Upload the package if there is a bucket for it, initialise the root and write the plan."""
        self.plan_file.parent.mkdir(parents=True, exist_ok=True)
        backend = (f"-backend-config=bucket={self._state_bucket}", f"-backend-config=region={self._region}")
        self._terraform("init", "-input=false", "-lockfile=readonly", "-reconfigure", *backend)
        self._package |= self._uploaded()
        self._terraform("plan", "-input=false", f"-out={self.plan_file}")

    def _uploaded(self) -> dict[str, dict[str, str]]:
        """Return where the package is in S3, as the module takes it; empty if Terraform sends it itself."""
        if self._package_bucket is None:
            return {}
        hashes = self._sha256_base64, self._sha256
        return {"s3": upload(self._zip, *hashes, bucket=self._package_bucket, region=self._region)}

    def apply(self) -> str:
        """Apply the written plan and return the API's URL."""
        self._terraform("apply", "-input=false", str(self.plan_file))
        deployment: dict[str, Any] = json.loads(self._terraform("output", "-json", "deployment", capture=True))
        return str(deployment["api_url"])

    def _terraform(self, *arguments: str, capture: bool = False) -> str:
        variables = {"TF_VAR_package": json.dumps(self._package), "TF_IN_AUTOMATION": "1"}
        try:
            result = subprocess.run(
                ["terraform", f"-chdir={self.root}", *arguments],
                env={**os.environ, **terraform_environment(), **variables},
                stdout=subprocess.PIPE if capture else None,
                text=True,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise DeployError(f"`terraform {arguments[0]}` failed: see its output above.") from error
        return result.stdout or ""


def environments(repository: Path) -> list[str]:
    """Return the environments that can be deployed: each folder with a config.json, except `local`."""
    found = sorted(path.parent.name for path in (repository / "envs").glob("*/config.json"))
    return [name for name in found if name != "local"]


def smoke_job(url: str, example: str, code_version: str) -> int:
    """Run one job of the example with its first document. Return the exit status."""
    documents = sorted((REPOSITORY / "examples" / example / "documents").glob("*.pdf"))
    document = ["--document", str(documents[0])] if documents else []
    return smoke.main([url, "--analysis", example, "--code-version", code_version, *document])


def _required(variable: str, why: str) -> str:
    """Return the value of an environment variable. Raises `DeployError` if it is not set."""
    value = os.environ.get(variable)
    if not value:
        raise DeployError(f"{variable} is not set: {why}.")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Plan or deploy, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["plan", "deploy"], help="plan: only show the changes; deploy: apply them")
    parser.add_argument("environment", nargs="?", default="", help="name of a folder in envs/, for example staging")
    parser.add_argument("--example", default="rfp-analysis", help="example to deploy (default: rfp-analysis)")
    options = parser.parse_args(arguments)
    try:
        environment = Environment(options.environment, options.example, REPOSITORY)
        if options.action == "deploy":
            _required(TOKEN_VARIABLE, "set it to a bearer token for the job that tests the deployment")
        environment.plan()
        if options.action == "plan":
            return 0
        url = environment.apply()
    except (DeployError, MirrorError, UploadError) as error:
        print(error, file=sys.stderr)
        return 1
    return smoke_job(url, options.example, environment.code_version)


if __name__ == "__main__":
    sys.exit(main())
