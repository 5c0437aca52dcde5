"""Secrets: read by ARN from both services, cached for a limited time, and never part of an error."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.base.secrets import AwsSecrets, Secrets, no_secrets
from analysis_jobs.worker.retry_policy import Action, decide
from tests.handlers.aws import REGION, client

MAX_AGE = timedelta(minutes=5)
SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:db-AbCdEf"
PARAMETER_ARN = f"arn:aws:ssm:{REGION}:123456789012:parameter/gemini/key"
WHAT = "hunter2"


@pytest.fixture
def aws() -> Iterator[AwsSecrets]:
    with mock_aws():
        yield AwsSecrets(lambda: client("secretsmanager"), lambda: client("ssm"))


class Reader:
    """A fake service: its answer, and the number of reads."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, arn: str) -> str:
        self.asked.append(arn)
        return self._answers.pop(0)


def _secrets(read: Any, clock: ManualClock, **variables: str) -> Secrets:
    return Secrets(lambda name: variables.get(name, ""), read, clock, MAX_AGE)


def test_a_secret_is_read_from_secrets_manager(aws: AwsSecrets) -> None:
    arn = client("secretsmanager").create_secret(Name="db", SecretString=WHAT)["ARN"]
    assert aws.read(arn) == WHAT


def test_a_parameter_is_read_decrypted_from_the_parameter_store(aws: AwsSecrets) -> None:
    client("ssm").put_parameter(Name="/gemini/key", Value=WHAT, Type="SecureString")
    arn = client("ssm").get_parameter(Name="/gemini/key")["Parameter"]["ARN"]
    assert aws.read(arn) == WHAT


@pytest.mark.parametrize("arn", [SECRET_ARN, PARAMETER_ARN])
def test_a_missing_secret_fails_with_its_code_and_the_arn(aws: AwsSecrets, arn: str) -> None:
    with pytest.raises(Fail, match=f"secret_not_found: AWS refused to return {arn}"):
        aws.read(arn)


def test_a_secret_marked_for_deletion_counts_as_missing(aws: AwsSecrets) -> None:
    arn = client("secretsmanager").create_secret(Name="db", SecretString=WHAT)["ARN"]
    client("secretsmanager").delete_secret(SecretId=arn)
    with pytest.raises(Fail, match="secret_not_found"):
        aws.read(arn)


def test_a_binary_secret_is_refused(aws: AwsSecrets) -> None:
    arn = client("secretsmanager").create_secret(Name="db", SecretBinary=b"\x00")["ARN"]
    with pytest.raises(Fail, match=r"secret_invalid: .*store the secret as text"):
        aws.read(arn)


def _refused(code: str, status: int) -> Exception:
    secrets_manager = boto3.client("secretsmanager", region_name=REGION)
    with Stubber(secrets_manager) as stubber:
        stubber.add_client_error("get_secret_value", code, f"said of {WHAT}", status)
        with pytest.raises((Fail, ClientError)) as refused:
            AwsSecrets(lambda: secrets_manager, lambda: client("ssm")).read(SECRET_ARN)
    return refused.value


@pytest.mark.parametrize(
    ("code", "status", "action", "told"),
    [
        ("AccessDeniedException", 400, Action.FAIL, "secret_denied"),
        ("DecryptionFailure", 400, Action.FAIL, "secret_denied"),
        ("ResourceNotFoundException", 400, Action.FAIL, "secret_not_found"),
        ("ThrottlingException", 400, Action.DEFER, "aws_busy"),
        ("InternalServiceError", 500, Action.DEFER, "aws_busy"),
        ("ServiceUnavailable", 503, Action.DEFER, "aws_busy"),
        ("SomethingOfNextYear", 400, Action.RETRY, "unexpected_error"),
    ],
)
def test_the_decision_about_a_refusal_depends_on_its_error_code(
    code: str, status: int, action: Action, told: str
) -> None:
    decision = decide(_refused(code, status))
    assert (decision.action, decision.code) == (action, told)


def test_a_secret_is_read_once_until_the_cache_expires(clock: ManualClock) -> None:
    read = Reader("old", "new")
    secrets = _secrets(read, clock, DB=SECRET_ARN)
    assert [secrets.text("DB"), secrets.text("DB")] == ["old", "old"]
    clock.advance(MAX_AGE - timedelta(seconds=1))
    assert secrets.text("DB") == "old"
    clock.advance(timedelta(seconds=1))
    assert secrets.text("DB") == "new"
    assert read.asked == [SECRET_ARN, SECRET_ARN]


def test_a_secret_removed_from_the_cache_is_read_again(clock: ManualClock) -> None:
    secrets = _secrets(Reader("old", "new"), clock, DB=SECRET_ARN)
    assert secrets.text("DB") == "old"
    secrets.forget("DB")
    secrets.forget("DB")
    assert secrets.text("DB") == "new"


def test_a_refusal_is_not_cached(clock: ManualClock) -> None:
    answers: list[Any] = [Fail("secret_denied", "no"), "yes"]

    def read(_arn: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    secrets = _secrets(read, clock, DB=SECRET_ARN)
    with pytest.raises(Fail):
        secrets.text("DB")
    assert secrets.text("DB") == "yes"


def test_concurrent_reads_of_a_secret_cost_one_request(clock: ManualClock) -> None:
    read = Reader(WHAT)
    secrets = _secrets(read, clock, DB=SECRET_ARN)
    threads = [threading.Thread(target=secrets.text, args=("DB",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read.asked == [SECRET_ARN]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "not set"),
        (WHAT, "is not the ARN of a secret"),
        ("arn:aws:s3:::bucket", "is not the ARN of a secret"),
        ("arn:aws:ssm:eu-west-1:1:document/x", "is not the ARN of a secret"),
    ],
)
def test_a_variable_without_an_arn_is_a_configuration_error(clock: ManualClock, given: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"no secret DB: .*{why}.*worker.secrets") as refused:
        _secrets(Reader(), clock, DB=given).text("DB")
    assert WHAT not in str(refused.value)


def test_without_secrets_every_name_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no secret DB"):
        no_secrets().text("DB")


def test_a_json_secret_is_parsed_into_an_object(clock: ManualClock) -> None:
    secrets = _secrets(Reader('{"username": "a", "port": 5432}'), clock, DB=SECRET_ARN)
    assert secrets.json("DB") == {"username": "a", "port": 5432}


@pytest.mark.parametrize("text", [WHAT, '["hunter2"]', '{"a": hunter2}', "null"])
def test_a_secret_that_is_not_a_json_object_is_refused_without_quoting_it(clock: ManualClock, text: str) -> None:
    with pytest.raises(Fail, match="secret_invalid: the secret DB is not a JSON object") as refused:
        _secrets(Reader(text), clock, DB=SECRET_ARN).json("DB")
    assert refused.value.__context__ is None, "the error of the decoder would quote the secret"


def test_the_value_of_a_secret_is_never_logged(
    aws: AwsSecrets, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    arn = client("secretsmanager").create_secret(Name="db", SecretString=WHAT)["ARN"]
    secrets = _secrets(aws.read, clock, DB=arn)
    with caplog.at_level(logging.DEBUG, logger="analysis_jobs"):
        secrets.text("DB")
        with pytest.raises(Fail):
            secrets.json("DB")
    assert WHAT not in caplog.text
    assert WHAT not in repr(secrets)
