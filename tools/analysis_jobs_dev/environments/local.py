"""The environment `local`: it is deployed to a local cloud instead of an account."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis_jobs_dev.cloud import state
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.deployments import Place, ProjectDeployment, upload
from analysis_jobs_dev.cloud.local_cloud import LocalCloud, default_folder
from analysis_jobs_dev.cloud.packages import package_of
from analysis_jobs_dev.cloud.postgres import Login
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.model import Environment
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.root import TerraformRoot, prepare

__all__ = ["prepared"]

# The state of this environment in a cloud that also runs the stack of `make local`.
BESIDE = "deploy.tfstate"


@contextmanager
def prepared(environment: Environment, screen: Screen | None = None) -> Iterator[TerraformRoot]:
    """Yield the root of the environment on the running local cloud, or on one for this block alone.

    The package is built for this machine. Raises `CloudError`.
    """
    deployment = ProjectDeployment(environment.project, environment)
    folder = _own_folder(environment)
    beside = default_folder(environment.project.name)
    for running, file in ((folder, state.TERRAFORM_STATE), (beside, BESIDE)):
        if connection := Connection.find(running):
            try:
                yield _root(environment, deployment, Place(running, connection, _logins(connection)), running / file)
            finally:
                _apply_at_next_start(running)
            return
    folder.mkdir(parents=True, exist_ok=True)
    cloud = LocalCloud(folder, deployment=deployment, screen=screen or Screen())
    cloud.serve()
    try:
        yield _root(environment, deployment, cloud.place, cloud.folder / state.TERRAFORM_STATE)
    finally:
        cloud.stop()


def _own_folder(environment: Environment) -> Path:
    """Return the folder of the cloud: that of `analysis-jobs local` for a project, and another one for an example."""
    if environment.project.folder == environment.repository:
        return environment.repository / ".local" / "cloud"
    return environment.folder / "cloud"


def _root(
    environment: Environment, deployment: ProjectDeployment, place: Place, terraform_state: Path
) -> TerraformRoot:
    built = package_of(environment.project, place.folder / "package")
    package = Package(built.manifest(), upload(place.connection, built.file(), built.sha256))
    values = deployment.values(place, built, {"manifest": str(built.manifest())})
    values.pop("package", None)  # `prepare` sets it
    environment = dataclasses.replace(environment, variables=values)
    # Most of an apply is waits that are compiled into the provider: let them run in parallel.
    variables = {"TF_CLI_ARGS_apply": "-parallelism=60"}
    backend = Backend.local(terraform_state.resolve())
    return prepare(environment, package, backend=backend, connection=place.connection, variables=variables)


def _logins(connection: Connection) -> dict[str, Login]:
    return {connection.example: Login(**connection.database)} if connection.database else {}


def _apply_at_next_start(folder: Path) -> None:
    """Let the next start of the cloud apply its own stack, because this deployment may have changed it."""
    if kept := state.read(folder):
        dataclasses.replace(kept, applied="").save(folder)
