"""The limits of AWS that this project adds to the emulator: each is enforced at its documented value.

Needs the emulator only, without a stack: Terraform is not run.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from analysis_jobs_dev.cloud import ministack, ports
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator.heads import Request, refusal
from analysis_jobs_dev.cloud.emulator.payloads import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, json_bytes
from analysis_jobs_dev.cloud.emulator.quotas import environment_bytes, event_bytes, policy_characters, unfit_message_id
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from tests.system.watching import until

pytestmark = pytest.mark.system

# Sends each message that it receives to the queue again, and says how often it did so.
FORWARDS = """
import json, os, botocore.session
def handler(event, context):
    sqs = botocore.session.get_session().create_client("sqs", region_name=os.environ["AWS_REGION"])
    for record in event["Records"]:
        message = json.loads(record["body"])
        url = os.environ["QUEUE" if message["times"] < message["until"] else "DONE"]
        message["times"] += 1
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
"""
ANSWERS = """
def handler(event, context):
    return "x" * event["size"] if "size" in event else len(event["text"])
"""
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    folder = tmp_path_factory.mktemp("emulator")
    trusted = certificates(folder / "certificates")
    running = ministack.MiniStack(interpreter(), folder, trusted, ports.free_ports(1)[0])
    running.start()
    try:
        connection = Connection("", "", running.url, running.url, str(trusted.bundle), {})
        trust = {**EVERYTHING, "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
        connection.boto3("iam").create_role(RoleName="all", AssumeRolePolicyDocument=json.dumps(trust))
        connection.boto3("iam").put_role_policy(RoleName="all", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        yield connection
    finally:
        running.stop()


def deploy(aws: Connection, name: str, source: str, **environment: str) -> None:
    """Create a function of one file, with the rights to everything."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("main.py", source)
    aws.boto3("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="main.handler",
        Role="arn:aws:iam::000000000000:role/all",
        Timeout=30,
        Code={"ZipFile": package.getvalue()},
        Environment={"Variables": environment},
    )


