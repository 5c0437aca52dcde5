"""The deployed stack: the names that a release needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from analysis_jobs_dev.release.errors import ReleaseError

# Returns the boto3 client of a service.
type Clients = Callable[[str], Any]


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    `functions` are the names of the functions by `worker`, `sweeper`, `api` and `events`. The last two may be missing.
    `alarms` are the names of its alarms. `canary_queue_url` is None without a lane for canaries.
    `backend_environment` is the output of this name.
    """

    functions: Mapping[str, str]
    table: str
    prompt_table: str
    alarms: tuple[str, ...]
    canary_queue_url: str | None
    backend_environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> Self:
        """Return the stack with the module's output `deployment`. Raises `ReleaseError` for that of an old module."""
        try:
            return cls(
                functions=dict(deployment["function_names"]),
                table=deployment["table_name"],
                prompt_table=deployment["prompt_table_name"],
                alarms=tuple((deployment.get("alarm_names") or {}).values()),
                canary_queue_url=deployment.get("canary_queue_url"),
                backend_environment=deployment.get("backend_environment") or {},
            )
        except KeyError as error:
            raise ReleaseError(
                f"The output `deployment` of the Terraform root has no {error}: pass on the module's output "
                "`deployment` as it is."
            ) from error
