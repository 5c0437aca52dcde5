"""Settings come from the environment. A refusal names the variable and the expected value."""

import json
from datetime import timedelta

import pytest
from pydantic import ValidationError

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import CallerRules, IssuerRule, from_environment

URL = "https://sqs.eu-west-1.amazonaws.com/1/jobs"
LEAST = {
    "ANALYSES": "rfp_analysis",
    "TABLE_NAME": "jobs",
    "BUCKET_NAME": "artifacts",
    "QUEUE_URLS": json.dumps({"medium": URL}),
}
REFUSED = [
    ({"ANALYSES": None}, "ANALYSES: Field required"),
    ({"ANALYSES": ""}, "ANALYSES: String should have at least 1 character"),
    ({"TABLE_NAME": None}, "TABLE_NAME: Field required"),
    ({"TABLE_NAME": ""}, "TABLE_NAME: String should have at least 1 character"),
    ({"BUCKET_NAME": None}, "BUCKET_NAME: Field required"),
    ({"BUCKET_NAME": ""}, "BUCKET_NAME: String should have at least 1 character"),
    ({"BUCKET_PREFIX": "analysis"}, "BUCKET_PREFIX: String should match pattern"),
    ({"BUCKET_PREFIX": "/analysis/"}, "BUCKET_PREFIX: String should match pattern"),
    ({"QUEUE_URLS": None}, "QUEUE_URLS: Field required"),
    ({"QUEUE_URLS": URL}, 'QUEUE_URLS: give JSON, for example {"medium": "https://sqs…"}: Expecting value'),
    ({"QUEUE_URLS": "[]"}, "QUEUE_URLS: Input should be a valid dictionary"),
    ({"QUEUE_URLS": "{}"}, "QUEUE_URLS: Dictionary should have at least 1 item"),
    ({"QUEUE_URLS": '{"medium": 1}'}, "QUEUE_URLS.medium: Input should be a valid string"),
    ({"QUEUE_URLS": '{"medium": ""}'}, "QUEUE_URLS.medium: String should have at least 1 character"),
    ({"LEASE_S": "soon"}, "LEASE_S: Input should be a valid number"),
    ({"LEASE_S": "0"}, "LEASE_S: Input should be greater than 0"),
    ({"LEASE_S": "nan"}, "LEASE_S: Input should be"),
    ({"LEASE_S": "inf"}, "LEASE_S: Input should be"),
    ({"LEASE_S": "43001"}, "LEASE_S: Input should be less than or equal to 43000"),
    ({"HEARTBEAT_S": "-1"}, "HEARTBEAT_S: Input should be greater than 0"),
    ({"HEARTBEAT_S": "nan"}, "HEARTBEAT_S: Input should be a finite number"),
    ({"HEARTBEAT_S": "30.5"}, "HEARTBEAT_S is 30.5: give at most half of LEASE_S (60)"),
    ({"LEASE_S": "29", "HEARTBEAT_S": "15"}, "HEARTBEAT_S is 15: give at most half of LEASE_S (29)"),
    ({"JOB_RETENTION_DAYS": "0"}, "JOB_RETENTION_DAYS: Input should be greater than or equal to 1"),
    ({"JOB_RETENTION_DAYS": "1.5"}, "JOB_RETENTION_DAYS: Input should be a valid integer"),
    ({"INLINE_BYTES": "-1"}, "INLINE_BYTES: Input should be greater than or equal to 0"),
    ({"INLINE_BYTES": "100001"}, "INLINE_BYTES: Input should be less than or equal to 100000"),
    ({"STOP_MARGIN_S": "-1"}, "STOP_MARGIN_S: Input should be greater than or equal to 0"),
    ({"STOP_MARGIN_S": "inf"}, "STOP_MARGIN_S: Input should be a finite number"),
    ({"MAX_DOCUMENT_BYTES": "0"}, "MAX_DOCUMENT_BYTES: Input should be greater than or equal to 1"),
    ({"MAX_PAGES": "0"}, "MAX_PAGES: Input should be greater than or equal to 1"),
    ({"MAX_PIXELS": "0"}, "MAX_PIXELS: Input should be greater than or equal to 1"),
    ({"DOCUMENT_MEMORY_MB": "63"}, "DOCUMENT_MEMORY_MB: Input should be greater than or equal to 64"),
    ({"CALLERS": "acme"}, "CALLERS: give JSON, for example"),
    ({"CALLERS": '{"iam": {"role": "x"}}'}, "CALLERS.iam.role: Extra inputs are not permitted"),
    ({"OCR_ENGINE": "abbyy"}, "OCR_ENGINE: Input should be 'tesseract', 'textract' or 'none'"),
    ({"OCR_LANGUAGES": "German"}, "OCR_LANGUAGES: String should match pattern"),
    ({"OCR_LANGUAGES": "eng,"}, "OCR_LANGUAGES: String should match pattern"),
    ({"OCR_LANGUAGES": "../eng"}, "OCR_LANGUAGES: String should match pattern"),
    ({"OPENTELEMETRY": "otlp"}, "OPENTELEMETRY: Input should be a valid boolean"),
    ({"OPENTELEMETRY_TIMEOUT_S": "0"}, "OPENTELEMETRY_TIMEOUT_S: Input should be greater than 0"),
]


