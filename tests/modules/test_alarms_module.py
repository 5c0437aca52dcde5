"""Who may publish to the topic of the alarms, and who may use its key."""

import json

import pytest

from analysis_jobs.base.settings import Settings
from tests.modules.harness import Terraform
from tests.modules.iam import allows, denies

TESTS = "modules/alarms/tests/alarms.tftest.hcl"
RUN = "every_alarm_with_its_default"
TOPIC = "arn:aws-cn:sns:cn-north-1:111122223333:orders-alarms"
ALARMS = "arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm"
OWN_ALARM = {
    "aws:SourceAccount": "111122223333",
    "aws:SourceArn": f"{ALARMS}:orders-worker-errors",
    "aws:SecureTransport": "true",
}


def policy(terraform: Terraform, address: str) -> str:
    text: str = terraform.test(TESTS)[RUN].planned[address]["policy"]
    return text


def test_a_healthy_hand_over_rings_no_alarm_and_a_late_end_does(terraform: Terraform) -> None:
    planned = terraform.test(TESTS)[RUN].planned['aws_cloudwatch_metric_alarm.this["worker-duration"]']
    timeout_s = 600  # of the test file
    handed_over_s = timeout_s - Settings.model_fields["stop_margin_s"].default
    seconds_to_write_it = 5  # the release of ten jobs takes less than one
    assert (handed_over_s + seconds_to_write_it) * 1000 < planned["threshold"] < timeout_s * 1000
    assert planned["comparison_operator"] == "GreaterThanThreshold"


def principals(text: str) -> dict[str, object]:
    return {statement["Sid"]: statement["Principal"] for statement in json.loads(text)["Statement"]}


@pytest.mark.parametrize(
    ("difference", "allowed"),
    [
        ({}, True),
        ({"aws:SourceArn": f"{ALARMS}:another-worker-errors"}, False),
        ({"aws:SourceArn": f"{ALARMS.replace('111122223333', '444455556666')}:orders-worker-errors"}, False),
        ({"aws:SourceAccount": "444455556666"}, False),
        ({"aws:SecureTransport": "false"}, False),
    ],
)
def test_alarms_of_this_stack_alone_publish_and_over_tls(
    terraform: Terraform, difference: dict[str, str], *, allowed: bool
) -> None:
    text = policy(terraform, "aws_sns_topic_policy.alarms[0]")
    assert allows(text, "sns:Publish", TOPIC, OWN_ALARM | difference) is allowed
    assert principals(text) == {"AlarmsOfThisStack": {"Service": "cloudwatch.amazonaws.com"}, "TlsOnly": "*"}


def test_nobody_publishes_in_the_clear_whatever_else_he_may(terraform: Terraform) -> None:
    text = policy(terraform, "aws_sns_topic_policy.alarms[0]")
    assert denies(text, "sns:Publish", TOPIC, {"aws:SecureTransport": "false"})


@pytest.mark.parametrize(
    ("action", "allowed"), [("kms:Decrypt", True), ("kms:GenerateDataKey", True), ("kms:PutKeyPolicy", False)]
)
def test_cloudwatch_may_use_the_topics_key_and_not_administer_it(
    terraform: Terraform, action: str, *, allowed: bool
) -> None:
    document = json.loads(policy(terraform, "aws_kms_key.alarms[0]"))
    for_cloudwatch = [each for each in document["Statement"] if "Service" in each["Principal"]]
    text = json.dumps(document | {"Statement": for_cloudwatch})
    assert allows(text, action, "*", {"aws:SourceAccount": "111122223333"}) is allowed
    assert not allows(text, action, "*", {"aws:SourceAccount": "444455556666"})


def test_the_account_keeps_the_key(terraform: Terraform) -> None:
    owner = principals(policy(terraform, "aws_kms_key.alarms[0]"))["AccountDecidesByIam"]
    assert owner == {"AWS": "arn:aws-cn:iam::111122223333:root"}
