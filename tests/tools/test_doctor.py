"""The preflight check: each fault is planted, and found with its fix. moto stands in for AWS where it can."""

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.stub import Stubber
from moto import mock_aws

from analysis_jobs.cli.main import main
from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev import places
from analysis_jobs_dev.doctor import callers, data, models, stack, versions
from analysis_jobs_dev.doctor.findings import Finding, Level
from analysis_jobs_dev.doctor.run import blocks, examine
from analysis_jobs_dev.doctor.subject import Function, Subject, deployed
from tests.handlers.deployment import create_prompt_table

REGION = "eu-west-1"
ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
ALLOWED, DENIED = "allowed", "implicitDeny"
PROFILE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE_ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/{PROFILE}"
MODEL_ARNS = [f"arn:aws:bedrock:{region}::foundation-model/{MODEL}" for region in ("eu-north-1", "eu-west-1")]
ACCESS = {
    "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}


@dataclass(frozen=True)
class Scripted(Subject):
    """A subject with scripted answers of the calls that moto does not know."""

    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.clients.get(service) or super().client(service)

    def answers(self, service: str, *calls: tuple[str, dict[str, Any] | str]) -> "Scripted":
        """Return the subject with these answers of a service, in order. A text is the code of an error."""
        client = boto3.client(service, region_name=REGION)  # type: ignore[call-overload]
        stubber = Stubber(client)
        for operation, answer in calls:
            if isinstance(answer, str):
                stubber.add_client_error(operation, answer, "refused")
            else:
                stubber.add_response(operation, answer)
        stubber.activate()
        return replace(self, clients={**self.clients, service: client})


@pytest.fixture(autouse=True)
def _account() -> Iterator[None]:
    with mock_aws():
        yield


def worker(**configuration: Any) -> Function:
    variables = configuration.pop("variables", {})
    return Function(
        {
            "FunctionName": "books-worker",
            "Role": "arn:aws:iam::123456789012:role/books-worker",
            "Timeout": 900,
            "Environment": {"Variables": {"CODE_VERSION": "1", **variables}},
            **configuration,
        }
    )


def a_subject(**fields: Any) -> Scripted:
    return Scripted(**({"stack": "books", "region": REGION, "models": (PROFILE,)} | fields))


def a_stack(**configuration: Any) -> Scripted:
    return a_subject(functions={"worker": worker(**configuration)})


def decision(word: str, *actions: str) -> dict[str, Any]:
    return {"EvaluationResults": [{"EvalActionName": each, "EvalDecision": word} for each in actions or ACTIONS]}


def bad(findings: Any) -> list[Finding]:
    found = list(findings)
    assert all(each.fix for each in found if each.level is not Level.OK), "each finding has its fix"
    return [each for each in found if each.level is not Level.OK]


# Models


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


# The stack


def settings(total: int, free: int) -> tuple[str, dict[str, Any]]:
    limits = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": free}
    return "get_account_settings", {"AccountLimit": limits}


@pytest.mark.parametrize(
    ("lanes", "total", "free", "levels"),
    [
        ({"medium": 50}, 1000, 1000, []),
        ({"medium": 50, "high": 60}, 1000, 100, [Level.PROBLEM]),
        ({"medium": 5}, 10, 10, [Level.WARNING]),
        ({"medium": None}, 1000, 1000, [Level.WARNING]),
    ],
)
def test_the_lanes_must_fit_the_quota_of_executions(
    lanes: dict[str, int | None], total: int, free: int, levels: list[Level]
) -> None:
    subject = a_subject(concurrency=lanes).answers("lambda", settings(total, free))
    assert [each.level for each in bad(stack.concurrency(subject))] == levels


@pytest.mark.parametrize(("characters", "levels"), [(1_000, []), (9_600, [Level.WARNING])])
def test_the_policies_of_a_role_are_measured(characters: int, levels: list[Level]) -> None:
    iam = boto3.client("iam")
    iam.create_role(RoleName="books-worker", AssumeRolePolicyDocument="{}")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + "b" * characters}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="books-worker", PolicyName="all", PolicyDocument=document)
    assert [each.level for each in bad(stack.policy_sizes(a_stack()))] == levels


def queue(visibility: int, *, dead_letters: bool = True) -> str:
    sqs = boto3.client("sqs", region_name=REGION)
    attributes: dict[Any, str] = {"VisibilityTimeout": str(visibility)}
    if dead_letters:
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    return sqs.create_queue(QueueName="books-medium", Attributes=attributes)["QueueUrl"]


