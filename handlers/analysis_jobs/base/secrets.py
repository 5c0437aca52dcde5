"""Reads secrets. An environment variable contains the ARN of each secret (`worker.secrets` of the module).

Values are cached for a limited time, so that a rotated secret takes effect without a deployment. Values never appear in
logs or errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError, Fail
from analysis_jobs.base.values import dataclass

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_ssm import SSMClient

# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html#API_GetParameter_Errors
# Other codes (throttling, an outage) are handled like every other AWS error, see `worker/retry_policy.py`.
_FAILURES = {
    "AccessDeniedException": "secret_denied",
    "DecryptionFailure": "secret_denied",
    "InvalidKeyId": "secret_denied",
    "InvalidParameterException": "secret_not_found",
    "InvalidRequestException": "secret_not_found",  # the secret is marked for deletion
    "ParameterNotFound": "secret_not_found",
    "ParameterVersionNotFound": "secret_not_found",
    "ResourceNotFoundException": "secret_not_found",
    "ValidationException": "secret_not_found",
}
_FIX = "set it to the ARN of a Secrets Manager secret or an SSM parameter with worker.secrets of the module"


@dataclass(frozen=True)
class AwsSecrets:
    """Reads secrets from Secrets Manager and SSM. The clients are made on first use: most jobs need neither."""

    secrets_manager: Callable[[], SecretsManagerClient]
    ssm: Callable[[], SSMClient]

    def read(self, arn: str) -> str:
        """Return the decrypted text of a secret or a parameter.

        Raises `Fail` (`secret_denied`, `secret_not_found`, `secret_invalid`), and botocore's errors in other cases.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - a declaration of an analysis does not need it

        try:
            return self._parameter(arn) if _service(arn) == "ssm" else self._secret(arn)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _FAILURES:
                raise
            raise Fail(_FAILURES[code], f"AWS refused to return {arn}: {code}") from error

    def _parameter(self, arn: str) -> str:
        return self.ssm().get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"]

    def _secret(self, arn: str) -> str:
        found = self.secrets_manager().get_secret_value(SecretId=arn)
        if "SecretString" not in found:
            raise Fail("secret_invalid", f"{arn} is binary: store the secret as text")
        return found["SecretString"]


@dataclass(frozen=True)
class _CachedSecret:
    text: str
    until: datetime


class Secrets:
    """Returns secrets by the name of the environment variable with their ARN. Each is cached for `max_age`.

    `variable` returns the value of an environment variable, "" if it is not set. `read` returns the text of a secret by
    its ARN.
    """

    def __init__(
        self, variable: Callable[[str], str], read: Callable[[str], str], clock: Clock, max_age: timedelta
    ) -> None:
        self._variable = variable
        self._read = read
        self._clock = clock
        self._max_age = max_age
        self._lock = Lock()  # the jobs of one invocation run in threads and share one request
        self._cache: dict[str, _CachedSecret] = {}

    def text(self, name: str) -> str:
        """Return the secret with the ARN in the environment variable `name`.

        Raises `ConfigurationError` if the variable contains no ARN of a secret, and the errors of `read`.
        """
        arn = self._variable(name)
        if not arn:
            raise ConfigurationError(f"no secret {name}: the environment variable is not set; {_FIX}")
        if not _service(arn):
            raise ConfigurationError(f"no secret {name}: the environment variable is not the ARN of a secret; {_FIX}")
        with self._lock:
            cached = self._cache.get(arn)
            if cached is None or self._clock.now() >= cached.until:
                cached = self._cache[arn] = _CachedSecret(self._read(arn), self._clock.now() + self._max_age)
            return cached.text

    def json(self, name: str) -> dict[str, Any]:
        """Return a secret that is a JSON object. Raises as `text` does, and `Fail` (`secret_invalid`) otherwise."""
        try:
            found = json.loads(self.text(name))
        except ValueError:
            found = None  # not raised as a cause: the decoder's error quotes the secret
        if not isinstance(found, Mapping):
            raise Fail("secret_invalid", f"the secret {name} is not a JSON object")
        return dict(found)

    def forget(self, name: str) -> None:
        """Drop the cached value. Call this if a login was refused: the secret may have been rotated."""
        with self._lock:
            self._cache.pop(self._variable(name), None)


def no_secrets() -> Secrets:
    """Return a `Secrets` without any secret, for tests and local use."""
    return Secrets(lambda _: "", lambda _: "", SystemClock(), timedelta())


def _service(arn: str) -> str:
    """Return `secretsmanager` or `ssm`, or "" if `arn` is not the ARN of a secret or a parameter."""
    match arn.split(":", 5):
        case ["arn", _, "secretsmanager" as service, _, _, rest] if rest.startswith("secret:"):
            return service
        case ["arn", _, "ssm" as service, _, _, rest] if rest.startswith("parameter/"):
            return service
    return ""
