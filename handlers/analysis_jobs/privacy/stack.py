"""The names of a stack's resources, as the output `deployment` of the Terraform module has them."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_OUTPUT = "deployment"
_HINT = "give the output of `terraform output -json deployment`"


class StackError(Exception):
    """The text does not describe a stack. The message names the fix."""


class StackNames(BaseModel):
    """What the commands for operators need of a stack. Other fields of the output are ignored."""

    model_config = ConfigDict(frozen=True)

    table_name: str
    bucket_name: str
    prompt_table_name: str = ""
    dead_letter_queue_urls: dict[str, str] = Field(default_factory=dict)
    event_dead_letter_queue_url: str | None = None
    backend_environment: dict[str, str] = Field(default_factory=dict)
    arns: dict[str, Any] = Field(default_factory=dict)

    @property
    def bucket_prefix(self) -> str:
        """What every key in the bucket begins with. Empty if the stack has a bucket of its own."""
        return self.backend_environment.get("ANALYSIS_JOBS_BUCKET_PREFIX", "")

    @property
    def dead_letter_queues(self) -> list[str]:
        """The URLs of all dead-letter queues."""
        events = [self.event_dead_letter_queue_url] if self.event_dead_letter_queue_url else []
        return [*dict.fromkeys([*self.dead_letter_queue_urls.values(), *events])]

    @property
    def log_groups(self) -> list[str]:
        """The names of the functions' log groups."""
        return sorted(map(_log_group, (self.arns.get("log_groups") or {}).values()))

    @property
    def audit_log_group(self) -> str:
        """The log group of the audit trail: its own, or that of the worker. Empty if the output has neither."""
        found = self.arns.get("audit_log") or (self.arns.get("log_groups") or {}).get("worker")
        return _log_group(found) if found else ""


def _log_group(arn: object) -> str:
    return str(arn).split(":log-group:")[-1].removesuffix(":*")


def read_stack(text: str) -> StackNames:
    """Read the output `deployment`, alone or among all outputs of a root. Raises `StackError`."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StackError(f"this is not JSON: {_HINT}") from error
    if isinstance(found, dict) and isinstance(found.get(_OUTPUT), dict):
        found = found[_OUTPUT].get("value", found[_OUTPUT])
    try:
        return StackNames.model_validate(found)
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, each["loc"])) or "the object" for each in error.errors())
        raise StackError(f"this does not describe a stack ({missing}): {_HINT}") from error