def with_queue(url: str) -> Scripted:
    return a_stack(variables={"QUEUE_URLS": json.dumps({"medium": url})})


def test_time_limits_that_fit_are_in_order() -> None:
    assert bad(stack.time_limits(with_queue(queue(960)))) == []


@pytest.mark.parametrize(
    ("visibility", "dead_letters", "text"),
    [(600, True, "hides a message for 600 s"), (960, False, "has no dead-letter queue")],
)
def test_a_queue_that_does_not_fit_the_worker_is_a_problem(visibility: int, dead_letters: bool, text: str) -> None:
    [finding] = bad(stack.time_limits(with_queue(queue(visibility, dead_letters=dead_letters))))
    assert (finding.level, text in finding.message) == (Level.PROBLEM, True)


def test_a_missing_queue_is_a_problem() -> None:
    [finding] = bad(stack.time_limits(with_queue(f"https://sqs.{REGION}.amazonaws.com/123456789012/none")))
    assert (finding.level, "lane medium" in finding.message) == (Level.PROBLEM, True)


def test_an_api_that_runs_longer_than_the_gateway_waits_is_a_warning() -> None:
    api = worker(FunctionName="books-api", Timeout=60)
    [finding] = bad(stack.time_limits(a_subject(functions={"api": api})))
    assert (finding.level, "api.timeout_s" in finding.fix) == (Level.WARNING, True)


# Secrets, prompts, databases


def a_secret(content: Any) -> str:
    client = boto3.client("secretsmanager", region_name=REGION)
    return client.create_secret(Name="login", SecretString=json.dumps(content))["ARN"]


@pytest.mark.parametrize(("decided", "levels"), [(ALLOWED, []), (DENIED, [Level.PROBLEM])])
def test_the_right_to_read_a_secret_is_checked(decided: str, levels: list[Level]) -> None:
    subject = a_stack(variables={"DATABASE_SECRET": a_secret({})})
    subject = subject.answers("iam", ("simulate_principal_policy", decision(decided, "secretsmanager:GetSecretValue")))
    assert [each.level for each in bad(data.secrets(subject))] == levels


def test_a_parameter_is_found_under_its_path() -> None:
    boto3.client("ssm", region_name=REGION).put_parameter(Name="/books/key", Value="x", Type="SecureString")
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter/books/key"
    subject = a_stack(variables={"KEY": arn}).answers(
        "iam", ("simulate_principal_policy", decision(ALLOWED, "ssm:GetParameter"))
    )
    assert bad(data.secrets(subject)) == []


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:secretsmanager:{REGION}:123456789012:secret:gone-AbCdEf",
        f"arn:aws:ssm:{REGION}:123456789012:parameter/gone",
    ],
)
def test_a_secret_that_is_gone_is_a_problem(arn: str) -> None:
    [finding] = bad(data.secrets(a_stack(variables={"KEY": arn})))
    assert (finding.level, "KEY" in finding.message, "worker.secrets" in finding.fix) == (Level.PROBLEM, True, True)


@pytest.mark.parametrize(
    ("variable", "setting"),
    [("KEY", "worker.secret_key_arns"), ("OTEL_HEADERS_SECRET", "tracing.otel.headers_key_arn")],
)
def test_a_denied_secret_names_the_setting_to_correct(variable: str, setting: str) -> None:
    subject = a_stack(variables={variable: a_secret({})})
    subject = subject.answers("iam", ("simulate_principal_policy", decision(DENIED, "secretsmanager:GetSecretValue")))
    [finding] = bad(data.secrets(subject))
    assert setting in finding.fix


@pytest.mark.parametrize(
    ("service", "resource", "operation", "right"),
    [
        ("secretsmanager", "secret:login-AbCdEf", "describe_secret", "secretsmanager:DescribeSecret"),
        ("ssm", "parameter/login", "get_parameter", "ssm:GetParameter"),
    ],
)
def test_a_secret_that_the_caller_may_not_see_stops_no_deployment(
    service: str, resource: str, operation: str, right: str
) -> None:
    subject = a_stack(variables={"KEY": f"arn:aws:{service}:{REGION}:123456789012:{resource}"})
    [finding] = bad(data.secrets(subject.answers(service, (operation, "AccessDeniedException"))))
    assert (finding.level, finding.fix) == (Level.UNKNOWN, f"the caller needs {right}")


