"""What the environment says, read once and validated once. The only module that looks at environment variables."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis_jobs.errors import ConfigurationError


class Settings(BaseModel):
    """The settings of a function; `modules/analysis-jobs` sets every one of them."""

    model_config = ConfigDict(frozen=True)

    analyses: str
    table_name: str
    bucket_name: str
    queue_urls: dict[str, str] = Field(min_length=1)
    prompt_table_name: str = ""
    code_version: str = "unknown"
    lease_s: float = Field(default=60, gt=0)
    heartbeat_s: float = Field(default=15, gt=0)
    job_retention_days: int = Field(default=30, ge=1)
    model_id: str = ""
    tenant_claim: str = "tenant"
    max_document_bytes: int = Field(default=50_000_000, ge=1)

    @field_validator("queue_urls", mode="before")
    @classmethod
    def _parse_queue_urls(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _two_beats_fit_into_a_lease(self) -> Self:
        # One beat may be late or lost without the lease running out.
        if self.heartbeat_s * 2 > self.lease_s:
            message = f"heartbeat_s is {self.heartbeat_s}: give at most half of lease_s ({self.lease_s})"
            raise ValueError(message)
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
    def job_retention(self) -> timedelta:
        """How long the row of an ended job is kept."""
        return timedelta(days=self.job_retention_days)


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read `Settings` from environment variables of the same names in capitals.

    Raises `ConfigurationError`, which names each variable that is missing or wrong.
    """
    variables = os.environ if environment is None else environment
    given = {name: variables[name.upper()] for name in Settings.model_fields if name.upper() in variables}
    try:
        return Settings.model_validate(given)
    except (ValidationError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"environment: {_summary(error)}") from error


def _summary(error: ValidationError | json.JSONDecodeError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"QUEUE_URLS is no JSON: {error}"
    return "; ".join(f"{'.'.join(map(str, e['loc'])).upper() or 'settings'}: {e['msg']}" for e in error.errors())
