"""A request to AWS, the rights that it may need, and what the account knows about its resources."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

EVERYTHING = "*"


@dataclass(frozen=True)
class Right:
    """An action on a resource. `context` has the condition keys of the request, beyond those that MiniStack knows."""

    action: str
    resource: str = EVERYTHING
    context: Mapping[str, Any] = field(default_factory=dict)


class Account(Protocol):
    """What a request does not say, and the account knows."""

    @property
    def id(self) -> str:
        """The account's number."""

    def role(self, name: str) -> tuple[str, str | None]:
        """Return the ARN of a role and that of its permissions boundary."""

    def api_name(self, api_id: str) -> str | None:
        """Return the name of an HTTP API."""

    def aliases_of(self, key: str) -> list[str]:
        """Return the aliases of a KMS key, which is given by its ID or its ARN."""

    def key_of(self, alias: str) -> str | None:
        """Return the ARN of the KMS key that an alias names."""

    def hash_key_of(self, table: str) -> str | None:
        """Return the name of a DynamoDB table's hash key."""

    def tags_of(self, key: str) -> Mapping[str, str]:
        """Return the tags of a KMS key."""

    def function_of(self, mapping: str) -> str | None:
        """Return the ARN of the function of an event source mapping."""


@dataclass(frozen=True)
class Request:
    """A request to AWS. `action` and `resource` are what MiniStack would check."""

    service: str
    method: str
    path: str
    body: bytes
    parameters: Mapping[str, Any]
    region: str
    action: str | None
    resource: str
    account: Account

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a JSON body; empty for other bodies."""
        try:
            content = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def given(self, *names: str) -> str:
        """Return the first of these fields or parameters that the request has."""
        for name in names:
            value = self.fields.get(name) or self.parameters.get(name) or ""
            if isinstance(value, list):
                value = value[0] if value else ""
            if value:
                return str(value)
        return ""

    def listed(self, name: str) -> list[str]:
        """Return a list in a field, or in parameters such as `AlarmNames.member.1`."""
        if isinstance(found := self.fields.get(name), list):
            return [str(each) for each in found]
        pattern = re.compile(rf"{name}\.member\.\d+")
        return [str(v[0] if isinstance(v, list) else v) for k, v in self.parameters.items() if pattern.fullmatch(k)]

    @property
    def operation(self) -> str:
        """The name of the action without its service."""
        return (self.action or "").partition(":")[2]

    @property
    def tagged(self) -> bool:
        """Whether the request has tags for a new resource."""
        fields = self.fields
        return bool(fields.get("Tags") or fields.get("tags")) or any(
            re.match(r"Tags?\.(member\.)?1\.Key$", name) for name in self.parameters
        )

    def arn(self, service: str, resource: str, *, everywhere: bool = False) -> str:
        """Return an ARN of this account and Region; `everywhere` leaves the Region out."""
        return f"arn:aws:{service}:{'' if everywhere else self.region}:{self.account.id}:{resource}"
