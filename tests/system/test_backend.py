"""The backend of the example existing-api on the local cloud, under IAM: on Lambda, and on other Pythons."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from analysis_jobs.client import Backend, Forbidden
from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests import distribution
from tests.clouds import for_session

pytestmark = pytest.mark.system

EXAMPLE = "existing-api"
OWN = REPOSITORY / "examples" / EXAMPLE
SLOW = "Never mind."  # the stand-in answers this ticket late, so that it is cancelled before
SCRIPT = Path(__file__).parent.parent / "client" / "helpdesk.py"
TICKET = {"text": "The card was charged twice."}


@pytest.fixture(scope="module")
def cloud(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with for_session(pytestconfig, tmp_path_factory, "backend", (EXAMPLE,)) as cloud:
        yield cloud


@pytest.fixture
def stack(cloud: LocalCloud) -> Iterator[Deployed]:
    """Return the stack. The model answers one ticket late, so that a test can cancel its job."""
    cloud.stand_in.set(match=SLOW, first_token_s=60)
    yield cloud.deployed(EXAMPLE)
    cloud.stand_in.reset()


def policies(stack: Deployed) -> dict[str, Any]:
    """Return the module's policies on the role of the backend, by name."""
    iam, role = stack.boto3("iam"), f"{stack.outputs['names']['table'].removesuffix('-jobs')}-backend"
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}


def credentials(stack: Deployed, documents: list[Any]) -> dict[str, str]:
    """Return the credentials of a new role that has these policies and no other rights."""
    iam, name = stack.boto3("iam"), f"backend-{uuid4().hex[:8]}"
    account = stack.boto3("sts").get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    for number, document in enumerate(documents):
        text = document if isinstance(document, str) else json.dumps(document)
        iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=text)
    found = stack.boto3("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["SessionToken"],
    }


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.14"])
def test_the_backend_runs_on_another_python_with_its_policies_alone(
    stack: Deployed, tmp_path: Path, version: str
) -> None:
    found = distribution.python(version)
    if found is None:
        pytest.skip(f"there is no Python {version} on this machine")
    python = distribution.environment(
        tmp_path / "environment", "aws", "client", python=found, also=("fastapi", "mangum")
    )
    granted = {name: policy for name, policy in policies(stack).items() if name.startswith("jobs-")}
    assert sorted(granted) == ["jobs-cancel", "jobs-read", "jobs-submit"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(OWN),
        **stack.connection.environment(),
        **credentials(stack, list(granted.values())),
        **stack.outputs["backend_environment"],
        "ANALYSIS_JOBS_URL": stack.api_url,
        "ANALYSIS_JOBS_TOKEN": stack.token(),
        "SLOW_TICKET": SLOW,
    }
    run = subprocess.run([python, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout.splitlines()[-1])
    assert answers["python"].startswith(version)
    statuses = {name: answer["status"] for name, answer in answers.items() if name not in {"python", "read"}}
    assert statuses == {"attached": 201, "submitted": 202, "cancelled": 200, "result": 200, "status": 200}
    assert answers["cancelled"]["body"]["status"] in {"cancelled", "processing"}
    triage = answers["result"]["body"]
    assert triage["team"] in {"account", "billing", "technical"}
    assert answers["read"] == {"async backend": triage, "async client": triage, "client": triage}


def test_a_backend_without_a_policy_is_told_which_one_to_attach(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_submit = [policies(stack)["jobs-submit"]]
    for name, value in (stack.connection.environment() | credentials(stack, only_submit)).items():
        monkeypatch.setenv(name, value)
    backend = Backend(stack.outputs["backend_environment"], "acme", analyses=["ticket-triage"])
    job_id = backend.submit("ticket-triage", TICKET).job_id
    with pytest.raises(Forbidden, match=r"attach the module's policies\.cancel"):
        backend.cancel(job_id)
    with pytest.raises(Forbidden, match=r"attach the module's policies\.read"):
        list(backend.list())


def ask(stack: Deployed, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    """Call the team's own API with a token."""
    headers = {"Authorization": f"Bearer {stack.token()}", "Content-Type": kind}
    request = Request(f"{stack.connection.url_of('backend_url')}{path}", body, headers, method=method)
    trusted = ssl.create_default_context(cafile=stack.connection.ca_bundle)
    with urlopen(request, context=trusted) as answer:
        return json.loads(answer.read())


def test_the_backend_on_lambda_answers_every_route(stack: Deployed) -> None:
    attachment = ask(stack, "POST", "/attachments/receipt.txt", b"Two payments of 9.99.", "text/plain")
    ticket = json.dumps({**TICKET, "attachment": attachment["document"]}).encode()
    job_id = ask(stack, "POST", "/tickets/17/triage", ticket)["job_id"]
    assert stack.client().wait(job_id).status == "completed"
    assert ask(stack, "GET", f"/triages/{job_id}")["progress"] == 100
    assert ask(stack, "GET", f"/triages/{job_id}/result")["team"] in {"account", "billing", "technical"}
    other = ask(stack, "POST", "/tickets/18/triage", json.dumps({"text": SLOW}).encode())["job_id"]
    assert ask(stack, "POST", f"/triages/{other}/cancel", b"")["status"] in {"cancelled", "processing"}
    assert stack.client().wait(other).status == "cancelled"