def queue(aws: Connection, name: str, **attributes: str) -> tuple[str, str]:
    """Create a queue; return its URL and its ARN."""
    sqs = aws.boto3("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(aws: Connection, *urls: str) -> list[dict[str, Any]]:
    """Return the messages that are in these queues."""
    sqs = aws.boto3("sqs")
    answers = [sqs.receive_message(QueueUrl=url, VisibilityTimeout=0) for url in urls]
    return [json.loads(message["Body"]) for answer in answers for message in answer.get("Messages", [])]


@pytest.mark.parametrize(("loop", "sent"), [("Terminate", 16), ("Allow", 21)])
def test_a_chain_of_messages_ends_after_16_invocations_unless_it_is_allowed(
    aws: Connection, loop: str, sent: int
) -> None:
    name = f"forwards-{loop.lower()}"
    done, _ = queue(aws, f"{name}-done")
    dead, dead_arn = queue(aws, f"{name}-dlq")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5})
    url, arn = queue(aws, name, RedrivePolicy=redrive, VisibilityTimeout="60")
    deploy(aws, name, FORWARDS, QUEUE=url, DONE=done)
    if loop == "Allow":
        aws.boto3("lambda").put_function_recursion_config(FunctionName=name, RecursiveLoop=loop)
    aws.boto3("lambda").create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=1)
    aws.boto3("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"times": 0, "until": 20}))
    [message] = until(lambda: received(aws, done, dead))
    assert message["times"] == sent
    assert received(aws, dead if loop == "Terminate" else done) == [message]


def test_lambda_refuses_an_answer_over_6_mb_and_a_request_over_6_mb(aws: Connection) -> None:
    deploy(aws, "answers", ANSWERS)
    invoke = aws.boto3("lambda").invoke
    quotes = len('""')
    fits = invoke(FunctionName="answers", Payload=json.dumps({"size": MAX_ANSWER_BYTES - quotes}))
    assert "FunctionError" not in fits
    refused = invoke(FunctionName="answers", Payload=json.dumps({"size": MAX_ANSWER_BYTES - quotes + 1}))
    error = json.loads(refused["Payload"].read())
    assert refused["FunctionError"]
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert error["errorMessage"].endswith("maximum allowed payload size (6291556 bytes).")
    refused = invoke(FunctionName="answers", Payload=json.dumps({"text": "x" * MAX_REQUEST_BYTES}))
    assert json.loads(refused["Payload"].read())["errorType"] == "RequestTooLargeException"


@pytest.mark.parametrize(
    ("service", "call", "options", "code"),
    [
        (
            "iam",
            "put_role_policy",
            {"RoleName": "all", "PolicyName": "long", "PolicyDocument": json.dumps({**EVERYTHING, "Id": "x" * 10_200})},
            "LimitExceeded",
        ),
        (
            "lambda",
            "update_function_configuration",
            {"FunctionName": "sized", "Environment": {"Variables": {"LONG": "x" * 4_090}}},
            "InvalidParameterValueException",
        ),
        (
            "events",
            "put_events",
            {"Entries": [{"Source": "s", "DetailType": "t", "Detail": json.dumps("x" * 262_144)}]},
            "ValidationException",
        ),
        ("sqs", "create_queue", {"QueueName": "x" * 81}, "InvalidParameterValue"),
        ("sqs", "send_message", {"MessageBody": "b", "MessageGroupId": "x" * 129}, "InvalidParameterValue"),
        ("sqs", "send_message", {"MessageBody": "\x08"}, "InvalidMessageContents"),
        ("sqs", "send_message", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ("s3", "put_object", {"Bucket": "sized", "Key": "ä" * 513}, "KeyTooLongError"),
        ("s3", "put_object", {"Bucket": "sized", "Key": "k", "Metadata": {"a": "x" * 2_048}}, "MetadataTooLarge"),
        (
            "dynamodb",
            "put_item",
            {"TableName": "sized", "Item": {"tenant": {"S": "t"}, "item": {"S": "x" * 1_025}}},
            "ValidationException",
        ),
        (
            "dynamodb",
            "put_item",
            {"TableName": "sized", "Item": {"tenant": {"S": "x" * 2_049}, "item": {"S": "i"}}},
            "ValidationException",
        ),
        (
            "dynamodb",
            "put_item",
            {"TableName": "sized", "Item": {"tenant": {"S": "t"}, "item": {"S": "i"}, "x": {"S": "x" * 409_600}}},
            "ValidationException",
        ),
    ],
)  # fmt: skip
def test_a_call_over_a_quota_is_refused(  # noqa: PLR0917 - the fields of a case
    aws: Connection, sized: str, service: str, call: str, options: dict[str, Any], code: str
) -> None:
    given = options | ({"QueueUrl": sized} if call == "send_message" else {})
    with pytest.raises(ClientError) as refused:
        getattr(aws.boto3(service), call)(**given)
    assert refused.value.response["Error"]["Code"].rpartition(".")[2] == code


@pytest.fixture(scope="module")
def sized(aws: Connection) -> str:
    """Create the resources that are called with too much; return the URL of the queue."""
    deploy(aws, "sized", ANSWERS)
    aws.boto3("s3").create_bucket(Bucket="sized", CreateBucketConfiguration={"LocationConstraint": ministack.REGION})
    aws.boto3("dynamodb").create_table(
        TableName="sized",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("tenant", "item")],
        KeySchema=[{"AttributeName": "tenant", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
    )
    return queue(aws, "sized")[0]


def test_sizes_are_measured_as_aws_measures_them() -> None:
    assert json_bytes({"body": '{"a": "ä"}'}) == len('{"body": "{\\"a\\": \\"ä\\"}"}'.encode())
    assert policy_characters('{ "a" :\n "b" }') == len('{"a":"b"}')
    assert environment_bytes({"A": "ä"}) == len('{"A":"ä"}'.encode())
    assert event_bytes({"Source": "ä", "DetailType": "t", "Detail": "{}", "Resources": ["r"], "Time": 1}) == 20
    assert unfit_message_id("MessageGroupId", "a!~") is None
    assert unfit_message_id("MessageGroupId", None) is None
    assert "1 to 128 in length" in str(unfit_message_id("MessageGroupId", "ä"))


def request(path: str, headers: dict[str, str], query: str = "") -> Request:
    return Request("GET", path.encode(), query.encode(), [(name, value.encode()) for name, value in headers.items()])


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/_aws/execute-api/a/$default/jobs", {"authorization": "x" * 10_000}, None),
        ("/_aws/execute-api/a/$default/jobs", {"authorization": "x" * 10_240}, 431),
        ("/jobs", {"host": "a1b2.execute-api.localhost", "authorization": "x" * 10_240}, 431),
        ("/_aws/execute-api/a/$default/jobs", {"content-length": str(10 * 1024 * 1024 + 1)}, 413),
        ("/other", {"authorization": "x" * 20_000}, None),
        ("/bucket/" + "%C3%A4" * 512, {"authorization": "Credential=k/1/r/s3/aws4_request"}, None),
        ("/bucket/" + "%C3%A4" * 513, {"authorization": "Credential=k/1/r/s3/aws4_request"}, 400),
    ],
)
def test_what_a_request_may_carry(path: str, headers: dict[str, str], status: int | None) -> None:
    refused = refusal(request(path, headers))
    assert (refused and refused.status) == status


def test_a_presigned_url_is_a_request_of_s3() -> None:
    refused = refusal(request("/bucket/" + "k" * 1_025, {}, "X-Amz-Credential=k%2F1%2Fr%2Fs3%2Faws4_request"))
    assert refused
    assert "KeyTooLongError" in refused.body
