"""The models that the policy of `model-access` admits, with the requests that Bedrock makes to IAM.

Source of the resources per kind of ID: "Prerequisites for inference profiles" and "Increase throughput
with cross-Region inference" of the Bedrock user guide.
"""

import json

import pytest

from tests.modules.harness import ACCOUNT, Terraform
from tests.modules.iam import allows

FILE = "modules/model-access/tests/model-access.tftest.hcl"
ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
# The partition of each Region, and the run of FILE for that partition.
REGIONS = {
    "eu-west-1": ("aws", "one_family"),
    "us-east-1": ("aws", "one_family"),
    "ap-southeast-2": ("aws", "one_family"),
    "cn-north-1": ("aws-cn", "one_family_in_china"),
}
SONNET = "anthropic.claude-sonnet-4-5-20250514-v1:0"

ADMITTED = [
    SONNET,
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-sonnet-4-5-20250929-v1:0:200k",
    f"us.{SONNET}",
    f"eu.{SONNET}",
    f"jp.{SONNET}",
    f"au.{SONNET}",
    f"ca.{SONNET}",
    f"apac.{SONNET}",
    f"us-gov.{SONNET}",
    f"global.{SONNET}",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
]
REFUSED = [
    # Another family of the vendor.
    "anthropic.claude-3-haiku-20240307-v1:0",
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "anthropic.claude-sonnet-4-50-20270101-v1:0",
    "anthropic.claude-sonnet-4-5",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "global.anthropic.claude-sonnet-4-20250514-v1:0",
    # Another vendor, also with the family's name as a part.
    "amazon.nova-pro-v1:0",
    "eu.amazon.nova-pro-v1:0",
    "other.claude-sonnet-4-5-20250514-v1:0",
    "notanthropic.claude-sonnet-4-5-20250514-v1:0",
    "Anthropic.claude-sonnet-4-5-20250514-v1:0",
    f"other.{SONNET}",
    f"us.other.{SONNET}",
    f"global.other.{SONNET}",
    f"us.other-{SONNET}",
    f"apac-{SONNET}",
    f"eu.us.{SONNET}",
    # An empty or unknown geography.
    f".{SONNET}",
    f"usa.{SONNET}",
    f"regional.{SONNET}",
]


def foundation_model(model_id: str, region: str) -> str:
    return f"arn:{REGIONS[region][0]}:bedrock:{region}::foundation-model/{model_id}"


def foundation_model_of_no_region(model_id: str, region: str) -> str:
    return f"arn:{REGIONS[region][0]}:bedrock:::foundation-model/{model_id}"


def profile(model_id: str, region: str, account: str = ACCOUNT) -> str:
    return f"arn:{REGIONS[region][0]}:bedrock:{region}:{account}:inference-profile/{model_id}"


def policy(region: str, terraform: Terraform) -> str:
    text: str = terraform.test(FILE)[REGIONS[region][1]].outputs["policy_json"]
    return text


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("model_id", ADMITTED)
def test_a_model_of_the_family_is_admitted(model_id: str, region: str, terraform: Terraform) -> None:
    """Bedrock asks for the profile, and for the model in each destination Region."""
    geography, _, model = model_id.rpartition("anthropic.")
    asked = [foundation_model(f"anthropic.{model}", region)]
    if geography:
        asked.append(profile(model_id, region))
    if geography == "global.":
        asked.append(foundation_model_of_no_region(f"anthropic.{model}", region))
    text = policy(region, terraform)
    refused = [(arn, act) for arn in asked for act in ACTIONS if not allows(text, act, arn)]
    assert refused == []


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("model_id", REFUSED)
def test_a_model_of_another_family_or_vendor_is_refused(model_id: str, region: str, terraform: Terraform) -> None:
    """No kind of ARN is allowed. Refusing the model behind a profile would not be enough."""
    text = policy(region, terraform)
    kinds = (foundation_model, foundation_model_of_no_region, profile)
    admitted = [
        (arn, act) for arn in (kind(model_id, region) for kind in kinds) for act in ACTIONS if allows(text, act, arn)
    ]
    assert admitted == []


def test_the_model_without_a_region_is_spelt_out(terraform: Terraform) -> None:
    """The pattern for every Region matches it too, but a reader of the policy should not need to know."""
    resources = json.loads(policy("eu-west-1", terraform))["Statement"][0]["Resource"]
    assert "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-5-*" in resources


@pytest.mark.parametrize(
    "resource",
    [
        profile(f"eu.{SONNET}", "eu-west-1", account="999988887777"),
        f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:application-inference-profile/0a1b2c3d4e5f",
        f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:custom-model/{SONNET}/0a1b2c3d4e5f",
        f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:provisioned-model/0a1b2c3d4e5f",
        f"arn:aws-cn:bedrock:cn-north-1::foundation-model/{SONNET}",
        f"arn:aws:sagemaker:eu-west-1::foundation-model/{SONNET}",
    ],
)
def test_what_is_no_model_of_the_family_is_refused(resource: str, terraform: Terraform) -> None:
    assert not allows(policy("eu-west-1", terraform), ACTIONS[0], resource)


