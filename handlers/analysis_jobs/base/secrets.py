"""Secrets: the value behind an ARN that an environment variable holds (`worker.secrets` of the module).

Values are kept in memory for a while only, so that a rotated secret is picked up without a deploy. None is ever logged,
nor put into an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError, Fail

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_ssm import SSMClient

# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html#API_GetParameter_Errors
# What is not here (a throttle, an outage) is decided about as every other error of AWS.
_FAILURES = {
    "AccessDeniedException": "secret_denied",
    "DecryptionFailure": "secret_denied",
    "InvalidKeyId": "secret_denied",
    "InvalidParameterException": "secret_not_found",
    "InvalidRequestException": "secret_not_found",  # it is marked for deletion
    "ParameterNotFound": "secret_not_found",
    "ParameterVersionNotFound": "secret_not_found",
    "ResourceNotFoundException": "secret_not_found",
    "ValidationException": "secret_not_found",
}
_PUT_IT = "put the ARN of a Secrets Manager secret or an SSM parameter there, with worker.secrets of the module"


@dataclass(frozen=True)
class AwsSecrets:
    """Reads secrets from where their ARNs say. The clients are made on first use: most jobs need neither."""

    secrets_manager: Callable[[], SecretsManagerClient]
    ssm: Callable[[], SSMClient]

    def read(self, arn: str) -> str:
        """Return the text of a secret or of a parameter, decrypted.

        Raises `Fail` (`secret_denied`, `secret_not_found`, `secret_invalid`), and botocore's own errors for the rest.
        """
        try:
            return self._parameter(arn) if _service(arn) == "ssm" else self._secret(arn)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _FAILURES:
                raise
            raise Fail(_FAILURES[code], f"AWS does not give {arn}: {code}") from error

    def _parameter(self, arn: str) -> str:
        return self.ssm().get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"]

    def _secret(self, arn: str) -> str:
        found = self.secrets_manager().get_secret_value(SecretId=arn)
        if "SecretString" not in found:
            raise Fail("secret_invalid", f"{arn} is binary: only texts are read")
        return found["SecretString"]


@dataclass(frozen=True)
class _Kept:
    text: str
    until: datetime


class Secrets:
    """Secrets by the names of the variables that hold their ARNs, each kept for `max_age`.

    `variable` returns an environment variable, "" where there is none; `read` a secret's text by its ARN.
    """

    def __init__(
        self, variable: Callable[[str], str], read: Callable[[str], str], clock: Clock, max_age: timedelta
    ) -> None:
        self._variable = variable
        self._read = read
        self._clock = clock
        self._max_age = max_age
        self._lock = Lock()  # the jobs of one invocation ask in threads: one request serves them all
        self._kept: dict[str, _Kept] = {}

    def text(self, name: str) -> str:
        """Return the secret whose ARN the environment variable `name` holds.

        Raises `ConfigurationError` where the variable holds none, and what reading raises.
        """
        arn = self._variable(name)
        if not arn:
            raise ConfigurationError(f"no secret {name}: the variable is not set; {_PUT_IT}")
        if not _service(arn):
            raise ConfigurationError(f"no secret {name}: the variable holds no such ARN; {_PUT_IT}")
        with self._lock:
            kept = self._kept.get(arn)
            if kept is None or self._clock.now() >= kept.until:
                kept = self._kept[arn] = _Kept(self._read(arn), self._clock.now() + self._max_age)
            return kept.text

    def json(self, name: str) -> dict[str, Any]:
        """Return a secret that is a JSON object. Raises as `text`, and `Fail` (`secret_invalid`) where it is none."""
        try:
            found = json.loads(self.text(name))
        except ValueError:
            found = None  # and no context: the decoder's error quotes the secret
        if not isinstance(found, Mapping):
            raise Fail("secret_invalid", f"the secret {name} is no JSON object")
        return dict(found)

    def forget(self, name: str) -> None:
        """Ask AWS again the next time: what was kept has been refused, so it may have been rotated."""
        with self._lock:
            self._kept.pop(self._variable(name), None)


def no_secrets() -> Secrets:
    """Return secrets of which there are none."""
    return Secrets(lambda _: "", lambda _: "", SystemClock(), timedelta())


def _service(arn: str) -> str:
    """Return `secretsmanager` or `ssm`, "" for what is no ARN of theirs."""
    match arn.split(":", 5):
        case ["arn", _, "secretsmanager" as service, _, _, rest] if rest.startswith("secret:"):
            return service
        case ["arn", _, "ssm" as service, _, _, rest] if rest.startswith("parameter/"):
            return service
    return ""
