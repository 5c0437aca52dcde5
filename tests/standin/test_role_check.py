"""The stand-in refuses what the calling function's role does not allow: real functions in a real MiniStack.

The function's code is two calls of botocore. MiniStack gives it the credentials of its role.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.ministack import REGION, ROOT_CREDENTIALS, MiniStack
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.standin.asking import asking

pytestmark = pytest.mark.system

REPOSITORY = Path(__file__).parents[2]
ACCOUNT = "000000000000"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "eu.anthropic.claude-opus-4-5-20251101-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
FAMILY = "anthropic.claude-sonnet-4-5-*"
BOTH = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
CODE = """
import botocore.session
from botocore.exceptions import ClientError

def handler(event, context):
    client = botocore.session.get_session().create_client("bedrock-runtime")
    question = {"modelId": event["model"], "messages": [{"role": "user", "content": [{"text": "Hello."}]}]}
    try:
        if event["stream"]:
            events = list(client.converse_stream(**question)["stream"])
            return {"answer": events[-2]["messageStop"]["stopReason"]}
        return {"answer": client.converse(**question)["stopReason"]}
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
"""


class Cloud:
    """A function with a role that the tests change, and the stand-in that it calls."""

    def __init__(self, url: str, bundle: Path, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._session: Any = boto3.Session(
            aws_access_key_id=ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        self._config = Config(retries={"total_max_attempts": 1}, proxies={})
        self._iam = self._session.client("iam", endpoint_url=url, verify=str(bundle), config=self._config)
        self._lambda = self._session.client("lambda", endpoint_url=url, verify=str(bundle), config=self._config)

    def make_function(self) -> None:
        """Make the function, with a role that allows nothing."""
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self._iam.create_role(RoleName="worker-role", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("worker.py", CODE)
        self._lambda.create_function(
            FunctionName="worker",
            Runtime="python3.13",
            Role=role,
            Handler="worker.handler",
            Timeout=30,
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.stand_in.url}},
            Publish=True,
        )
        self._lambda.create_alias(FunctionName="worker", Name="live", FunctionVersion="1")

    def allow(self, *statements: dict[str, Any]) -> None:
        """Replace the statements of the role's policy, and forget earlier decisions."""
        filled = [{"Effect": "Allow", "Action": BOTH, **each} for each in statements]
        document = json.dumps({"Version": "2012-10-17", "Statement": filled})
        self._iam.put_role_policy(RoleName="worker-role", PolicyName="model", PolicyDocument=document)
        self.stand_in.reset()

    def ask(self, model: str = SONNET, *, stream: bool = True) -> dict[str, str]:
        """Return the function's answer."""
        event = json.dumps({"model": model, "stream": stream})
        answer = self._lambda.invoke(FunctionName="worker", Qualifier="live", Payload=event)
        found: dict[str, str] = json.load(answer["Payload"])
        return found

    def ask_as(self, **credentials: Any) -> str:
        """Return the stop reason that a caller outside of any function gets."""
        config = Config(retries={"total_max_attempts": 1}, proxies={}, **credentials.pop("config", {}))
        client = self._session.client("bedrock-runtime", endpoint_url=self.stand_in.url, config=config, **credentials)
        with closing(client):
            turn = {"role": "user", "content": [{"text": "Hello."}]}
            return str(client.converse(modelId=SONNET, messages=[turn])["stopReason"])

    def make_user(self) -> dict[str, str]:
        """Make a user without rights, and return the credentials."""
        self._iam.create_user(UserName="ada")
        key = self._iam.create_access_key(UserName="ada")["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def close(self) -> None:
        """Close the connections."""
        self._iam.close()
        self._lambda.close()


def models(*patterns: str) -> list[str]:
    return [f"arn:aws:bedrock:*::foundation-model/{pattern}" for pattern in patterns]


def profiles(*patterns: str) -> list[str]:
    return [f"arn:aws:bedrock:*:{ACCOUNT}:inference-profile/*.{pattern}" for pattern in patterns]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("ministack")
    trusted = certificates(folder / "certificates")
    ministack = MiniStack(interpreter(), folder, trusted, *free_ports(1))
    ministack.start()
    try:
        with (
            StandIn(endpoint=ministack.url, ca_bundle=trusted.bundle) as stand_in,
            closing(Cloud(ministack.url, trusted.bundle, stand_in)) as running,
        ):
            running.make_function()
            yield running
    finally:
        ministack.stop()


def test_a_role_that_allows_the_family_may_use_its_profile(cloud: Cloud) -> None:
    cloud.allow({"Resource": models(FAMILY) + profiles(FAMILY)})
    assert cloud.ask() == {"answer": "end_turn"}
    assert cloud.ask(stream=False) == {"answer": "end_turn"}
    callers = {call["caller"] for call in cloud.stand_in.calls(outcome="ok")}
    assert callers == {f"arn:aws:sts::{ACCOUNT}:assumed-role/worker-role/worker"}


@pytest.mark.parametrize("model", [OPUS, HAIKU])
def test_the_same_role_may_not_use_another_family(cloud: Cloud, model: str) -> None:
    cloud.allow({"Resource": models(FAMILY) + profiles(FAMILY)})
    refused = cloud.ask(model)
    kind = f"{REGION}:{ACCOUNT}:inference-profile" if model == OPUS else f"{REGION}::foundation-model"
    assert refused == {
        "code": "AccessDeniedException",
        "message": f"User: arn:aws:sts::{ACCOUNT}:assumed-role/worker-role/worker is not authorized to perform: "
        f"bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:{kind}/{model} "
        "because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action",
    }
    [call] = cloud.stand_in.calls()
    assert call["outcome"] == "AccessDeniedException"
    assert call["caller"].endswith("assumed-role/worker-role/worker")


@pytest.mark.parametrize(
    ("resources", "missing"),
    [
        (models(FAMILY), f"{REGION}:{ACCOUNT}:inference-profile/{SONNET}"),
        (profiles(FAMILY), "eu-central-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ([*profiles(FAMILY), f"arn:aws:bedrock:eu-w*::foundation-model/{FAMILY}"], "eu-central-1::"),
    ],
)
def test_a_profile_needs_itself_and_its_models(cloud: Cloud, resources: list[str], missing: str) -> None:
    cloud.allow({"Resource": resources})
    refused = cloud.ask()
    assert refused["code"] == "AccessDeniedException"
    assert f"on resource: arn:aws:bedrock:{missing}" in refused["message"]


def test_each_operation_needs_its_own_action(cloud: Cloud) -> None:
    cloud.allow({"Resource": models(FAMILY) + profiles(FAMILY), "Action": "bedrock:InvokeModel"})
    assert cloud.ask(stream=False) == {"answer": "end_turn"}
    assert cloud.ask(stream=True)["code"] == "AccessDeniedException"


def test_an_explicit_deny_in_one_destination_is_named(cloud: Cloud) -> None:
    everything = {"Resource": models(FAMILY) + profiles(FAMILY)}
    forbidden = {"Effect": "Deny", "Resource": "arn:aws:bedrock:eu-south-1::foundation-model/*"}
    cloud.allow(everything, forbidden)
    refused = cloud.ask()
    assert "eu-south-1::foundation-model" in refused["message"]
    assert refused["message"].endswith("with an explicit deny in an identity-based policy")


def test_a_role_for_all_of_bedrock_may_use_every_model(cloud: Cloud) -> None:
    cloud.allow({"Action": "bedrock:*", "Resource": "*"})
    assert cloud.ask() == cloud.ask(OPUS) == cloud.ask(HAIKU) == {"answer": "end_turn"}


def test_the_root_may_use_every_model(cloud: Cloud) -> None:
    assert cloud.ask_as() == "end_turn"


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"aws_access_key_id": "AKIAUNKNOWN", "aws_secret_access_key": "x"}, "UnrecognizedClientException"),
        (
            {"aws_access_key_id": "ASIAUNKNOWN", "aws_secret_access_key": "x", "aws_session_token": "y"},
            "UnrecognizedClientException",
        ),
        ({"config": {"signature_version": botocore.UNSIGNED}}, "MissingAuthenticationTokenException"),
    ],
)
def test_an_unknown_caller_is_refused(cloud: Cloud, credentials: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.ask_as(**credentials)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_users_signature_is_checked_before_the_policy(cloud: Cloud) -> None:
    credentials = cloud.make_user()
    with pytest.raises(ClientError, match=f"User: arn:aws:iam::{ACCOUNT}:user/ada is not authorized") as caught:
        cloud.ask_as(**credentials)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    cloud.stand_in.reset()
    with pytest.raises(ClientError) as caught:
        cloud.ask_as(**credentials | {"aws_secret_access_key": "wrong"})
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_without_ministack_every_call_is_refused(tmp_path: Path) -> None:
    [port] = free_ports(1)
    bundle = certificates(tmp_path).bundle
    with StandIn(endpoint=f"https://127.0.0.1:{port}", ca_bundle=bundle) as alone, asking(alone.url) as ask:
        with pytest.raises(ask.bedrock.exceptions.ServiceUnavailableException, match="does not answer"):
            ask.whole()
        assert alone.calls()[0]["outcome"] == "ServiceUnavailableException"
