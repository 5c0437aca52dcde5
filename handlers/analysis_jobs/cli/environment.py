"""The environment variables of the command line. No other module of the command line reads the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

URL_VARIABLE = "ANALYSIS_JOBS_URL"
TOKEN_VARIABLE = "ANALYSIS_JOBS_TOKEN"  # noqa: S105 - the name of a variable, not a token
PROMPT_TABLE_VARIABLE = "ANALYSIS_JOBS_PROMPT_TABLE"
STACK_VARIABLE = "ANALYSIS_JOBS_STACK"
# Behind a TLS-intercepting proxy this variable is already set for boto3: reuse it.
CA_BUNDLE_VARIABLE = "AWS_CA_BUNDLE"


class SettingMissingError(Exception):
    """A setting is missing. The message says how to give it."""


def required(variable: str, fix: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a variable's value. Raises `SettingMissingError`, with `fix` in its message, if it is unset or empty."""
    value = _environment(environment).get(variable)
    if not value:
        raise SettingMissingError(f"{variable} is not set: {fix}.")
    return value


def optional(variable: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a variable's value, empty if it is unset."""
    return _environment(environment).get(variable, "")


def ca_bundle(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of trusted CA certificates. None means the system's certificates."""
    value = _environment(environment).get(CA_BUNDLE_VARIABLE)
    return existing_file(value) if value else None


def existing_file(path: str | Path) -> Path:
    """Return the path of a file. Raises `SettingMissingError` if it does not exist."""
    if not Path(path).is_file():
        raise SettingMissingError(f"The file {path} does not exist: give the path of a PEM file of CA certificates.")
    return Path(path)


def _environment(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environment is None else environment