@pytest.mark.parametrize(
    "action",
    ["bedrock:GetFoundationModel", "bedrock:CreateModelInvocationJob", "aws-marketplace:Subscribe"],
)
def test_nothing_but_invoking_is_allowed(action: str, terraform: Terraform) -> None:
    text = policy("eu-west-1", terraform)
    assert not allows(text, action, foundation_model(SONNET, "eu-west-1"))
    assert not allows(text, action, "*")


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        (ACTIONS[1], foundation_model("amazon.nova-lite-v1:0", "eu-west-1"), True),
        (ACTIONS[1], profile("eu.amazon.nova-lite-v1:0", "eu-west-1"), True),
        (ACTIONS[1], profile(f"eu.{SONNET}", "eu-west-1"), True),
        (ACTIONS[1], profile("eu.amazon.nova-lite-v1:01", "eu-west-1"), False),
        (ACTIONS[0], f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:application-inference-profile/0a1b2c3d4e5f", True),
        (ACTIONS[0], f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:application-inference-profile/0a1b2c3d4e5e", False),
        ("aws-marketplace:Subscribe", "*", False),
        ("aws-marketplace:ViewSubscriptions", "*", True),
        ("aws-marketplace:Unsubscribe", "*", False),
    ],
)  # fmt: skip
def test_several_models_application_profiles_and_the_marketplace_go_together(
    action: str, resource: str, *, allowed: bool, terraform: Terraform
) -> None:
    text = terraform.test(FILE)["everything_set"].outputs["policy_json"]
    assert allows(text, action, resource) is allowed


@pytest.mark.parametrize(("product", "allowed"), [("prod-mxcfnwvpd6kb4", True), ("prod-4dlfvry4v5hbi", False)])
def test_only_the_named_products_can_be_bought(product: str, *, allowed: bool, terraform: Terraform) -> None:
    text = terraform.test(FILE)["everything_set"].outputs["policy_json"]
    assert allows(text, "aws-marketplace:Subscribe", "*", {"aws-marketplace:ProductId": product}) is allowed


def test_the_statements_are_the_policys(terraform: Terraform) -> None:
    outputs = terraform.test(FILE)["everything_set"].outputs
    documented = [(each["Action"], each["Resource"]) for each in json.loads(outputs["policy_json"])["Statement"]]
    statements = outputs["statements"]
    assert list(statements) == ["models_invoke", "models_subscribe", "subscriptions_view"]
    assert documented == [(each["actions"], each["resources"]) for each in statements.values()]


@pytest.mark.parametrize(
    ("run", "arn", "allowed"),
    [
        ("only_in_europe", foundation_model(SONNET, "eu-west-1"), True),
        ("only_in_europe", f"arn:aws:bedrock:eu-central-1::foundation-model/{SONNET}", True),
        ("only_in_europe", profile(f"eu.{SONNET}", "eu-west-1"), True),
        ("only_in_europe", foundation_model(SONNET, "us-east-1"), False),
        ("only_in_europe", foundation_model_of_no_region(SONNET, "eu-west-1"), False),
        ("only_in_europe", profile(f"us.{SONNET}", "eu-west-1"), False),
        ("only_in_europe", profile(f"global.{SONNET}", "eu-west-1"), False),
        ("only_in_europe", profile(f"eu.{SONNET}", "us-east-1"), False),
        ("only_in_europe", profile(f"eu.other.{SONNET}", "eu-west-1"), False),
        ("global_from_one_region", foundation_model(SONNET, "eu-west-1"), True),
        ("global_from_one_region", foundation_model_of_no_region(SONNET, "eu-west-1"), True),
        ("global_from_one_region", profile(f"global.{SONNET}", "eu-west-1"), True),
        ("global_from_one_region", profile(f"eu.{SONNET}", "eu-west-1"), False),
        ("global_from_one_region", foundation_model(SONNET, "us-east-1"), False),
        ("no_profile_at_all", foundation_model(SONNET, "us-east-1"), True),
        ("no_profile_at_all", profile(f"us.{SONNET}", "us-east-1"), False),
        ("no_profile_at_all", profile(f"global.{SONNET}", "us-east-1"), False),
    ],
)  # fmt: skip
def test_geographies_and_regions_narrow_what_is_admitted(
    run: str, arn: str, *, allowed: bool, terraform: Terraform
) -> None:
    text = terraform.test(FILE)[run].outputs["policy_json"]
    assert [allows(text, action, arn) for action in ACTIONS] == [allowed, allowed]
