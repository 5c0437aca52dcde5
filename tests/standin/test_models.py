"""Which model an ID names, and on which ARNs its caller needs the invoke action."""

import pytest

from cloud.stand_in.models import DESTINATIONS, check_offered, find
from cloud.stand_in.refusals import BedrockError

CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
ACCOUNT = "123456789012"


def test_a_bare_id_needs_the_model_in_the_region() -> None:
    assert find(HAIKU, "eu-west-1").resources(ACCOUNT) == [f"arn:aws:bedrock:eu-west-1::foundation-model/{HAIKU}"]


def test_a_geographic_profile_needs_itself_and_the_model_in_every_destination() -> None:
    profile, *models = find(f"eu.{CLAUDE}", "eu-west-1").resources(ACCOUNT)
    assert profile == f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:inference-profile/eu.{CLAUDE}"
    assert models == [f"arn:aws:bedrock:{region}::foundation-model/{CLAUDE}" for region in DESTINATIONS["eu"]]


def test_a_global_profile_needs_the_model_without_a_region_too() -> None:
    assert find(f"global.{CLAUDE}", "ap-south-1").resources(ACCOUNT) == [
        f"arn:aws:bedrock:ap-south-1:{ACCOUNT}:inference-profile/global.{CLAUDE}",
        f"arn:aws:bedrock:ap-south-1::foundation-model/{CLAUDE}",
        f"arn:aws:bedrock:::foundation-model/{CLAUDE}",
    ]


def test_an_application_inference_profile_needs_itself() -> None:
    arn = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:application-inference-profile/a1b2c3"
    assert find(arn, "us-east-1").resources(ACCOUNT) == [arn]


def test_an_arn_names_what_its_id_names() -> None:
    by_arn = find(f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.{CLAUDE}", "eu-west-1")
    assert by_arn == find(f"us.{CLAUDE}", "us-east-1")
    assert find(f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}", "eu-west-1") == find(HAIKU, "us-east-1")


def test_the_partition_is_the_regions() -> None:
    assert find(f"us-gov.{CLAUDE}", "us-gov-west-1").resources(ACCOUNT)[0].startswith("arn:aws-us-gov:bedrock:")
    assert find(HAIKU, "cn-north-1").resources(ACCOUNT)[0].startswith("arn:aws-cn:bedrock:")


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "*",
        "claude-3-haiku",
        "acme.model-v1",
        "xx.anthropic.claude-3-haiku-20240307-v1:0",
        f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{HAIKU}",
        f"arn:aws:bedrock:us-east-1::foundation-model/us.{CLAUDE}",
        "arn:aws:bedrock:us-east-1::application-inference-profile/a1b2c3",
        "arn:aws:s3:::a-bucket",
    ],
)
def test_what_is_no_model_is_refused(model_id: str) -> None:
    with pytest.raises(BedrockError, match="model identifier is invalid"):
        find(model_id, "us-east-1")


@pytest.mark.parametrize(
    ("model_id", "region"),
    [
        (HAIKU, "us-east-1"),
        (f"us.{CLAUDE}", "us-west-2"),
        (f"global.{CLAUDE}", "eu-west-1"),
        ("amazon.nova-lite-v1:0", "us-east-1"),
    ],
)
def test_what_is_offered_passes(model_id: str, region: str) -> None:
    model = find(model_id, region)
    check_offered(model, model_id)
    assert model.region == region


@pytest.mark.parametrize(
    ("model_id", "output", "context", "burndown"),
    [
        (HAIKU, 4_096, 200_000, 1),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", 8_192, 200_000, 1),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", 64_000, 200_000, 5),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000, 200_000, 5),
        (f"eu.{CLAUDE}", 64_000, 200_000, 5),
        ("amazon.nova-lite-v1:0", 10_000, 300_000, 1),
        ("meta.llama3-8b-instruct-v1:0", 8_192, 128_000, 1),
    ],
)
def test_each_model_has_its_limits(model_id: str, output: int, context: int, burndown: int) -> None:
    model = find(model_id, "us-east-1")
    assert (model.max_output_tokens, model.context_tokens, model.burndown) == (output, context, burndown)
