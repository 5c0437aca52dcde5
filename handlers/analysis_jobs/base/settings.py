"""What the environment says, read once and validated once. The only module that looks at environment variables."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis_jobs.base.errors import ConfigurationError

type _Given = Annotated[str, Field(min_length=1)]

# A larger input or result goes to the bucket. Every heartbeat pays for its row by the KB.
MAX_INLINE_BYTES = 4_096
# A message can be held invisible for 12 hours, and is held for a lease and a little more.
_LONGEST_LEASE_S = 43_000


class Settings(BaseModel):
    """The settings of a function; `modules/analysis-jobs` sets every one of them."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    analyses: _Given
    table_name: _Given
    bucket_name: _Given
    queue_urls: dict[_Given, _Given] = Field(min_length=1)
    prompt_table_name: str = ""
    code_version: str = "unknown"
    lease_s: float = Field(default=60, gt=0, le=_LONGEST_LEASE_S)
    heartbeat_s: float = Field(default=15, gt=0)
    job_retention_days: int = Field(default=30, ge=1)
    model_id: str = ""
    stop_margin_s: float = Field(default=15, ge=0)
    tenant_claim: str = "tenant"
    inline_bytes: int = Field(default=MAX_INLINE_BYTES, ge=0, le=100_000)
    max_document_bytes: int = Field(default=50_000_000, ge=1)
    max_pages: int = Field(default=2_000, ge=1)
    max_pixels: int = Field(default=50_000_000, ge=1)
    document_memory_mb: int = Field(default=512, ge=64)
    ocr_engine: Literal["tesseract", "textract", "none"] = "tesseract"
    secret_max_age_s: float = Field(default=300, ge=0)
    database_ca_bundle: str = ""
    gemini_base_url: str = ""
    model_prices: dict[_Given, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("queue_urls", mode="before")
    @classmethod
    def _parse_queue_urls(cls, value: object) -> object:
        return _parsed(value, '{"medium": "https://sqs…"}')

    @field_validator("model_prices", mode="before")
    @classmethod
    def _parse_model_prices(cls, value: object) -> object:
        return _parsed(value, '{"gemini-2.5-flash": {"input": 0.3, "output": 2.5}}')

    @model_validator(mode="after")
    def _two_beats_fit_into_a_lease(self) -> Self:
        # One beat may be late or lost without the lease running out.
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(f"HEARTBEAT_S is {self.heartbeat_s:g}: give at most half of LEASE_S ({self.lease_s:g})")
        return self

    @property
    def lease(self) -> timedelta:
        """How long a worker's right to a job lasts after a heartbeat."""
        return timedelta(seconds=self.lease_s)

    @property
    def heartbeat(self) -> timedelta:
        """The time between two heartbeats."""
        return timedelta(seconds=self.heartbeat_s)

    @property
    def secret_max_age(self) -> timedelta:
        """How long a secret's value is used before AWS is asked for it again."""
        return timedelta(seconds=self.secret_max_age_s)

    @property
    def stop_margin(self) -> timedelta:
        """How long before the end of its invocation a worker stops, to hand its job on."""
        return timedelta(seconds=self.stop_margin_s)

    @property
    def job_retention(self) -> timedelta:
        """How long the row of an ended job is kept."""
        return timedelta(days=self.job_retention_days)


def _parsed(value: object, example: str) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError(f"give JSON, as {example}: {error}") from error


class EventSettings(BaseModel):
    """The settings of the function that publishes events: it knows no analysis, and no queue of jobs."""

    model_config = ConfigDict(frozen=True)

    event_bus_name: _Given
    event_dead_letter_queue_url: _Given
    notice_topic_arn: str = ""
    powertools_service_name: _Given


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read `Settings` from environment variables of the same names in capitals.

    Raises `ConfigurationError`, which names each variable that is missing or wrong.
    """
    return _read(Settings, environment)


def events_from_environment(environment: Mapping[str, str] | None = None) -> EventSettings:
    """Read `EventSettings`, as `from_environment` does `Settings`."""
    return _read(EventSettings, environment)


def variable(name: str) -> str:
    """Return an environment variable that a stack names itself, as one of `worker.secrets`; "" where it is not set."""
    return os.environ.get(name, "")


def _read[Model: BaseModel](model: type[Model], environment: Mapping[str, str] | None) -> Model:
    variables = os.environ if environment is None else environment
    given = {name: variables[name.upper()] for name in model.model_fields if name.upper() in variables}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(f"environment: {_summary(error)}") from error


def _summary(error: ValidationError) -> str:
    return "; ".join(_finding(found["loc"], found["msg"].removeprefix("Value error, ")) for found in error.errors())


def _finding(location: tuple[int | str, ...], message: str) -> str:
    if not location:  # of the whole: the message names the variables
        return message
    variable, *within = map(str, location)
    return f"{'.'.join((variable.upper(), *within))}: {message}"
