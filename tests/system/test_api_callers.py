"""The modules `api` and `function` on the emulator: callers with tokens and with AWS credentials, and their tenants.

The function answers with its event, so that the library's rules are tried on what a gateway really sends.
"""

import json
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from analysis_jobs.api.callers import prefix_of, tenant_of
from analysis_jobs.api.problems import Problem
from analysis_jobs.base.settings import CallerRules
from analysis_jobs_dev.cloud.certificates import Certificates
from analysis_jobs_dev.cloud.connection import Connection
from tests.system import roots

pytestmark = pytest.mark.system

ROLE = "arn:aws:iam::000000000000:role/team/backend"
ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
ROOT = """
provider "aws" {
  region = "eu-west-1"
}
module "function" {
  source    = "./modules/function"
  name      = "echo"
  handler   = "echo.handler"
  memory_mb = 128
  timeout_s = 10
  package   = { path = "echo.zip", sha256_base64 = "%s" }
}
module "api" {
  source  = "./modules/api"
  name    = "echo"
  routes  = ["GET /jobs", "GET /jobs/{job_id}"]
  issuers = { jwt = { issuer = "http://127.0.0.1:9", audience = ["acme"] } }
  iam     = {}
  function = {
    name       = module.function.name
    alias      = module.function.alias_name
    invoke_arn = module.function.alias_invoke_arn
  }
}
output "id" { value = module.api.id }
output "resource" { value = module.api.iam_resource }
"""


@dataclass(frozen=True)
class Gateway:
    """The deployed API: its URL, the resource that callers with AWS credentials may invoke, and its account."""

    url: str
    resource: str
    aws: Connection
    trusted: Certificates

    def get(self, path: str, credentials: Credentials | None = None, **headers: str) -> requests.Response:
        """Send a request, signed if credentials are given."""
        url = f"{self.url}{path}"
        request = AWSRequest(method="GET", url=url, headers=headers)
        if credentials:
            SigV4Auth(credentials, "execute-api", "eu-west-1").add_auth(request)
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.trusted.bundle)
            return session.get(url, headers=dict(request.headers.items()), timeout=60)

    def role(self, name: str, resource: str | None) -> Credentials:
        """Make a role that may invoke the resource, and return credentials of a session of it."""
        iam, sts = self.aws.boto3("iam"), self.aws.boto3("sts")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
        role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=policy(trust))["Role"]
        if resource:
            allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
            iam.put_role_policy(RoleName=name, PolicyName="invoke", PolicyDocument=policy(allowed))
        session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="a-session")["Credentials"]
        return Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with roots.made(tmp_path_factory.mktemp("gateway")) as root:
        package = root.folder / "echo.zip"
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("echo.py", ECHO)
        outputs = root.apply(ROOT % b64encode(sha256(package.read_bytes()).digest()).decode())
        url = f"{root.url}/_aws/execute-api/{outputs['id']}/$default"
        yield Gateway(url, outputs["resource"], root.aws, root.trusted)


def test_a_role_with_the_right_is_recognised_by_its_arn(gateway: Gateway) -> None:
    answer = gateway.get("/iam/jobs/7", gateway.role("backend", gateway.resource))
    assert answer.status_code == 200, answer.text
    event = answer.json()
    rules = CallerRules.model_validate({"iam": {"tenants": {"acme": [ROLE]}}, "paths": ["iam"]})
    assert tenant_of(event["requestContext"]["authorizer"], rules, "tenant") == "acme"
    assert (event["rawPath"], prefix_of(event, rules)) == ("/iam/jobs/7", "/iam")
    with pytest.raises(Problem, match="role/backend has no tenant"):
        tenant_of(event["requestContext"]["authorizer"], CallerRules.model_validate({"iam": {}}), "tenant")


def test_a_role_without_the_right_is_refused(gateway: Gateway) -> None:
    assert gateway.get("/iam/jobs", gateway.role("stranger", None)).status_code == 403


def test_a_request_without_a_signature_is_refused(gateway: Gateway) -> None:
    assert gateway.get("/iam/jobs").status_code == 403


def test_a_token_is_no_signature(gateway: Gateway) -> None:
    """AWS refuses it with 403. The emulator invokes the function, which refuses a caller without an ARN."""
    answer = gateway.get("/iam/jobs", Authorization="Bearer x.y.z")
    if answer.status_code != 403:
        authorizer = answer.json()["requestContext"].get("authorizer") or {}
        rules = CallerRules.model_validate({"iam": {"tenants": {"acme": [ROLE]}}, "paths": ["iam"]})
        with pytest.raises(Problem, match=r"not a valid tenant|no tenant"):
            tenant_of(authorizer, rules, "tenant")


def test_a_signature_opens_no_route_for_tokens(gateway: Gateway) -> None:
    assert gateway.get("/jobs", gateway.role("signer", gateway.resource)).status_code == 401
