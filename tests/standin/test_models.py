"""Which model an ID names, and on which ARNs its caller needs the invoke action."""

import pytest

from analysis_jobs_dev.cloud.stand_in.models import DESTINATIONS, find
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
ACCOUNT = "123456789012"
ARN = "arn:aws:bedrock"
OWN_PROFILE = f"{ARN}:us-east-1:{ACCOUNT}:application-inference-profile/a1b2c3"


@pytest.mark.parametrize(
    ("model_id", "region", "resources"),
    [
        (HAIKU, "eu-west-1", [f"{ARN}:eu-west-1::foundation-model/{HAIKU}"]),
        (f"{ARN}:us-east-1::foundation-model/{HAIKU}", "eu-west-1", [f"{ARN}:us-east-1::foundation-model/{HAIKU}"]),
        (
            f"eu.{CLAUDE}",
            "eu-west-1",
            [
                f"{ARN}:eu-west-1:{ACCOUNT}:inference-profile/eu.{CLAUDE}",
                *(f"{ARN}:{region}::foundation-model/{CLAUDE}" for region in DESTINATIONS["eu"]),
            ],
        ),
        (
            f"global.{CLAUDE}",
            "ap-south-1",
            [
                f"{ARN}:ap-south-1:{ACCOUNT}:inference-profile/global.{CLAUDE}",
                f"{ARN}:ap-south-1::foundation-model/{CLAUDE}",
                f"{ARN}:::foundation-model/{CLAUDE}",
            ],
        ),
        (OWN_PROFILE, "us-east-1", [OWN_PROFILE]),
        (HAIKU, "cn-north-1", [f"arn:aws-cn:bedrock:cn-north-1::foundation-model/{HAIKU}"]),
    ],
)
def test_each_kind_of_id_needs_its_resources(model_id: str, region: str, resources: list[str]) -> None:
    assert find(model_id, region).resources(ACCOUNT) == resources


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "*",
        "claude-3-haiku",
        "acme.model-v1",
        "xx.anthropic.claude-3-haiku-20240307-v1:0",
        f"{ARN}:us-east-1:{ACCOUNT}:inference-profile/{HAIKU}",
        f"{ARN}:us-east-1::foundation-model/us.{CLAUDE}",
        f"{ARN}:us-east-1::application-inference-profile/a1b2c3",
        "arn:aws:s3:::a-bucket",
    ],
)
def test_an_id_that_names_no_model_is_refused(model_id: str) -> None:
    with pytest.raises(RefusedError, match="model identifier is invalid"):
        find(model_id, "us-east-1")