def environment(changes: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**LEAST, **changes}.items() if value is not None}


def test_four_variables_are_enough() -> None:
    settings = from_environment(LEAST)
    assert settings.queue_urls == {"medium": URL}
    assert (settings.lease, settings.heartbeat) == (timedelta(minutes=1), timedelta(seconds=15))
    assert settings.job_retention == timedelta(days=30)
    assert (settings.code_version, settings.tenant_claim) == ("unknown", "tenant")


def test_every_variable_is_read() -> None:
    given = {
        "AUDIT_LOG_GROUP": "/aws/lambda/orders-audit",
        "BUCKET_PREFIX": "teams/analysis/",
        "PROMPT_TABLE_NAME": "prompts",
        "CANARY_QUEUE_URL": "https://sqs/1/canary",
        "CODE_VERSION": "v1",
        "LEASE_S": "20",
        "HEARTBEAT_S": "2.5",
        "JOB_RETENTION_DAYS": "7",
        "MODEL_ID": "m",
        "TENANT_CLAIM": "org",
        "INLINE_BYTES": "100",
        "MAX_DOCUMENT_BYTES": "10",
        "MAX_PAGES": "11",
        "MAX_PIXELS": "12",
        "DOCUMENT_MEMORY_MB": "128",
        "JOBS_PER_INVOCATION": "10",
        "MAX_WAITING": "4",
        "MAX_WAITING_PER_TENANT": "2",
        "OCR_ENGINE": "textract",
        "OCR_LANGUAGES": "eng,chi_sim",
        "STOP_MARGIN_S": "7.5",
        "SECRET_MAX_AGE_S": "60",
        "DATABASE_CA_BUNDLE": "rds.pem",
        "GEMINI_BASE_URL": "https://gemini",
        "MODEL_PRICES": "{}",
        "SERVICE_TIERS": "{}",
        "OPENTELEMETRY": "True",
        "OPENTELEMETRY_TIMEOUT_S": "0.5",
    }
    callers = CallerRules(issuers={"https://login.example.com": IssuerRule(claim="org")}, paths=["iam"])
    settings = from_environment(LEAST | given | {"CALLERS": callers.model_dump_json()})
    assert settings.callers == callers
    assert set(type(settings).model_fields) == {name.lower() for name in LEAST | given} | {"callers"}
    for name, value in given.items():
        assert str(getattr(settings, name.lower())).removesuffix(".0") == value
    assert settings.heartbeat == timedelta(seconds=2.5)


def test_unknown_variables_are_ignored() -> None:
    assert from_environment(LEAST | {"AWS_REGION": "eu-west-1", "table_name": "x"}) == from_environment(LEAST)


def test_without_a_mapping_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TABLE_NAME", "from-the-environment")
    assert from_environment().table_name == "from-the-environment"


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_an_invalid_setting_is_refused(changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        from_environment(environment(changes))
    assert message in str(refusal.value)


def test_one_error_names_every_invalid_setting() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        from_environment(environment({"TABLE_NAME": None, "LEASE_S": "0"}))
    assert str(refusal.value) == "environment: TABLE_NAME: Field required; LEASE_S: Input should be greater than 0"


def test_settings_are_immutable() -> None:
    settings = from_environment(LEAST)
    with pytest.raises(ValidationError, match="frozen"):
        settings.table_name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("all_readers_mb", "jobs", "one_reader_mb", "at_once"),
    [
        (512, 1, 512, 1),
        (512, 2, 256, 2),
        (512, 10, 256, 2),
        (512, 20, 256, 2),
        (5_120, 10, 512, 10),
        (128, 10, 128, 1),
        (128, 20, 128, 1),
        (64, 1, 64, 1),
    ],
)
def test_the_readers_of_an_invocation_share_the_memory_for_documents(
    all_readers_mb: int, jobs: int, one_reader_mb: int, at_once: int
) -> None:
    environment = LEAST | {"DOCUMENT_MEMORY_MB": str(all_readers_mb), "JOBS_PER_INVOCATION": str(jobs)}
    settings = from_environment(environment)
    assert settings.reader_memory_mb == one_reader_mb
    assert settings.document_memory_mb // settings.reader_memory_mb == at_once
