"""What the environment says to the command line. Its only module that looks at environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path

URL_VARIABLE = "ANALYSIS_JOBS_URL"
TOKEN_VARIABLE = "ANALYSIS_JOBS_TOKEN"  # noqa: S105 - the name of the variable
PROMPT_TABLE_VARIABLE = "ANALYSIS_JOBS_PROMPT_TABLE"
# The API is a host of AWS's: who reaches AWS through something that signs anew has told boto3 so.
CA_BUNDLE_VARIABLE = "AWS_CA_BUNDLE"


class SettingMissingError(Exception):
    """A setting is not there; the message says how to give it."""


def required(variable: str, what: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a variable's value. Raises SettingMissingError where it is not set, or empty."""
    value = _all(environment).get(variable)
    if not value:
        raise SettingMissingError(f"{variable} is not set: {what}.")
    return value


def ca_bundle(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file of who is trusted, None for whom the system trusts."""
    value = _all(environment).get(CA_BUNDLE_VARIABLE)
    return existing(value) if value else None


def existing(path: str) -> Path:
    """Return the path of a file. Raises SettingMissingError where there is none."""
    if not Path(path).is_file():
        raise SettingMissingError(f"There is no file {path}.")
    return Path(path)


def _all(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environment is None else environment
