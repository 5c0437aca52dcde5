"""Checks the models: the rights of the worker, the access of the account, and the quotas of tokens.

Bedrock checks the right to a profile, and to its model in every destination Region.
"""

import re
from collections.abc import Iterator, Sequence

from analysis_jobs.llm.model_ids import GEOGRAPHY, family_name
from analysis_jobs_dev.doctor.findings import Finding, ok, problem, unknown, warning
from analysis_jobs_dev.doctor.subject import AWS_ERRORS, Subject, reason

RIGHTS = "rights to the model"
ACCESS = "access to the model"
TOKENS = "tokens of the model"
_ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


def rights(subject: Subject) -> Iterator[Finding]:
    """Check the worker's role against the ARN of each model: of the profile, and of every destination Region."""
    for model in subject.models:
        if subject.worker is None:
            yield unknown(RIGHTS, f"{model}: the worker is not deployed yet", "run `doctor` after the first deployment")
            continue
        try:
            arns = arns_of(subject, model)
            missing = _denied(subject, subject.worker.role_arn, arns)
        except AWS_ERRORS as error:
            yield unknown(
                RIGHTS,
                f"{model}: {reason(error)}",
                "the caller needs bedrock:GetInferenceProfile and iam:SimulatePrincipalPolicy",
            )
            continue
        for arn, action in missing:
            yield problem(
                RIGHTS,
                f"{subject.worker.role_arn} may not call {action} on {arn}, which {model} needs",
                "add the model to `bedrock_model_ids`, and its geography and Region to `model_access`; if they are "
                "there, a permissions boundary or a policy of the organization denies it",
            )
        if not missing:
            yield ok(RIGHTS, f"{model}: the worker may call {len(arns)} ARN{'s' * (len(arns) > 1)}")


def arns_of(subject: Subject, model: str) -> list[str]:
    """Return the ARNs that a call of a model needs: of the model, or of a profile and its models in all Regions.

    Raises one of `AWS_ERRORS` if Bedrock does not know the profile.
    """
    if not is_profile(model):
        return [f"arn:{subject.partition}:bedrock:{subject.region}::foundation-model/{model}"]
    profile = subject.client("bedrock").get_inference_profile(inferenceProfileIdentifier=model)
    return [profile["inferenceProfileArn"], *sorted({each["modelArn"] for each in profile["models"]})]


def is_profile(model: str) -> bool:
    """Tell whether the ID is that of an inference profile, and not of a model."""
    return ":application-inference-profile/" in model or bool(GEOGRAPHY.match(model.rpartition("/")[2]))


def _denied(subject: Subject, role: str, arns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the ARNs and actions that the role's policies and its boundary do not allow."""
    iam = subject.client("iam")
    denied: list[tuple[str, str]] = []
    for arn in arns:
        # One resource in a call: with several, the answer has one decision for all of them together.
        answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=list(_ACTIONS), ResourceArns=[arn])
        denied += [
            (arn, each["EvalActionName"]) for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"
        ]
    return denied


def access(subject: Subject) -> Iterator[Finding]:
    """Check whether the account has access to each model in this Region: agreement, authorization, entitlement."""
    for model in sorted({model_of(model) for model in subject.models}):
        try:
            found = subject.client("bedrock").get_foundation_model_availability(modelId=model)
        except AWS_ERRORS as error:
            yield unknown(
                ACCESS,
                f"{model}: {reason(error)}",
                "the caller needs bedrock:GetFoundationModelAvailability, and the model must be offered in the Region",
            )
            continue
        states = {
            "regionAvailability": (found["regionAvailability"], "choose a Region or a profile that offers the model"),
            "authorizationStatus": (
                found["authorizationStatus"],
                "a policy of the organization or the account denies the model",
            ),
            "entitlementAvailability": (
                found["entitlementAvailability"],
                "open the model catalog of Bedrock once and request access to the model",
            ),
            "agreementAvailability": (
                found["agreementAvailability"]["status"],
                "accept the model's agreement in the model catalog of Bedrock, or set `marketplace.product_ids`",
            ),
        }
        bad = {name: fix for name, (state, fix) in states.items() if state not in {"AVAILABLE", "AUTHORIZED"}}
        for name, fix in bad.items():
            yield problem(ACCESS, f"{model}: {name} is {states[name][0]}", fix)
        if not bad:
            yield ok(ACCESS, f"{model}: the account has access")


def model_of(model: str) -> str:
    """Return the model's ID without the geography of a profile and without an ARN."""
    name = model.rpartition("/")[2]
    return GEOGRAPHY.sub("", name, count=1)


def tokens(subject: Subject) -> Iterator[Finding]:
    """Report the account's quotas of tokens a minute and a day for each model. A quota of 0 blocks every call."""
    if not subject.models:
        return
    try:
        quotas = [
            quota
            for page in subject.client("service-quotas")
            .get_paginator("list_service_quotas")
            .paginate(ServiceCode="bedrock")
            for quota in page["Quotas"]
            if "tokens per" in quota["QuotaName"]
        ]
    except AWS_ERRORS as error:
        yield unknown(TOKENS, reason(error), "the caller needs servicequotas:ListServiceQuotas")
        return
    for model in sorted({model_of(model) for model in subject.models}):
        named = [quota for quota in quotas if _is_of(quota["QuotaName"], model)]
        if not named:
            yield warning(
                TOKENS,
                f"{model}: Service Quotas lists no tokens a minute for it",
                "look for the model in the console of Service Quotas: new models appear there late",
            )
        for quota in named:
            if quota["Value"] <= 0:
                yield problem(
                    TOKENS,
                    f"{model}: the quota {quota['QuotaName']!r} ({quota['QuotaCode']}) is 0: every call is throttled",
                    "new accounts start with 0 for some models: ask AWS Support for the default",
                )
            else:
                yield ok(TOKENS, f"{model}: {quota['QuotaName']}: {quota['Value']:,.0f}")


def _is_of(quota: str, model: str) -> bool:
    """Tell whether the name of a quota names the model: `… for Anthropic Claude Sonnet 4.5 V1`.

    The order of the words varies (`Claude 3.5 Haiku`, `Claude Haiku 4.5`), so the sets of words are compared.
    """
    vendor, _, name = family_name(model).partition(".")
    shown = re.sub(r"\(.*?\)|\bv\d+\b", "", quota.lower().partition(" for ")[2])
    return _words(shown) - {vendor} == _words(name)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", text))
