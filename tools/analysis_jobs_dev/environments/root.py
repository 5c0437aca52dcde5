"""The Terraform root of an environment: a generated folder, in which anybody can run Terraform too.

    root = prepare(environment, Package.of(environment))
    root.init()
    if root.plan(file):          # prints the plan; True if there are changes
        root.apply(file)         # exactly these changes
    root.deployment()["api_url"]

The folder is below `.local/deploy/<environment>` and has links to the files of the project's own root. Generated files
beside them add what the root does not have: a backend, a provider with the Region and the default tags. They set the
variables and the package. The project's own files, its state and its `.terraform` are not touched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud.root import DEPLOYMENTS, LOCK_FILE, Root, module_calls_in, write_default
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.model import ConfigError, Environment
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.schema import RootInterface
from analysis_jobs_dev.environments.variables import has_argument
from analysis_jobs_dev.terraform_command import command_environment, run_in

if TYPE_CHECKING:  # takes long to import, and only a local cloud has one
    from analysis_jobs_dev.cloud.connection import Connection

__all__ = ["STATE_BUCKET", "TerraformError", "TerraformRoot", "prepare"]

STATE_BUCKET = "TF_STATE_BUCKET"
ENVIRONMENT_FILE = "analysis_jobs_environment.tf.json"
OVERRIDE_FILE = "analysis_jobs_environment_override.tf.json"
PACKAGE_FILE = "analysis_jobs_package_override.tf.json"
OUTPUT_FILE = "analysis_jobs_deployments.tf.json"
VARIABLES_FILE = "zz_analysis_jobs.auto.tfvars.json"  # of such files, the last one by name wins
BACKEND_FILE = "analysis_jobs.s3.tfbackend"
PLAN_FILE = "plan.tfplan"
MODULE_CALL = "analysis_jobs"
# `terraform plan -detailed-exitcode`
_CHANGES = 2


class TerraformError(Exception):
    """Terraform failed. It has printed why."""


@dataclass(frozen=True)
class TerraformRoot:
    """The prepared root of an environment. Every method runs Terraform in `folder` and raises `TerraformError`.

    `variables` are environment variables for Terraform. With a `connection`, Terraform reaches that local cloud, and
    not the account that the environment variables with the prefix AWS_ name. A quiet root prints only errors.
    """

    environment: Environment
    folder: Path
    lock_is_complete: bool
    variables: Mapping[str, str] = field(repr=False)
    connection: Connection | None = None
    is_quiet: bool = False
    _package: list[Package] = field(default_factory=list, repr=False)
    _outputs: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def package(self) -> Package:
        """The package that a plan deploys."""
        return self._package[-1]

    @property
    def plan_file(self) -> Path:
        """Where a plan is kept if the caller names no other file."""
        return self.environment.folder / PLAN_FILE

    def init(self) -> None:
        """Install the provider and the modules, and connect to the state."""
        options = ["-lockfile=readonly"] if self.lock_is_complete else []
        if (self.folder / BACKEND_FILE).exists():
            options.append(f"-backend-config={BACKEND_FILE}")
        self.run("init", "-input=false", "-reconfigure", *options)
        self.use(self.package)

    def use(self, package: Package) -> None:
        """Let the following plans deploy another package, or the same one with other `live_versions`. After `init`."""
        self._package.append(package)
        given = _argument(package, self.folder)
        _write(self.folder / VARIABLES_FILE, _variables(self.environment, given))
        calls = self._calls()
        if not calls:
            _require_variable(self.environment, given)
            return
        _write(self.folder / PACKAGE_FILE, {"module": {name: self._arguments(name, given) for name in calls}})
        # A module with `count` is a list, one with `for_each` an object, any other is the module itself.
        parts = [f"try(module.{name}[*].deployment, values(module.{name})[*].deployment)" for name in calls]
        output = {"description": "What the module deploys.", "value": f"${{concat({', '.join(parts)})}}"}
        _write(self.folder / OUTPUT_FILE, {"output": {DEPLOYMENTS: output}})

    def plan(self, out: Path | None = None, *, quiet: bool = False, lock: bool = True, refresh: bool = True) -> bool:
        """Write the plan to a file, and print it unless `quiet`. Return whether it has changes.

        Without `lock` the state is only read, so that a role without the right to write it can plan. Terraform refuses
        to apply the plan of a state that has changed since. Without `refresh` the configuration is compared with the
        state, and not with the resources in AWS.
        """
        file = (out or self.plan_file).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        options = ["-input=false", f"-out={file}", "-detailed-exitcode"]
        options += [*([] if lock else ["-lock=false"]), *([] if refresh else ["-refresh=false"])]
        return self._run("plan", *options, quiet=quiet, accepted=(0, _CHANGES)).returncode == _CHANGES

    def show(self, plan: Path | None = None) -> dict[str, Any]:
        """Return a written plan, as `terraform show -json` prints it."""
        text = self._run("show", "-json", str((plan or self.plan_file).resolve()), quiet=True).stdout
        found: dict[str, Any] = json.loads(text)
        return found

    def apply(self, plan: Path | None = None, *, quiet: bool = False, keeps_outputs: bool = False) -> None:
        """Apply a written plan. Terraform refuses it if the state has changed since.

        `keeps_outputs` says that the plan changes no output, so that they need not be read again.
        """
        self._run("apply", "-input=false", str((plan or self.plan_file).resolve()), quiet=quiet)
        if not keeps_outputs:
            self._outputs.clear()

    def outputs(self) -> dict[str, Any]:
        """Return the root's outputs by name; empty before the first apply. They are read again after an apply."""
        if not self._outputs:
            found = json.loads(self._run("output", "-json", quiet=True).stdout or "{}")
            self._outputs.append({name: each["value"] for name, each in found.items()})
        return self._outputs[-1]

    def deployment(self) -> dict[str, Any]:
        """Return the module's output `deployment`: names and URLs. Empty before the first apply."""
        outputs = self.outputs()
        found: list[dict[str, Any]] = outputs.get(DEPLOYMENTS) or list(filter(None, [outputs.get("deployment")]))
        if len(found) > 1:
            raise ConfigError(
                f"{self.environment.root} calls the module {len(found)} times; one environment has one call."
            )
        return found[0] if found else {}

    @property
    def api_url(self) -> str | None:
        """The URL of the deployed API, as this machine reaches it; None without an API."""
        url: str | None = self.deployment().get("api_url")
        return self.connection.reachable(url) if url and self.connection else url

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return the boto3 client of a service in the environment's account and Region. It is made once."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:  # noqa: ANN401 - as above
        if self.connection:
            return self.connection.boto3(service)
        import boto3  # noqa: PLC0415 - takes long to import, and a plan alone does not need it

        session: Any = boto3.Session()  # its overloads want a literal name
        return session.client(service, region_name=self.environment.region)

    def command(self, *arguments: str) -> str:
        """Return the command line with which somebody runs Terraform here."""
        folder = os.path.relpath(self.folder)
        return " ".join(["terraform", f"-chdir={folder}", *arguments])

    def run(self, *arguments: str) -> None:
        """Run any Terraform command, and print what it prints."""
        self._run(*arguments)

    def _run(
        self, *arguments: str, quiet: bool = False, accepted: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        quiet = quiet or self.is_quiet
        local = self.connection.environment() if self.connection else {}
        environment = command_environment({**local, **self.variables}, without=("AWS_",) if self.connection else ())
        done = run_in(self.folder, arguments, environment, quiet=quiet)
        if done.returncode not in accepted:
            said = f":\n{(done.stdout or '')[-4000:]}{done.stderr or ''}" if quiet else ": see its output above."
            raise TerraformError(f"`terraform {arguments[0]}` failed{said}")
        return done

    def _arguments(self, call: str, package: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that replace those of a module block. Raises `ConfigError`."""
        boundary = self.environment.permissions_boundary_arn
        if boundary is None or not self.environment.has_own_root:
            return {"package": package}
        if has_argument(self.environment.root, call, "role"):
            raise ConfigError(
                f'The block `module "{call}"` in {self.environment.root} has an argument `role`: set '
                f"role.permissions_boundary_arn there, and remove permissions_boundary_arn from "
                f"{self.environment.file}."
            )
        return {"package": package, "role": {"permissions_boundary_arn": boundary}}

    def _calls(self) -> list[str]:
        """Return the names of the module blocks that call the module."""
        if not self.environment.has_own_root:
            return [MODULE_CALL]
        return [each.name for each in module_calls_in(self.folder, self.folder / ".terraform")]


def prepare(
    environment: Environment,
    package: Package,
    *,
    backend: Backend | None = None,
    connection: Connection | None = None,
    variables: Mapping[str, str] | None = None,
) -> TerraformRoot:
    """Write the root of an environment, and return it.

    `backend` replaces the state in S3, and `connection` the account by a local cloud. `variables` are further
    environment variables for Terraform. Raises `ConfigError`.
    """
    state = backend or Backend.in_s3(environment, os.environ.get(STATE_BUCKET))
    folder = _folder(environment, package)
    own_lock = environment.has_own_root and (environment.root / LOCK_FILE).exists()
    shared_lock = places.local_root() / LOCK_FILE
    if not (folder / LOCK_FILE).exists() and shared_lock.exists():
        shutil.copyfile(shared_lock, folder / LOCK_FILE)
    _keep_installation(environment.folder / "terraform", folder)
    _write_environment(environment, folder, state)
    _write(folder / VARIABLES_FILE, _variables(environment, _argument(package, folder)))
    return TerraformRoot(environment, folder, own_lock, variables or {}, connection, _package=[package])


def _folder(environment: Environment, package: Package) -> Path:
    """Make the folder anew, with links to the files of the project's root, or with a call of the module."""
    below = environment.folder / "root"
    if environment.has_own_root:
        return Root.link(environment.root, below).folder
    shutil.rmtree(below, ignore_errors=True)
    module = os.path.relpath(places.modules().resolve() / "analysis-jobs", below.resolve())
    variables = dict(environment.variables)
    if environment.permissions_boundary_arn:
        boundary = {"permissions_boundary_arn": environment.permissions_boundary_arn}
        variables["role"] = {**boundary, **variables.get("role", {})}
    return write_default(below, {**variables, "package": _argument(package, below)}, module)


def _keep_installation(kept: Path, folder: Path) -> None:
    """Let `.terraform` of the root be a folder that stays, so that the provider is installed once."""
    kept.mkdir(parents=True, exist_ok=True)
    (folder / ".terraform").symlink_to(os.path.relpath(kept.resolve(), folder.resolve()), target_is_directory=True)


def _write_environment(environment: Environment, folder: Path, backend: Backend) -> None:
    """Write the backend, the provider, and what else the root does not have."""
    texts = "\n".join(each.read_text("utf-8") for each in sorted(environment.root.glob("*.tf")))
    has_provider = environment.has_own_root and re.search(r'^provider\s+"aws"\s*\{', texts, re.MULTILINE) is not None
    added: dict[str, Any] = {}
    overridden: dict[str, Any] = {}
    if has_provider:
        overridden["provider"] = {"aws": {"region": environment.region}}
    else:
        tags = {"environment": environment.name, "managed-by": "terraform"}
        if environment.stack:
            tags["stack"] = environment.stack
        added["provider"] = {"aws": {"region": environment.region, "default_tags": {"tags": tags}}}
        # Stacks that an earlier release deployed were one module deeper.
        former = environment.project.name.replace("-", "_")
        move = {"from": f"module.{former}.module.{MODULE_CALL}", "to": f"module.{MODULE_CALL}"}
        added["moved"] = [move]
    if backend.replaces:
        overridden["terraform"] = {"backend": {backend.kind: backend.settings}}
    elif backend.is_added:
        added["terraform"] = {"backend": {backend.kind: backend.settings}}
    elif backend.settings:
        lines = [f"{name} = {json.dumps(value)}" for name, value in backend.settings.items()]
        (folder / BACKEND_FILE).write_text("\n".join([*lines, ""]), "utf-8")
    _write(folder / ENVIRONMENT_FILE, added)
    _write(folder / OVERRIDE_FILE, overridden)


def _variables(environment: Environment, package: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the root; empty for a generated one, which has the values in its module block.

    The root's own variable `package` gets the path of the manifest, or the whole argument if it is an object.
    """
    if not environment.has_own_root:
        return {}
    variable = RootInterface.read(environment.root).variables.get("package")
    if variable is None:
        return dict(environment.variables)
    kinds = variable.schema.get("type", [])
    is_text = "string" in ([kinds] if isinstance(kinds, str) else kinds)
    return {**environment.variables, "package": package["manifest"] if is_text else dict(package)}


def _require_variable(environment: Environment, package: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if the root's own variable `package` does not take what the package has."""
    variable = RootInterface.read(environment.root).variables.get("package")
    if variable is None:
        raise ConfigError(
            f"{environment.root} neither calls the module analysis-jobs nor has a variable `package`: add the "
            "variable, and pass it to the module."
        )
    if lost := package.keys() - {"manifest"} - variable.schema.get("properties", {}).keys():
        raise ConfigError(
            f"{environment.root} does not call the module analysis-jobs itself, and its variable `package` does not "
            f"take {', '.join(sorted(lost))}: give the variable the module's type."
        )


def _argument(package: Package, folder: Path) -> dict[str, Any]:
    """Return the module's argument `package`. The path is relative, so that a state fits another machine too."""
    given: dict[str, Any] = {"manifest": os.path.relpath(package.manifest.resolve(), folder.resolve())}
    if package.s3:
        given["s3"] = dict(package.s3)
    if package.live_versions is not None:
        given["live_versions"] = dict(package.live_versions)
    return given


def _write(file: Path, content: object) -> None:
    if content:
        file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    else:
        file.unlink(missing_ok=True)
