"""Runs the checks."""

from collections.abc import Callable, Iterator, Sequence

from botocore.exceptions import NoCredentialsError

from analysis_jobs_dev.doctor import callers, data, models, stack, versions
from analysis_jobs_dev.doctor.findings import Finding, Level, ok, problem
from analysis_jobs_dev.doctor.subject import AWS_ERRORS, Subject, reason

type Check = Callable[[Subject], Iterator[Finding]]
ACCOUNT = "account"

CHECKS: Sequence[Check] = (
    versions.versions,
    models.rights,
    models.access,
    models.tokens,
    stack.concurrency,
    stack.policy_sizes,
    stack.time_limits,
    data.secrets,
    data.prompts,
    data.databases,
    callers.cognito,
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Yield the findings of all checks. Without an account the checks that ask AWS are left out."""
    try:
        yield ok(ACCOUNT, f"{subject.account} in {subject.region}, stack {subject.stack}")
    except NoCredentialsError:
        yield problem(ACCOUNT, "there are no AWS credentials", "sign in, for example with `aws sso login`")
        return
    except AWS_ERRORS as error:
        yield problem(ACCOUNT, reason(error), "sign in again, and check the Region and the network")
        return
    for check in checks:
        yield from check(subject)


def blocks(findings: Sequence[Finding]) -> bool:
    """Tell whether a finding should stop a deployment."""
    return any(finding.level is Level.PROBLEM for finding in findings)
