"""Makes the release or the rollback of an environment: the steps of the commands `deploy` and `rollback`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs_dev.cloud.root import DEPLOYMENTS
from analysis_jobs_dev.environments import deploy
from analysis_jobs_dev.environments.backend import Backend
from analysis_jobs_dev.environments.config import load
from analysis_jobs_dev.environments.root import STATE_BUCKET
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.machine import Package, Release, Step
from analysis_jobs_dev.release.rollback import Rollback
from analysis_jobs_dev.release.stack import Clients, Stack
from analysis_jobs_dev.release.terraform import RootOfRelease

if TYPE_CHECKING:
    from analysis_jobs_dev.environments.model import Environment


def release(
    terraform: RootOfRelease, who: str, *, at_once: bool = False, say: Callable[[str], None] = print
) -> Release:
    """Return the release of a prepared root's package, in the steps of its environment unless `at_once`."""
    root = terraform.root
    environment = root.environment
    steps = () if at_once else environment.deployment.get("steps") or ()
    return Release(
        terraform=terraform,
        package=Package(
            root.package.content,
            environment.project.folder,
            environment.project.prompts,
            environment.variables.get("analyses"),
        ),
        clients=root.client,
        who=who,
        steps=[Step(each["percent"], timedelta(seconds=each["wait_s"])) for each in steps],
        say=say,
        trusted=root.connection.ca_bundle if root.connection else os.environ.get("AWS_CA_BUNDLE") or True,
    )


def rollback(stack: Stack, clients: Clients, who: str, say: Callable[[str], None] = print) -> Rollback:
    """Return the rollback of a stack."""
    return Rollback(stack, clients, who, say=say)


@contextmanager
def reached(name: str, start: Path = Path()) -> Iterator[tuple[Stack, Clients]]:
    """Yield the deployed stack of an environment, and its clients. Raises `ReleaseError` if there is none.

    The names come from Terraform's state in S3, with one request. Terraform itself runs only for another backend.
    """
    environment = load(name, start)
    if not environment.is_local:
        backend = Backend.in_s3(environment, os.environ.get(STATE_BUCKET))
        if deployment := _in_state(environment, backend):
            yield Stack.of(deployment), _clients(environment)
            return
    with deploy.prepared(name, start=start) as root:
        if not (deployment := root.deployment()):
            raise ReleaseError(f"The environment {name} is not deployed.")
        yield Stack.of(deployment), root.client


def _clients(environment: Environment) -> Clients:
    import boto3  # noqa: PLC0415 - takes long to import

    session: Any = boto3.Session(region_name=environment.region)  # its overloads want a literal name
    return cache(session.client)


def _in_state(environment: Environment, backend: Backend) -> dict[str, Any] | None:
    """Return the output `deployment` in a state in S3; None if it cannot be read here, and Terraform must."""
    settings = {"region": environment.region, **backend.settings}
    if backend.kind != "s3" or not {"bucket", "key"} <= settings.keys():
        return None
    try:
        import boto3  # noqa: PLC0415 - as above

        found = boto3.client("s3", region_name=settings["region"]).get_object(
            Bucket=settings["bucket"], Key=settings["key"]
        )
    except (BotoCoreError, ClientError):
        return None
    outputs = json.loads(found["Body"].read()).get("outputs", {})
    deployments = outputs.get(DEPLOYMENTS, {}).get("value") or []
    deployment: dict[str, Any] | None = (
        deployments[0] if len(deployments) == 1 else outputs.get("deployment", {}).get("value")
    )
    return deployment