def prompts_of(folder: Path) -> tuple[Scripted, PromptLibrary, Prompt]:
    examples = sorted((places.library().parent / "examples").glob("*/prompts/*.toml"))
    file = folder / examples[0].name
    file.write_bytes(examples[0].read_bytes())
    client = boto3.client("dynamodb", region_name=REGION)
    create_prompt_table(client, "prompts")
    subject = replace(a_stack(variables={"PROMPT_TABLE_NAME": "prompts"}), prompts=folder)
    return subject, PromptLibrary(client, "prompts"), Prompt.load(file)


def test_a_prompt_must_be_in_the_table_and_active(tmp_path: Path) -> None:
    subject, library, prompt = prompts_of(tmp_path)
    [finding] = bad(data.prompts(subject))
    assert "is not in the table" in finding.message
    library.put(prompt)
    [finding] = bad(data.prompts(subject))
    assert (finding.level, "no active version" in finding.message) == (Level.PROBLEM, True)
    library.put(prompt, activate=True)
    assert bad(data.prompts(subject)) == []


def login(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "username": "u", "password": "p", "database": "d", "sslmode": "disable"}


def test_a_database_that_answers_is_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        subject = a_stack(variables={"DATABASE_SECRET": a_secret(login(server.getsockname()[1]))})
        [finding] = data.databases(subject)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("vpc", "level"), [({}, Level.PROBLEM), ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, Level.UNKNOWN)]
)
def test_a_database_that_does_not_answer_is_a_problem_unless_the_worker_is_elsewhere(vpc: Any, level: Level) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    subject = a_stack(variables={"DATABASE_SECRET": a_secret(login(port))}, **vpc)
    [finding] = bad(data.databases(subject))
    assert (finding.level, f"127.0.0.1:{port}" in finding.message) == (level, True)


def test_a_login_without_a_database_is_a_problem() -> None:
    subject = a_stack(variables={"DATABASE_SECRET": a_secret({"host": "db"})})
    [finding] = bad(data.databases(subject))
    assert (finding.level, "DATABASE_SECRET" in finding.message) == (Level.PROBLEM, True)


# Versions


def manifest(version: str) -> dict[str, Any]:
    return {"library": {"version": version}}


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        (None, [Level.UNKNOWN]),
        (manifest(places.version()), []),
        (manifest("99.0.0"), [Level.PROBLEM]),
        (manifest(".".join([*places.version().split(".")[:2], "99"])), [Level.WARNING]),
    ],
)
def test_the_library_of_the_package_must_fit_the_tool(given: dict[str, Any] | None, levels: list[Level]) -> None:
    assert [each.level for each in bad(versions.versions(a_subject(manifest=given)))] == levels


def test_functions_of_different_versions_are_a_problem() -> None:
    functions = {"api": worker(variables={"CODE_VERSION": "2"}), "worker": worker()}
    found = bad(versions.versions(a_subject(functions=functions, manifest=manifest(places.version()))))
    assert ["api 2, worker 1" in each.message for each in found] == [True]


# All checks


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "no AWS credentials"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "It expired"}}, "x"), "ExpiredToken: It expired"),
    ],
)
def test_without_an_account_nothing_else_is_asked(error: Exception, text: str) -> None:
    class Unknown(Scripted):
        @property
        def account(self) -> str:
            raise error

    findings = list(examine(Unknown(stack="books", region=REGION, models=()), [lambda _: pytest.fail("it asked AWS")]))
    assert [(each.level, text in each.message) for each in findings] == [(Level.PROBLEM, True)]
    assert blocks(findings)


def test_the_functions_that_exist_are_found() -> None:
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("worker.py", "")
    client = boto3.client("lambda", region_name=REGION)
    client.create_function(
        FunctionName="books-worker", Runtime="python3.13", Role=role, Handler="worker.handler",
        Code={"ZipFile": archive.getvalue()}, Publish=True,
    )  # fmt: skip
    client.create_alias(FunctionName="books-worker", Name="live", FunctionVersion="1")
    found = deployed(REGION, {"worker": "books-worker", "api": "books-api"})
    assert list(found) == ["worker"]
    assert found["worker"].role_arn == role


def test_the_command_checks_an_environment_that_is_not_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "letters"\nversion = "1"\nrequires-python = ">=3.13"\n'
        '[tool.analysis-jobs]\nanalyses = ["letters"]\n'
    )
    (tmp_path / "letters.py").write_text("")
    (tmp_path / "envs").mkdir()
    issuer = {"issuer": "https://login.example.com", "audience": ["letters"]}
    environment = {"name": "letters-staging", "region": REGION, "settings": {"api": {"authorizer": issuer}}}
    (tmp_path / "envs" / "staging.json").write_text(json.dumps(environment))
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "staging", "--json"]) == 0
    findings = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["account"]["level"] == "ok"
    assert (findings["versions"]["level"], findings["secrets"]["level"]) == ("unknown", "unknown")
    assert main(["doctor", "staging"]) == 0
    readable = capsys.readouterr().out
    assert "unknown  versions: there is no package" in readable
    assert "analysis-jobs package" in readable


