"""What a local cloud deploys: one project with its own root, or several examples with a common one."""

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, override

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud import default_root, ministack, root, state
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.known_values import KnownValues, Secrets
from analysis_jobs_dev.cloud.packages import Built, package_of, packages
from analysis_jobs_dev.cloud.postgres import Login
from analysis_jobs_dev.cloud.root import Root
from analysis_jobs_dev.cloud.stack import DATA_FOLDER, Stack
from analysis_jobs_dev.cloud.variables import filled
from analysis_jobs_dev.environments import config
from analysis_jobs_dev.environments.config import Environment
from analysis_jobs_dev.naming import stack_name
from analysis_jobs_dev.package import sources
from analysis_jobs_dev.packager.declarations import secret_methods
from analysis_jobs_dev.project import Project
from analysis_jobs_dev.terraform_files import provider_region

SCHEMA_FILE = "schema.sql"
ANSWERS_FILE = "answers.toml"
PACKAGE_BUCKET = "analysis-jobs-local-packages"


@dataclass(frozen=True)
class Hosted:
    """One stack of the cloud: its name, its prompts, its scripted answers, and the tables of its database."""

    name: str
    folder: Path
    analysis: str
    prompts: Path | None
    answers: Path | None

    @property
    def schema(self) -> Path | None:
        """The file with the tables of the database; None without a database."""
        path = self.folder / SCHEMA_FILE
        return path if path.exists() else None


@dataclass(frozen=True)
class Place:
    """Where something is deployed: the folder of the cloud, the addresses of its servers, the logins of databases."""

    folder: Path
    connection: Connection
    logins: Mapping[str, Login]


class Deployment(ABC):
    """The stacks of one local cloud, in one Terraform root."""

    hosted: tuple[Hosted, ...]

    @property
    def region(self) -> str:
        """The Region of the cloud."""
        return ministack.REGION

    @abstractmethod
    def packages(self, folder: Path) -> dict[str, Built]:
        """Build the packages for this machine into the folder, by the names of their stacks. Raises CloudError."""

    @abstractmethod
    def stack(self, place: Place, built: Mapping[str, Built]) -> Stack:
        """Return the Terraform stack that deploys the packages."""

    @abstractmethod
    def fingerprint(self, stack: Stack, built: Mapping[str, Built]) -> str:
        """Return a hash of everything that an apply depends on."""

    @abstractmethod
    def outputs(self, stack: Stack) -> dict[str, dict[str, Any]]:
        """Return the outputs of each stack, by its name, after an apply."""


