"""Checks that quotas, time limits and policies fit the settings of the stack."""

import json
from collections.abc import Iterator

from analysis_jobs_dev.doctor.findings import Finding, ok, problem, unknown, warning
from analysis_jobs_dev.doctor.subject import AWS_ERRORS, Subject, json_variable, reason

CONCURRENCY = "concurrency"
POLICIES = "policy sizes"
TIMES = "time limits"
# Lambda keeps 100 executions that no function may reserve.
UNRESERVED = 100
# All inline policies of a role together, without white space.
ROLE_LIMIT = 10_240
_ROLE_WARNING = 0.9
# API Gateway ends a request to an HTTP API after 30 s, whatever the function's timeout is.
API_TIMEOUT_S = 30
_MAX_VISIBILITY_S = 43_200


def concurrency(subject: Subject) -> Iterator[Finding]:
    """Compare the account's quota of executions with the lanes' `maximum_concurrency`."""
    try:
        limits = subject.client("lambda").get_account_settings()["AccountLimit"]
    except AWS_ERRORS as error:
        yield unknown(CONCURRENCY, reason(error), "the caller needs lambda:GetAccountSettings")
        return
    total, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    wanted = sum(each for each in subject.concurrency.values() if each)
    unlimited = [lane for lane, each in subject.concurrency.items() if each is None]
    if total <= UNRESERVED:
        yield warning(
            CONCURRENCY,
            f"the account allows {total} executions at once in {subject.region}, for all its functions together",
            "ask for the quota `Concurrent executions` of Lambda (L-B99A9384); a new account begins with 10",
        )
    if wanted > free:
        yield problem(
            CONCURRENCY,
            f"the lanes may run {wanted} jobs at once, and {free} of {total} executions are not reserved",
            "lower `lanes.*.maximum_concurrency`, or ask for a larger quota: refused executions cost receives, and "
            "after three of them a message is a dead letter",
        )
    elif total > UNRESERVED:
        yield ok(CONCURRENCY, f"{free} of {total} executions are free, and the lanes may run {wanted}")
    for lane in unlimited:
        yield warning(
            CONCURRENCY,
            f"the lane {lane} has no limit, so it can use up all {free} executions of the account",
            f"set `lanes.{lane}.maximum_concurrency`",
        )


def policy_sizes(subject: Subject) -> Iterator[Finding]:
    """Compare the inline policies of each role with the limit of IAM."""
    iam = subject.client("iam")
    for function in subject.functions.values():
        role = function.role_arn.rpartition("/")[2]
        try:
            names = iam.list_role_policies(RoleName=role)["PolicyNames"]
            documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        except AWS_ERRORS as error:
            yield unknown(
                POLICIES, f"{role}: {reason(error)}", "the caller needs iam:ListRolePolicies and iam:GetRolePolicy"
            )
            continue
        size = sum(len(json.dumps(each, separators=(",", ":"))) for each in documents)
        text = f"{role}: the inline policies have {size:,} of {ROLE_LIMIT:,} characters"
        if size > ROLE_LIMIT * _ROLE_WARNING:
            yield warning(
                POLICIES, text, "combine models with a wildcard in `bedrock_model_ids`, or narrow `model_access`"
            )
        else:
            yield ok(POLICIES, text)


def time_limits(subject: Subject) -> Iterator[Finding]:
    """Compare the functions' timeouts with those of the services that call them."""
    if api := subject.functions.get("api"):
        timeout = api.configuration["Timeout"]
        if timeout > API_TIMEOUT_S:
            yield warning(
                TIMES,
                f"{api.name} may run {timeout} s, and API Gateway answers 503 after {API_TIMEOUT_S} s",
                f"set `api.timeout_s` to at most {API_TIMEOUT_S}",
            )
        else:
            yield ok(TIMES, f"{api.name}: {timeout} s")
    if subject.worker is None:
        return
    timeout, sqs = subject.worker.configuration["Timeout"], subject.client("sqs")
    for lane, url in (json_variable(subject.worker, "QUEUE_URLS") or {}).items():
        try:
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])
        except AWS_ERRORS as error:
            yield problem(
                TIMES,
                f"the queue of the lane {lane} cannot be read: {reason(error)}",
                "if the queue is missing, apply again; otherwise the caller needs sqs:GetQueueAttributes",
            )
            continue
        attributes = found.get("Attributes", {})
        visibility = int(attributes.get("VisibilityTimeout", 0))
        if "RedrivePolicy" not in attributes:
            yield problem(TIMES, f"the queue of the lane {lane} has no dead-letter queue", "apply the module again")
        if visibility < timeout:
            yield problem(
                TIMES,
                f"the lane {lane} hides a message for {visibility} s, and the worker may run {timeout} s: a job would "
                "begin a second time, and Lambda refuses such a mapping",
                "apply the module again: it derives the visibility timeout from `worker.timeout_s`",
            )
        elif visibility <= _MAX_VISIBILITY_S:
            yield ok(TIMES, f"the lane {lane} hides a message for {visibility} s, and the worker runs {timeout} s")
