"""The settings of the functions. The only module that reads environment variables. Each is read and validated once.

pydantic builds the models on first use (`defer_build`): declarations of analyses import this module without using them.
"""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.tenants import CANARY_TENANT

Model = TypeVar("Model", bound=BaseModel)
# The service tiers of model calls. `llm/families.py` says which models have which.
ServiceTier: TypeAlias = Literal["priority", "default", "flex", "reserved"]
_NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]

# A larger result is stored in the bucket. One write contains the result, and each KB of it costs 0.625 of a millionth
# of a USD, 0.24 for 30 days of storage, and 0.03 for each read. The bucket costs 5.40 (see `jobs.row_size`), so the row
# is cheaper up to 6 KB. DynamoDB bills a read by 4 KB, and a list reads the rows of its jobs.
# The limit for inputs is usually much lower, because every write of the row contains the input.
MAX_INLINE_BYTES = 4_096
# SQS limits the visibility timeout to 12 hours (43,200 s). A message is hidden for a lease and a margin.
_MAX_LEASE_S = 43_000
# The row of a canary is of interest only while its deployment runs, and the day after if it failed.
_CANARY_RETENTION = timedelta(days=1)
# A process that reads an ordinary document, with OCR, needs about this much.
_MIN_READER_MB = 256
# A worker with twenty small jobs takes so much, measured by `bench memory`.
_WORKER_MB = 80
_LANGUAGE = "[a-z]{3}(_[a-z]+)*"


class IssuerRule(BaseModel):
    """How the tokens of one issuer name the tenant: by a claim, or `tenant` for all. `tenants` limits the claim."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    claim: _NonEmpty = "tenant"
    tenant: _NonEmpty | None = None
    tenants: list[_NonEmpty] | None = None


class IamRule(BaseModel):
    """The tenant of callers with AWS credentials: `tenants` has the ARNs of roles and users by tenant, or `tenant`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    tenant: _NonEmpty | None = None
    tenants: dict[_NonEmpty, list[_NonEmpty]] = Field(default_factory=dict)


