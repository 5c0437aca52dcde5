"""What is examined: the settings of an environment, and its functions if they are deployed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

# A check must not hang where a firewall drops packets.
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
FUNCTIONS = ("api", "worker", "sweeper", "events")
# A service that cannot be asked, and a service that refuses.
AWS_ERRORS = (BotoCoreError, ClientError)


class NotReadableError(Exception):
    """The functions cannot be read. The message names the reason and the fix."""


@dataclass(frozen=True)
class Function:
    """A deployed function: its configuration, as Lambda returns it, at the alias `live`."""

    configuration: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The function's name."""
        return str(self.configuration["FunctionName"])

    @property
    def role_arn(self) -> str:
        """The ARN of its role."""
        return str(self.configuration["Role"])

    @property
    def variables(self) -> Mapping[str, str]:
        """Its environment variables."""
        found: Mapping[str, str] = self.configuration.get("Environment", {}).get("Variables", {})
        return found


@dataclass(frozen=True)
class Subject:
    """An environment.

    `functions` are the deployed ones, by their short names. `models` are the IDs of the models or profiles that jobs
    use. `concurrency` is the limit of each queue's mapping. `manifest` is that of the package to deploy, if it is
    built. `prompts` is the folder of the project's prompts.
    """

    stack: str
    region: str
    models: tuple[str, ...]
    functions: Mapping[str, Function] = field(default_factory=dict)
    manifest: Mapping[str, Any] | None = None
    prompts: Path | None = None
    concurrency: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def worker(self) -> Function | None:
        """The deployed worker."""
        return self.functions.get("worker")

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a boto3 client with short time limits."""
        return boto3.client(service, region_name=self.region, config=_CONFIG)  # type: ignore[call-overload]

    @cached_property
    def account(self) -> str:
        """The ID of the account."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def partition(self) -> str:
        """The partition of the Region, such as `aws`."""
        return str(boto3.Session().get_partition_for_region(self.region))


def deployed(region: str, names: Mapping[str, str]) -> dict[str, Function]:
    """Return the functions that exist, by their short names. `names` are their full names.

    Raises `NotReadableError` if Lambda cannot be asked.
    """
    client = boto3.client("lambda", region_name=region, config=_CONFIG)
    found: dict[str, Function] = {}
    for short, name in names.items():
        try:
            found[short] = Function(client.get_function_configuration(FunctionName=name, Qualifier="live"))
        except client.exceptions.ResourceNotFoundException:
            continue
        except NoCredentialsError:
            return {}  # `run.examine` reports it
        except AWS_ERRORS as error:
            raise NotReadableError(f"Lambda does not answer for {name} in {region}: {reason(error)}") from error
    return found


def reason(error: Exception) -> str:
    """Return the code and the message of an error of AWS in one line."""
    details = getattr(error, "response", {}).get("Error", {})
    text = f"{details['Code']}: {details.get('Message', '')}" if "Code" in details else str(error)
    return " ".join(text.split())


def is_denied(error: Exception) -> bool:
    """Tell whether AWS has refused a call because the caller lacks a right."""
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    return code.startswith("AccessDenied")


def json_variable(function: Function, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return an environment variable that is JSON; None if it is missing."""
    text = function.variables.get(name)
    return None if text is None else json.loads(text)
