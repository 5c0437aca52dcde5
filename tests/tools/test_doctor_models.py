"""The preflight check of models: each fault is planted, and found with its fix. Stubs stand in for Bedrock and IAM."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs_dev.doctor import models
from analysis_jobs_dev.doctor.findings import Level
from tests.tools.doctored import (
    ACCESS,
    ALLOWED,
    DENIED,
    MODEL,
    MODEL_ARNS,
    PROFILE,
    PROFILE_ARN,
    REGION,
    a_stack,
    a_subject,
    bad,
    decision,
)


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


def profile() -> tuple[str, dict[str, Any]]:
    return "get_inference_profile", {
        "inferenceProfileName": "EU",
        "inferenceProfileArn": PROFILE_ARN,
        "models": [{"modelArn": arn} for arn in MODEL_ARNS],
        "inferenceProfileId": PROFILE,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def test_the_rights_to_a_profile_and_to_its_models_in_all_regions_are_checked() -> None:
    subject = a_stack().answers("bedrock", profile())
    subject = subject.answers("iam", *[("simulate_principal_policy", decision(ALLOWED))] * 3)
    [finding] = models.rights(subject)
    assert (finding.level, finding.message) == (Level.OK, f"{PROFILE}: the worker may call 3 ARNs")


def test_a_missing_right_names_the_arn_the_action_and_the_role() -> None:
    subject = (
        a_stack()
        .answers("bedrock", profile())
        .answers(
            "iam",
            ("simulate_principal_policy", decision(ALLOWED)),
            ("simulate_principal_policy", decision(DENIED)),
            ("simulate_principal_policy", decision(ALLOWED)),
        )
    )
    found = bad(models.rights(subject))
    assert [each.level for each in found] == [Level.PROBLEM] * 2
    assert all(MODEL_ARNS[0] in each.message and "role/books-worker" in each.message for each in found)
    assert "bedrock:InvokeModelWithResponseStream" in found[1].message
    assert "`model_access`" in found[0].fix


def test_a_model_without_a_profile_has_one_arn() -> None:
    assert models.arns_of(a_stack(), MODEL) == [MODEL_ARNS[1]]


@pytest.mark.parametrize(
    ("model", "is_profile"),
    [
        (PROFILE, True),
        (f"global.{MODEL}", True),
        (f"apac.{MODEL}", True),
        (f"arn:aws:bedrock:{REGION}:123456789012:application-inference-profile/x1", True),
        (MODEL, False),
        ("amazon.nova-pro-v1:0", False),
    ],
)
def test_profiles_are_told_from_models(model: str, is_profile: bool) -> None:
    assert models.is_profile(model) is is_profile


def test_without_the_right_to_look_the_rights_are_unknown() -> None:
    [finding] = bad(models.rights(a_stack().answers("bedrock", ("get_inference_profile", "AccessDeniedException"))))
    assert finding.level is Level.UNKNOWN
    assert "bedrock:GetInferenceProfile" in finding.fix


@pytest.mark.parametrize(
    ("change", "text", "fix"),
    [
        ({"regionAvailability": "NOT_AVAILABLE"}, "regionAvailability", "Region"),
        ({"authorizationStatus": "NOT_AUTHORIZED"}, "authorizationStatus", "policy"),
        ({"entitlementAvailability": "NOT_AVAILABLE"}, "entitlementAvailability", "request access"),
        ({"agreementAvailability": {"status": "NOT_AVAILABLE"}}, "agreementAvailability", "marketplace.product_ids"),
    ],
)
def test_an_account_without_access_is_told_what_is_missing(change: dict[str, Any], text: str, fix: str) -> None:
    answer = {"modelId": MODEL, **ACCESS, **change}
    subject = a_subject().answers("bedrock", ("get_foundation_model_availability", answer))
    [finding] = bad(models.access(subject))
    assert (finding.level, text in finding.message, fix in finding.fix) == (Level.PROBLEM, True, True)


def test_an_account_with_access_is_in_order() -> None:
    subject = a_subject().answers("bedrock", ("get_foundation_model_availability", {"modelId": MODEL, **ACCESS}))
    assert bad(models.access(subject)) == []


def quota(name: str, value: float) -> dict[str, Any]:
    return {"QuotaName": name, "QuotaCode": "L-1", "Value": value}


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Cross-Region InvokeModel tokens per minute for Anthropic Claude Sonnet 4.5 V1", True),
        (
            "Model invocation max tokens per day for Anthropic Claude Sonnet 4.5 V1 (doubled for cross-region calls)",
            True,
        ),
        ("On-demand InvokeModel tokens per minute for Anthropic Claude 4.5 Sonnet", True),
        ("On-demand InvokeModel tokens per minute for Anthropic Claude Sonnet 4", False),
        ("On-demand InvokeModel tokens per minute for Anthropic Claude Sonnet 4.5 V1 1M Context Length", False),
        ("On-demand InvokeModel requests per minute for Anthropic Claude Sonnet 4.5 V1", False),
    ],
)
def test_the_quotas_of_a_model_are_found_by_name(name: str, fits: bool) -> None:
    subject = a_subject().answers("service-quotas", ("list_service_quotas", {"Quotas": [quota(name, 1000)]}))
    assert [each.level for each in models.tokens(subject)] == [Level.OK if fits else Level.WARNING]


def test_a_quota_of_no_tokens_is_a_problem() -> None:
    name = "On-demand InvokeModel tokens per minute for Anthropic Claude Sonnet 4.5 V1"
    subject = a_subject().answers("service-quotas", ("list_service_quotas", {"Quotas": [quota(name, 0)]}))
    [finding] = bad(models.tokens(subject))
    assert (finding.level, "L-1" in finding.message) == (Level.PROBLEM, True)