class Examples(Deployment):
    """Several examples of this repository. The root `envs/local` deploys them together, in one apply for the tests."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.hosted = tuple(
            Hosted(name, folder / name, name, folder / name / "prompts", _existing(folder / name / ANSWERS_FILE))
            for name in names
        )

    @override
    def packages(self, folder: Path) -> dict[str, Built]:
        return packages([each.name for each in self.hosted], folder)

    @override
    def stack(self, place: Place, built: Mapping[str, Built]) -> Stack:
        connection = place.connection
        variables: dict[str, Any] = {
            "packages": {name: _package(package) for name, package in built.items()},
            "ca_bundle": connection.ca_bundle,
            "databases": {name: login.secret("database") for name, login in place.logins.items()},
            "region": self.region,
            "stand_in_url": connection.stand_in_url,
        }
        return Stack(places.local_root(), place.folder, connection.environment(), variables)

    @override
    def fingerprint(self, stack: Stack, built: Mapping[str, Built]) -> str:
        folders = [places.modules(), stack.root, *(each.folder for each in self.hosted)]
        return state.fingerprint(folders, {**stack.variables, "packages": _contents(built)})

    @override
    def outputs(self, stack: Stack) -> dict[str, dict[str, Any]]:
        stacks: dict[str, dict[str, Any]] = stack.outputs()["stacks"]
        return stacks


class ProjectDeployment(Deployment):
    """A project with its own Terraform root, or with the module if it has no root.

    `environment` names the Region and the variables of the root. The default is the environment `local` of the project,
    if it has one.
    """

    def __init__(self, project: Project, environment: Environment | None = None) -> None:
        self.project = project
        self._environment = environment
        analysis = project.analyses[0].rpartition(".")[2].replace("_", "-")
        self.hosted = (Hosted(project.name, project.folder, analysis, project.prompts, project.answers),)

    @cached_property
    def environment(self) -> Environment | None:
        """The environment, None without one. Raises CloudError for a wrong configuration."""
        return self._environment or local_environment(self.project)

    @property
    @override
    def region(self) -> str:
        if self.environment:
            return self.environment.region
        return (self.project.infra and provider_region(self.project.infra)) or ministack.REGION

    @override
    def packages(self, folder: Path) -> dict[str, Built]:
        return {self.project.name: package_of(self.project, folder)}

    @override
    def stack(self, place: Place, built: Mapping[str, Built]) -> Stack:
        [package] = built.values()
        code = upload(place.connection, package.file(), package.sha256)
        prepared = self._root(place, package, {**_package(package), "s3": code})
        # For a module of an older version, which does not read manifests.
        fields = {
            "path": str(package.file()),
            "sha256_base64": package.sha256_base64,
            "version": package.version,
            "architecture": package.architecture,
            "s3": code,
        }
        manifest = package.manifest()
        return Stack(
            prepared.folder,
            place.folder,
            place.connection.environment(),
            {},
            lock_is_complete=False,
            after_init=lambda: prepared.use(prepared.module_calls(place.folder / DATA_FOLDER), fields, manifest),
        )

    @override
    def fingerprint(self, stack: Stack, built: Mapping[str, Built]) -> str:
        given = json.loads((stack.root / root.VARIABLES_FILE).read_text("utf-8"))
        given.pop("package", None)  # the content of a package counts, not its path
        folders = [self.project.infra or stack.root, places.modules()]
        return state.fingerprint(folders, {**given, "region": self.region, "packages": _contents(built)})

    @override
    def outputs(self, stack: Stack) -> dict[str, dict[str, Any]]:
        found = stack.outputs()
        deployments = found.pop(root.DEPLOYMENTS)
        if len(deployments) != 1:
            raise CloudError(
                f"The Terraform root deploys the module {len(deployments)} times; the local cloud needs one."
            )
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        return {self.project.name: {**texts, **deployments[0]}}

    def values(self, place: Place, package: Built, argument: Mapping[str, object]) -> dict[str, Any]:
        """Return the variables of the project's root; without a root, the arguments of the module.

        `argument` is the `package` of the module. Raises CloudError for a variable that nobody knows.
        """
        name = (self.environment and self.environment.stack) or stack_name(self.project.name)
        login = place.logins.get(self.project.name)
        secrets = Secrets(place.connection, name, login.secret("database") if login else None)
        known = KnownValues(place.connection, name, argument, secrets)
        given = dict(self.environment.variables) if self.environment else {}
        if self.project.infra:
            return filled(Root(self.project.infra, self.project.infra).interface, given, known)
        methods = secret_methods(sources(self.project).project_files())
        return default_root.arguments(self.project, package.declarations, methods, known, given)

    def _root(self, place: Place, package: Built, argument: Mapping[str, object]) -> Root:
        """Return the root with its variables. `argument` is its `package`."""
        folder = (place.folder / "root").resolve()
        values = self.values(place, package, argument)
        if self.project.infra:
            prepared = Root.link(self.project.infra, folder)
        else:
            prepared = Root(folder, folder)
            default_root.write(folder, values)
            values = {}  # they are in the call of the module
        prepared.set_up(self.region, place.folder / state.TERRAFORM_STATE, values)
        return prepared


def local_environment(project: Project) -> Environment | None:
    """Return the environment `local` of a project, None without one. Raises CloudError for a wrong configuration."""
    if config.LOCAL not in config.names(project.folder):
        return None
    try:
        return config.load(config.LOCAL, project.folder)
    except config.ConfigError as error:
        raise CloudError(str(error)) from error


def upload(connection: Connection, package: Path, sha256: str) -> dict[str, str]:
    """Upload a zip to S3, and return where it is. From a file, each function would upload it again."""
    s3 = connection.boto3("s3")
    where = {"bucket": PACKAGE_BUCKET, "key": f"{sha256}.zip"}
    location = {} if connection.region == "us-east-1" else {"LocationConstraint": connection.region}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=PACKAGE_BUCKET, **({"CreateBucketConfiguration": location} if location else {}))
    s3.put_object(Bucket=where["bucket"], Key=where["key"], Body=package.read_bytes())
    return where


def _package(package: Built) -> dict[str, Any]:
    """Return the module's argument `package` for a built package."""
    return {"manifest": str(package.manifest())}


def _contents(built: Mapping[str, Built]) -> dict[str, str]:
    return {name: package.sha256_base64 for name, package in built.items()}


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