POOL = f"{REGION}_people"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{POOL}"


def with_api(**variables: str) -> Scripted:
    """Return a stack with an API that accepts the tokens of the app client `web`."""
    apis = [
        {"ApiId": name, "Name": name, "ProtocolType": "HTTP", "RouteSelectionExpression": "r"}
        for name in ("another-api", f"{a_stack().stack}-api")
    ]
    jwt = {"AuthorizerType": "JWT", "JwtConfiguration": {"Audience": ["web"], "Issuer": ISSUER}, "Name": "jwt"}
    given = {name: value.replace("ISSUER", ISSUER) for name, value in variables.items()}
    function = Function({"FunctionName": "api", "Role": "r", "Environment": {"Variables": given}})
    subject = replace(a_stack(), functions={"api": function})
    return subject.answers("apigatewayv2", ("get_apis", {"Items": apis}), ("get_authorizers", {"Items": [jwt]}))


def app_clients(subject: Scripted, **settings: dict[str, Any]) -> Scripted:
    """Return the stack with these app clients of the pool."""
    listed = {"UserPoolClients": [{"ClientId": client, "ClientName": client} for client in settings]}
    shown = [{"UserPoolClient": {"ClientId": name, "ClientName": name} | each} for name, each in settings.items()]
    calls = [("describe_user_pool_client", each) for each in shown]
    return subject.answers("cognito-idp", ("list_user_pool_clients", listed), *calls)


@pytest.mark.parametrize(
    ("settings", "variables", "level"),
    [
        ({"WriteAttributes": ["email", "custom:tenant"]}, {"TENANT_CLAIM": "custom:tenant"}, Level.PROBLEM),
        ({"WriteAttributes": ["email"]}, {"TENANT_CLAIM": "custom:tenant"}, Level.OK),
        ({}, {"TENANT_CLAIM": "custom:tenant"}, Level.WARNING),
        ({}, {"TENANT_CLAIM": "profile"}, Level.PROBLEM),
        (
            {"WriteAttributes": ["custom:org"]},
            {"TENANT_CLAIM": "tenant", "CALLERS": '{"issuers": {"ISSUER": {"claim": "custom:org"}}}'},
            Level.PROBLEM,
        ),
        (
            {"WriteAttributes": ["tenant"]},
            {"TENANT_CLAIM": "tenant", "CALLERS": '{"issuers": {"ISSUER": {"tenant": "acme"}}}'},
            None,
        ),
    ],
)
def test_a_user_must_not_choose_the_tenant(
    settings: dict[str, Any], variables: dict[str, str], level: Level | None
) -> None:
    found = list(callers.cognito(app_clients(with_api(**variables), web=settings)))
    assert [each.level for each in found] == ([level] if level else [])
    assert all("tenant" in each.message and "write attributes" in each.fix for each in bad(iter(found)))


def test_tokens_that_live_long_are_a_warning() -> None:
    units = {"AccessToken": "minutes", "IdToken": "days"}
    lifetimes: dict[str, Any] = {"AccessTokenValidity": 60, "IdTokenValidity": 1, "TokenValidityUnits": units}
    lifetimes |= {"WriteAttributes": ["email"]}
    subject = app_clients(with_api(TENANT_CLAIM="custom:tenant"), web=lifetimes, another=lifetimes)
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "IdToken" in finding.message) == (Level.WARNING, True)


def test_an_app_client_that_cannot_be_read_is_unknown() -> None:
    subject = with_api().answers("cognito-idp", ("list_user_pool_clients", "AccessDeniedException"))
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "cognito-idp:ListUserPoolClients" in finding.fix) == (Level.UNKNOWN, True)


def test_a_tenant_may_not_be_written_with_another_app_client_either() -> None:
    subject = app_clients(
        with_api(TENANT_CLAIM="custom:tenant"),
        web={"WriteAttributes": ["email"]},
        old={"WriteAttributes": ["custom:tenant"]},
    )
    [finding] = bad(callers.cognito(subject))
    assert (finding.level, "old" in finding.message) == (Level.PROBLEM, True)


def test_an_api_without_cognito_has_no_finding() -> None:
    assert list(callers.cognito(a_stack())) == []