class CallerRules(BaseModel):
    """The callers of the API.

    `issuers` has a rule for each issuer of tokens. Without one, `tenant_claim` of the settings names the tenant.
    `paths` are the first segments of routes that belong to one kind of caller. `base_path` belongs to `domain`, the
    custom domain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    issuers: dict[_NonEmpty, IssuerRule] = Field(default_factory=dict)
    iam: IamRule | None = None
    paths: list[_NonEmpty] = Field(default_factory=list)
    domain: str = ""
    base_path: str = ""


class Settings(BaseModel):
    """The settings of a function. `modules/analysis-jobs` sets all of them. Suffixes name the units."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, defer_build=True)

    analyses: _NonEmpty
    table_name: _NonEmpty
    bucket_name: _NonEmpty
    bucket_prefix: str = Field(default="", pattern=r"^([^/]+/)*$")
    audit_log_group: str = ""
    queue_urls: dict[_NonEmpty, _NonEmpty] = Field(min_length=1)
    canary_queue_url: str = ""
    prompt_table_name: str = ""
    code_version: str = "unknown"
    lease_s: float = Field(default=60, gt=0, le=_MAX_LEASE_S)
    heartbeat_s: float = Field(default=15, gt=0)
    job_retention_days: int = Field(default=30, ge=1)
    model_id: str = ""
    stop_margin_s: float = Field(default=15, ge=0)
    tenant_claim: str = "tenant"
    callers: CallerRules = CallerRules()
    inline_bytes: int = Field(default=MAX_INLINE_BYTES, ge=0, le=100_000)
    max_document_bytes: int = Field(default=50_000_000, ge=1)
    max_pages: int = Field(default=2_000, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1)
    document_memory_mb: int = Field(default=512, ge=64)
    jobs_per_invocation: int = Field(default=1, ge=1)
    # Lambda sets it.
    aws_lambda_function_memory_size: int | None = Field(default=None, ge=1)
    max_waiting: int = Field(default=25, ge=0)
    max_waiting_per_tenant: int = Field(default=10, ge=0)
    ocr_engine: Literal["tesseract", "textract", "none"] = "tesseract"
    # Tesseract's codes, separated by commas: https://tesseract-ocr.github.io/tessdoc/Data-Files-in-different-versions
    ocr_languages: str = Field(default="eng", pattern=rf"^{_LANGUAGE}(,{_LANGUAGE})*$")
    secret_max_age_s: float = Field(default=300, ge=0)
    database_ca_bundle: str = ""
    gemini_base_url: str = ""
    model_prices: dict[_NonEmpty, dict[str, Any]] = Field(default_factory=dict)
    service_tiers: dict[_NonEmpty, ServiceTier] = Field(default_factory=dict)
    # Traces by OpenTelemetry. Its own variables (OTEL_…) name the collector and the sampler.
    opentelemetry: bool = False
    opentelemetry_timeout_s: float = Field(default=2, gt=0, le=60)

    @field_validator("queue_urls", mode="before")
    @classmethod
    def _parse_queue_urls(cls, value: object) -> object:
        return _parse_json(value, '{"medium": "https://sqs…"}')

    @field_validator("callers", mode="before")
    @classmethod
    def _parse_callers(cls, value: object) -> object:
        return _parse_json(value, '{"issuers": {"https://login.example.com": {"claim": "tenant"}}}')

    @field_validator("model_prices", mode="before")
    @classmethod
    def _parse_model_prices(cls, value: object) -> object:
        return _parse_json(value, '{"gemini-2.5-flash": {"input": 0.3, "output": 2.5}}')

    @field_validator("service_tiers", mode="before")
    @classmethod
    def _parse_service_tiers(cls, value: object) -> object:
        return _parse_json(value, '{"low": "flex"}')

    @model_validator(mode="after")
    def _check_heartbeat(self) -> Self:
        # One heartbeat may be late or lost without the lease expiring.
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(f"HEARTBEAT_S is {self.heartbeat_s:g}: give at most half of LEASE_S ({self.lease_s:g})")
        return self

    @property
    def reader_memory_mb(self) -> int:
        """The memory limit of one process that reads a document.

        The jobs of an invocation share `document_memory_mb`. Each process gets an equal share, but not less than
        `_MIN_READER_MB`: then fewer documents are read at a time.
        """
        share = self.document_memory_mb // self.jobs_per_invocation
        return min(self.document_memory_mb, max(share, _MIN_READER_MB))

    @property
    def sending_bytes(self) -> int | None:
        """The most memory that the questions of an invocation may take while they are sent. None: there is no limit.

        It is what the library and the readers leave of the function's memory. One job needs no limit.
        """
        if self.jobs_per_invocation == 1 or self.aws_lambda_function_memory_size is None:
            return None
        left = self.aws_lambda_function_memory_size - self.document_memory_mb - _WORKER_MB
        return max(left, 1) * 2**20

    @property
    def lease(self) -> timedelta:
        """How long a worker holds a job after a heartbeat."""
        return timedelta(seconds=self.lease_s)

    @property
    def heartbeat(self) -> timedelta:
        """The time between two heartbeats."""
        return timedelta(seconds=self.heartbeat_s)

    @property
    def secret_max_age(self) -> timedelta:
        """How long the value of a secret is cached."""
        return timedelta(seconds=self.secret_max_age_s)

    @property
    def stop_margin(self) -> timedelta:
        """How long before the function's timeout a worker stops and queues its job again."""
        return timedelta(seconds=self.stop_margin_s)

    @property
    def job_retention(self) -> timedelta:
        """How long the row of an ended job is kept."""
        return timedelta(days=self.job_retention_days)

    def retention_of(self, tenant: str) -> timedelta:
        """Return how long the row of an ended job of this tenant is kept."""
        return _CANARY_RETENTION if tenant == CANARY_TENANT else self.job_retention


def _parse_json(value: object, example: str) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"give JSON, for example {example}: {error}") from error


class EventSettings(BaseModel):
    """The settings of the events function. It needs no analyses and no job queues."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    event_bus_name: _NonEmpty
    event_dead_letter_queue_url: _NonEmpty
    notice_topic_arn: str = ""
    powertools_service_name: _NonEmpty


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read `Settings` from the environment variables with the same names in capitals.

    Raises `ConfigurationError`, which names each missing or wrong variable.
    """
    return _read(Settings, environment)


def events_from_environment(environment: Mapping[str, str] | None = None) -> EventSettings:
    """Read `EventSettings`. Raises as `from_environment` does."""
    return _read(EventSettings, environment)


def variable(name: str) -> str:
    """Return an environment variable that is not a setting, such as one of `worker.secrets`. "" if it is not set."""
    return os.environ.get(name, "")


def _read(model: type[Model], environment: Mapping[str, str] | None) -> Model:
    variables = os.environ if environment is None else environment
    given = {name: variables[name.upper()] for name in model.model_fields if name.upper() in variables}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(f"environment: {_summary(error)}") from error


def _summary(error: ValidationError) -> str:
    return "; ".join(
        _describe_error(found["loc"], found["msg"].removeprefix("Value error, ")) for found in error.errors()
    )


def _describe_error(location: tuple[int | str, ...], message: str) -> str:
    if not location:  # an error of the whole model: its message names the variables
        return message
    variable, *within = map(str, location)
    return f"{'.'.join((variable.upper(), *within))}: {message}"
