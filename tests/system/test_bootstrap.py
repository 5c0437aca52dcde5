"""A fresh account: bootstrap, deploy, use and destroy, with the commands of docs/deploying.md.

Everything after the bootstrap is done with the deploy role. The local cloud refuses what the role may not do.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analysis_jobs_dev import places, project
from analysis_jobs_dev.cloud import github, ministack
from analysis_jobs_dev.cloud.deployments import ProjectDeployment
from analysis_jobs_dev.cloud.known_values import AUDIENCE
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.cloud.packages import package_of
from analysis_jobs_dev.cloud.root import DEPLOYMENTS
from analysis_jobs_dev.init import create
from analysis_jobs_dev.provider_mirror import terraform_environment
from tests.system.workflow_steps import Steps

pytestmark = pytest.mark.system

GUIDE = "An account that has nothing yet"
SUBJECT = "repo:acme/letters:environment:staging"
STACK = "letters-staging"


def guide() -> list[str]:
    """Return the commands of the guide, in order."""
    text = ((places.repository() or Path()) / "docs" / "deploying.md").read_text("utf-8")
    section = re.search(rf"^## {GUIDE}\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section[1], re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


@dataclass(frozen=True)
class Account:
    """A project in a folder, and a local cloud with nothing in it."""

    folder: Path
    cloud: LocalCloud

    @property
    def config(self) -> Path:
        return self.folder / "envs" / "staging.json"

    def set(self, **values: Any) -> None:
        """Change the configuration of the environment."""
        content = json.loads(self.config.read_text("utf-8"))
        self.config.write_text(json.dumps({**content, **values}), "utf-8")

    def environment(self) -> dict[str, str]:
        """Return the variables of a process that reaches the cloud, without credentials."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "TF_"))}
        environment = {**inherited, **self.cloud.connection.environment(), **terraform_environment()}
        environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "TF_CLI_ARGS_apply": "-parallelism=60"}
        environment |= {"NO_PROXY": "127.0.0.1", "AWS_EC2_METADATA_DISABLED": "true"}
        return {name: value for name, value in environment.items() if name not in ministack.ROOT_CREDENTIALS}

    def run(self, command: str, credentials: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the guide with these credentials and no others."""
        name, *arguments = shlex.split(command)
        program = [sys.executable, "-m", "analysis_jobs.cli"] if name == "analysis-jobs" else [name]
        return subprocess.run(
            [*program, *arguments, *more],
            cwd=self.folder,
            env={**self.environment(), **credentials},
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, command: str, credentials: dict[str, str], *more: str) -> str:
        done = self.run(command, credentials, *more)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def take(self, arn: str, subject: str = SUBJECT) -> dict[str, str]:
        """Take a role as a job on GitHub does."""
        return github.web_identity(self.cloud.connection, arn, subject)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    within = tmp_path_factory.mktemp("fresh")
    folder = create("letters", module="../modules/analysis-jobs", within=within)
    (folder / "modules").symlink_to(places.modules())
    with_cloud = LocalCloud(within / "cloud", deployment=ProjectDeployment(project.load(folder)))
    with_cloud.serve()
    try:
        account = Account(folder, with_cloud)
        settings = json.loads(account.config.read_text("utf-8"))["settings"]
        issuer = {"issuer": with_cloud.connection.stand_in_url, "audience": [AUDIENCE]}
        account.set(
            name=STACK,
            region=ministack.REGION,
            settings={**settings, "authorizer": issuer, "deletion_protection": False},
        )
        yield account
    finally:
        with_cloud.stop()


def test_a_fresh_account_is_prepared_used_and_left_empty(account: Account) -> None:
    bootstrap, deploy, plan = guide()
    administrator = ministack.ROOT_CREDENTIALS

    # 1: bootstrap, and once more.
    printed = json.loads(account.succeed(bootstrap, administrator, "--yes", "--json"))
    assert printed["variables"].keys() == {"AWS_DEPLOY_ROLE_ARN", "AWS_PLAN_ROLE_ARN", "AWS_REGION", "TF_STATE_BUCKET"}
    bucket = printed["variables"]["TF_STATE_BUCKET"]
    s3 = account.cloud.connection.boto3("s3")
    assert s3.head_object(Bucket=bucket, Key=f"bootstrap/{STACK}.tfstate")["ContentLength"] > 0
    again = account.succeed(bootstrap, administrator, "--yes")
    assert "No changes" in again
    assert not re.search("secret|session_?token|access_?key", again, re.IGNORECASE)

    # 2 and 3: the settings.
    built = package_of(account.cloud.deployment.project, account.folder / "package")  # type: ignore[attr-defined]
    account.set(**printed["configuration"], package=str(built.manifest().relative_to(account.folder)))
    role = account.take(printed["variables"]["AWS_DEPLOY_ROLE_ARN"])

    # 4: deploy with the deploy role, and use the stack.
    account.succeed(deploy, role)
    terraform = account.succeed(plan, role).splitlines()[-1].partition(": ")[2]
    assert terraform.endswith(" plan")
    deployed = json.loads(account.succeed(terraform.replace(" plan", " output -json"), role))
    [deployment] = deployed[DEPLOYMENTS]["value"]
    token = account.cloud.connection.stand_in.token("acme", audience=AUDIENCE)
    client = account.cloud.connection.client(token, account.cloud.connection.reachable(deployment["api_url"]))
    document = client.upload(account.folder / "documents" / "letter.txt")
    job = client.wait(client.submit("letters", {"document": document}).job_id)
    assert job.status == "completed", job

    # The plan role changes nothing. That it can plan is seen in the workflow below.
    reader = account.take(printed["variables"]["AWS_PLAN_ROLE_ARN"], "repo:acme/letters:pull_request")
    alias = "module.analysis_jobs.module.worker.aws_lambda_alias.live"
    replace = f"apply -auto-approve -lock=false -refresh=false -target={alias} -replace={alias}"
    refused = account.run(terraform.replace(" plan", f" {replace}"), reader)
    assert refused.returncode != 0
    assert "AccessDenied" in refused.stderr + refused.stdout

    deploy_by_workflows(account, printed["configuration"]["roles"])

    # 5: destroy with the deploy role.
    role = account.take(printed["variables"]["AWS_DEPLOY_ROLE_ARN"])
    account.succeed(terraform.replace(" plan", " destroy"), role, "-auto-approve")
    assert account.cloud.connection.boto3("lambda").list_functions()["Functions"] == []
    assert account.cloud.connection.boto3("dynamodb").list_tables()["TableNames"] == []


def deploy_by_workflows(account: Account, roles: dict[str, str]) -> None:
    """Deploy changed code, roll it back and look for drift, with all steps of the project's own workflows."""
    shim = account.folder / "bin" / "analysis-jobs"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m analysis_jobs.cli "$@"\n', "utf-8")
    shim.chmod(0o755)
    variables = {**account.environment(), "ENVIRONMENT": "staging"}
    steps = Steps(account.folder, variables | {"PATH": f"{shim.parent}{os.pathsep}{variables['PATH']}"})
    taken = {
        roles["plan"]: account.take(roles["plan"], "repo:acme/letters:ref:refs/heads/main"),
        roles["deploy"]: account.take(roles["deploy"]),
    }
    source = account.folder / "letters.py"
    source.write_text(source.read_text("utf-8") + "\nCHANGED = True\n", "utf-8")
    package_of(account.cloud.deployment.project, account.folder / "package")  # type: ignore[attr-defined]
    before = live(account)

    steps.run("package", "package", {})
    steps.run("plan", "plan", taken)
    assert "aws_lambda_function" in steps.summary, "the reader of the summary sees that the functions change"
    steps.run("deploy", "apply", taken)
    report = json.loads((account.folder / "report.json").read_text("utf-8"))
    assert (report["outcome"], len(report["canaries"])) == ("deployed", 1)
    # The deploy role may make all checks but that of Cognito: it has no right to read a user pool.
    checked = steps.printed['analysis-jobs doctor "$ENVIRONMENT"'].splitlines()
    assert [line for line in checked if "AccessDenied" in line and "cognito" not in line] == []
    after = live(account)
    assert after != before
    steps.run("rollback", "rollback", taken)
    assert live(account) == before
    steps.run("drift", "drift", taken)
    assert "Nothing changes." in steps.summary

    assert steps.left_out("deploy", "drift", "package", "plan", "rollback") == []
    assert {each.partition(" ")[0] for each in steps.not_run} == {"for", "gh", "python"}


def live(account: Account) -> str:
    """Return the version of the worker that is in service."""
    client = account.cloud.connection.boto3("lambda")
    return str(client.get_alias(FunctionName=f"{STACK}-worker", Name="live")["FunctionVersion"])


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        ("AWS_DEPLOY_ROLE_ARN", "repo:acme/letters:environment:production"),
        ("AWS_DEPLOY_ROLE_ARN", "repo:acme/letters:pull_request"),
        ("AWS_DEPLOY_ROLE_ARN", "repo:acme/letters:ref:refs/heads/main"),
        ("AWS_DEPLOY_ROLE_ARN", "repo:other/letters:environment:staging"),
        ("AWS_PLAN_ROLE_ARN", "repo:acme/letters:ref:refs/heads/topic"),
        ("AWS_PLAN_ROLE_ARN", "repo:other/letters:pull_request"),
    ],
)
def test_another_job_cannot_take_a_role(account: Account, role: str, subject: str) -> None:
    name = "deploy" if "DEPLOY" in role else "plan"
    found = account.cloud.connection.boto3("iam").get_role(RoleName=f"{STACK}-{name}")["Role"]["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        account.take(found, subject)
