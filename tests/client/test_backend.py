"""`Backend` alone: its settings, undeclared analyses, metrics, and rights that are missing."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.client import (
    Backend,
    Forbidden,
    JobFailed,
    JobInfo,
    Refused,
    Unauthorized,
    Unavailable,
    UndeclaredAnalysis,
    Unreachable,
    WaitTimeout,
)
from analysis_jobs.stores.dynamo import DynamoJobStore
from tests.client.analyses import Greeted, greeting
from tests.handlers.aws import REGION
from tests.handlers.deployment import Deployment


def test_a_backend_reads_only_the_mapping_that_it_is_given(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TABLE_NAME", "BUCKET_NAME", "QUEUE_URLS", "ANALYSES"):
        monkeypatch.setenv(name, "a variable of the backend itself")
    assert Backend(environment, "acme").submit("greeting", {"name": "Ada"}).status == "queued"


def test_missing_settings_are_named_with_the_fix(environment: dict[str, str]) -> None:
    del environment["ANALYSIS_JOBS_TABLE_NAME"], environment["ANALYSIS_JOBS_QUEUE_URLS"]
    with pytest.raises(
        ConfigurationError, match="ANALYSIS_JOBS_TABLE_NAME, ANALYSIS_JOBS_QUEUE_URLS: not set"
    ) as raised:
        Backend(environment, "acme").status("j1")
    assert "backend_environment" in str(raised.value)
    wrong = environment | {"ANALYSIS_JOBS_TABLE_NAME": "t", "ANALYSIS_JOBS_QUEUE_URLS": "not JSON"}
    with pytest.raises(ConfigurationError, match=r"names without ANALYSIS_JOBS_.*QUEUE_URLS: give JSON"):
        Backend(wrong, "acme").status("j1")


@pytest.mark.parametrize("tenant", ["", "acme#1", "acme/books", "a" * 129])
def test_a_tenant_that_would_break_a_key_is_refused(environment: dict[str, str], tenant: str) -> None:
    with pytest.raises(ConfigurationError, match="give up to 128 letters"):
        Backend(environment, tenant)
    with pytest.raises(ConfigurationError, match="give up to 128 letters"):
        Backend(environment, "acme").for_tenant(tenant)


def test_one_backend_serves_all_tenants(environment: dict[str, str], deployment: Deployment) -> None:
    acme = Backend(environment, "acme")
    globex = acme.for_tenant("globex")
    job_id = globex.submit("greeting", {"name": "Ada"}).job_id
    deployment.work()
    assert globex.result(job_id, Greeted).text == "Hello Ada"
    assert (acme.tenant, globex.tenant, list(acme.list())) == ("acme", "globex", [])
    nobody = Backend(environment)
    assert nobody.for_tenant("globex").status(job_id).status == "completed"
    with pytest.raises(ConfigurationError, match="this backend has no tenant"):
        nobody.status(job_id)


def test_declarations_can_be_given_instead_of_their_modules(
    environment: dict[str, str], deployment: Deployment
) -> None:
    environment["ANALYSIS_JOBS_ANALYSES"] = "a_module_of_another_package"
    with pytest.raises(ConfigurationError, match="a_module_of_another_package"):
        Backend(environment, "acme").submit("greeting", {"name": "Ada"})
    backend = Backend(environment, "acme", analyses=[greeting])
    job_id = backend.submit(greeting, {"name": "Ada"}).job_id
    deployment.work()
    assert backend.result(job_id, Greeted).text == "Hello Ada"
    with pytest.raises(Refused, match="there is no analysis 'rare'"):
        backend.submit("rare", {"name": "Ada"})


def test_the_worker_validates_the_input_of_an_undeclared_analysis(
    environment: dict[str, str], deployment: Deployment
) -> None:
    settings = UndeclaredAnalysis("rare", max_attempts=1, deadline=timedelta(hours=1))
    backend = Backend(environment, "acme", analyses=["greeting", settings])
    job_id = backend.submit("greeting", {"name": "Ada", "letter": None}, subject="people/ada").job_id
    assert backend.status(job_id).stage is None
    deployment.work()
    assert backend.result(job_id, Greeted).text == "Hello Ada"
    wrong = backend.submit("greeting", {"nam": "Ada"}).job_id
    deployment.work()
    with pytest.raises(JobFailed, match="input_invalid"):
        backend.result(wrong, Greeted)
    assert backend.submit("rare", {"name": "Ada"}).estimated_time_seconds == 120


def test_a_document_of_an_undeclared_analysis_is_pinned_too(
    environment: dict[str, str], deployment: Deployment
) -> None:
    backend = Backend(environment, "acme", analyses=["greeting"])
    document = backend.upload(b"from Bath", filename="letter.txt")
    job_id = backend.submit("greeting", {"name": "Ada", "letter": document}).job_id
    deployment.work()
    assert backend.result(job_id, Greeted).text == "Hello Ada from Bath"


def metrics(printed: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith('{"_aws"')]
    return [line for line in lines if line["service"] == "jobs-prod"]


def test_a_job_counts_for_the_modules_service(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    backend = Backend(environment, "acme")
    backend.cancel(backend.submit("greeting", {"name": "Ada"}).job_id)
    submitted, cancelled = metrics(capsys.readouterr().out)
    assert (submitted["JobsSubmitted"], cancelled["JobsCancelled"]) == ([1.0], [1.0])
    [directive] = submitted["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("AnalysisJobs", [["service"]])
    list(backend.list())
    assert metrics(capsys.readouterr().out) == [], "reading counts nothing"


def test_metrics_can_be_switched_off(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Backend(environment, "acme", metrics=False).submit("greeting", {"name": "Ada"})
    assert '{"_aws"' not in capsys.readouterr().out


def test_waiting_asks_less_and_less_often(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    backend = Backend(environment, "acme", clock=clock)
    job_id = backend.submit("greeting", {"name": "Ada"}).job_id
    asked: list[float] = []
    begin, status = clock.now(), backend.status

    def watched(job_id: str) -> JobInfo:
        asked.append((clock.now() - begin).total_seconds())
        return status(job_id)

    monkeypatch.setattr(backend, "status", watched)
    with pytest.raises(WaitTimeout, match="still queued after 10 s"):
        backend.wait(job_id, timeout_s=10)
    assert asked == [0, 0.5, 1.5, 3.5, 6.5, 9.5, 10]


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("AccessDeniedException", Forbidden, r"attach the module's policies\.read"),
        ("ExpiredTokenException", Unauthorized, "AWS does not accept the credentials"),
        ("ProvisionedThroughputExceededException", Unavailable, "ProvisionedThroughputExceeded"),
    ],
)
def test_an_error_of_aws_says_what_to_do(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, code: str, error: type[Exception], message: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Query")

    monkeypatch.setattr(DynamoJobStore, "list_jobs", refuse)
    with pytest.raises(error, match=message):
        list(Backend(environment, "acme").list())


def test_aws_that_cannot_be_reached_is_reported(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com/")

    monkeypatch.setattr(DynamoJobStore, "get", fail)
    with pytest.raises(Unreachable, match="AWS cannot be reached"):
        Backend(environment, "acme").status("0" * 26)


def test_a_session_of_the_caller_is_used(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session(region_name=REGION)
    services: list[str] = []
    make = session.client

    def client(service: Any, **options: Any) -> Any:
        services.append(service)
        return make(service, **options)

    monkeypatch.setattr(session, "client", client)
    Backend(environment, "acme", session=session).submit("greeting", {"name": "Ada"})
    assert sorted(services) == ["dynamodb", "sqs"]


def test_making_a_backend_imports_and_reads_nothing() -> None:
    program = (
        "import sys; from analysis_jobs.client import Backend; Backend({}, 'acme');"
        "print(sorted({'boto3', 'httpx2', 'aws_lambda_powertools.event_handler'} & set(sys.modules)))"
    )
    handlers = str(Path(__file__).parent.parent.parent / "handlers")
    environment = {"PYTHONPATH": handlers, "PATH": os.environ["PATH"]}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
