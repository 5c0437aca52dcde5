"""Checks that the worker can read its secrets, its prompts and its databases."""

import json
import re
import socket
from collections.abc import Iterator

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.postgres.login import parse_login
from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev.doctor.findings import Finding, ok, problem, unknown
from analysis_jobs_dev.doctor.subject import AWS_ERRORS, Function, Subject, is_denied, reason

SECRETS = "secrets"
PROMPTS = "prompts"
DATABASE = "database"
_SECRET = re.compile(r"arn:[a-z-]+:(secretsmanager|ssm):[a-z0-9-]+:\d{12}:.+")
_ACTIONS = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}
# How the caller finds out whether a secret exists.
_LOOKS = {"secretsmanager": "secretsmanager:DescribeSecret", "ssm": "ssm:GetParameter"}
_CONNECT_S = 5
_HEADERS_SECRET = "OTEL_HEADERS_SECRET"  # noqa: S105 - the name of a variable


def secrets(subject: Subject) -> Iterator[Finding]:
    """Check that each secret of the worker exists, and that its role may read it."""
    if subject.worker is None:
        yield unknown(SECRETS, "the worker is not deployed yet", "run `doctor` after the first deployment")
        return
    for variable, arn in _secret_arns(subject.worker).items():
        service, name = arn.split(":", 5)[2], arn.split(":", 5)[5]
        try:
            full = _existing(subject, arn, service, name)
        except AWS_ERRORS as error:
            said = f"{variable}: {arn}: {reason(error)}"
            if is_denied(error):
                yield unknown(SECRETS, said, f"the caller needs {_LOOKS[service]}")
            else:
                yield problem(SECRETS, said, f"create it, or correct `{_set_by(variable)}`")
            continue
        try:
            answer = subject.client("iam").simulate_principal_policy(
                PolicySourceArn=subject.worker.role_arn, ActionNames=[_ACTIONS[service]], ResourceArns=[full]
            )
        except AWS_ERRORS as error:
            yield unknown(SECRETS, f"{variable}: {reason(error)}", "the caller needs iam:SimulatePrincipalPolicy")
            continue
        if answer["EvaluationResults"][0]["EvalDecision"] == "allowed":
            yield ok(SECRETS, f"{variable}: the worker may read {arn}")
        else:
            yield problem(
                SECRETS,
                f"{variable}: {subject.worker.role_arn} may not call {_ACTIONS[service]} on {full}",
                f"give the whole ARN in `{_set_by(variable)}`, or `-??????` for the random end of a secret's ARN; with "
                f"a key of your own add it to `{_keys_set_by(variable)}`",
            )


def _existing(subject: Subject, arn: str, service: str, name: str) -> str:
    """Return the full ARN of a secret. Raises one of `AWS_ERRORS` if it does not exist."""
    if service == "ssm":
        path = name.removeprefix("parameter")
        # The ARN does not tell `/key` from `key`.
        name = path if path.count("/") > 1 else path.removeprefix("/")
        return str(subject.client("ssm").get_parameter(Name=name, WithDecryption=False)["Parameter"]["ARN"])
    return str(subject.client("secretsmanager").describe_secret(SecretId=arn)["ARN"])


def _secret_arns(function: Function) -> dict[str, str]:
    return {name: value for name, value in function.variables.items() if _SECRET.fullmatch(value)}


def _set_by(variable: str) -> str:
    """Return the setting of the module that gives a variable its ARN."""
    return "tracing.otel.headers_secret_arn" if variable == _HEADERS_SECRET else "worker.secrets"


def _keys_set_by(variable: str) -> str:
    return "tracing.otel.headers_key_arn" if variable == _HEADERS_SECRET else "worker.secret_key_arns"


def prompts(subject: Subject) -> Iterator[Finding]:
    """Check that each prompt of the project has an active version in the stack's table."""
    files = sorted(subject.prompts.glob("*.toml")) if subject.prompts else []
    if not files:
        return
    if subject.worker is None:
        yield unknown(PROMPTS, "the prompt table is not there yet", "run `doctor` after the first deployment")
        return
    table = subject.worker.variables["PROMPT_TABLE_NAME"]
    library = PromptLibrary(subject.client("dynamodb"), table)
    for file in files:
        prompt = Prompt.load(file)
        try:
            head = library.find(prompt.name)
        except AWS_ERRORS as error:
            yield unknown(PROMPTS, f"{prompt.name}: {reason(error)}", "the caller needs to read the prompt table")
            continue
        fix = f"run `analysis-jobs prompts put {file.name} --activate --table {table}`"
        if head is None:
            yield problem(PROMPTS, f"{prompt.name} is not in the table {table}", fix)
        elif not head.active:
            yield problem(PROMPTS, f"{prompt.name} has no active version", fix)
        else:
            yield ok(PROMPTS, f"{prompt.name}: version {', '.join(map(str, sorted(head.active.values())))} is active")


def databases(subject: Subject) -> Iterator[Finding]:
    """Check that each database of the worker can be reached, if it can be reached from here."""
    if subject.worker is None:
        return
    inside = bool(subject.worker.configuration.get("VpcConfig", {}).get("SubnetIds"))
    bundle = subject.worker.variables.get("DATABASE_CA_BUNDLE", "system")
    for variable, arn in _secret_arns(subject.worker).items():
        if ":secretsmanager:" not in arn:
            continue
        try:
            content = json.loads(subject.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        except (*AWS_ERRORS, KeyError, ValueError):
            continue  # not a login, or not readable by the caller: `secrets` reports what is wrong with the ARN
        if not isinstance(content, dict) or "host" not in content:
            continue
        yield _reached(variable, content, bundle, inside=inside)


def _reached(variable: str, content: dict[str, object], bundle: str, *, inside: bool) -> Finding:
    try:
        login = parse_login(variable, content, bundle)
    except ConfigurationError as error:
        return problem(DATABASE, str(error), "correct the secret")
    place = f"{login.host}:{login.port}"
    try:
        socket.create_connection((login.host, login.port), timeout=_CONNECT_S).close()
    except OSError as error:
        if inside:
            return unknown(
                DATABASE,
                f"{variable}: {place} does not answer here ({error}); the worker calls it from its VPC",
                "run `doctor` from that VPC, or deploy: the canary job uses the database",
            )
        return problem(
            DATABASE,
            f"{variable}: {place} does not answer ({error}), and the worker has no VPC",
            "correct the host, open the database for the worker, or set `worker.vpc`",
        )
    if inside:
        return ok(DATABASE, f"{variable}: {place} answers here; the worker calls it from its VPC")
    return ok(DATABASE, f"{variable}: {place} answers")
