"""Makes MiniStack ask for the rights of `rights.needed`, and records the rights that requests needed.

The record is the file in the variable ANALYSIS_JOBS_RIGHTS: one JSON object a line, each combination once.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud.emulator.requests import Request, Right
from analysis_jobs_dev.cloud.emulator.rights import needed

VARIABLE = "ANALYSIS_JOBS_RIGHTS"
TRANSACTIONS = ("dynamodb:TransactGetItems", "dynamodb:TransactWriteItems")

# The right that MiniStack checks itself for the request that is being served.
_checked: ContextVar[Right | None] = ContextVar("checked_right", default=None)


class Record:
    """The rights that requests needed, by caller."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: set[str] = set()

    def add(self, caller: str, right: Right) -> None:
        """Write a right to the file, unless it is there."""
        if self._path is None:
            return
        entry = {"caller": caller, "action": right.action, "resource": right.resource, "context": dict(right.context)}
        line = json.dumps(entry, sort_keys=True)
        if line not in self._seen:
            self._seen.add(line)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


class StackAccount:
    """What MiniStack's account knows about roles, APIs, keys and mappings."""

    def __init__(self, modules: Any, region: str) -> None:  # noqa: ANN401 - MiniStack has no types
        self._modules = modules
        self._region = region

    @property
    def id(self) -> str:
        """The account's number."""
        return str(self._modules.responses.get_account_id())

    def role(self, name: str) -> tuple[str, str | None]:
        """Return the ARN of a role and that of its permissions boundary."""
        found = self._modules.iam._roles.get(name) or {}  # noqa: SLF001 - there is no other way, here and below
        return found.get("Arn") or f"arn:aws:iam::{self.id}:role/{name}", found.get("PermissionsBoundary") or None

    def api_name(self, api_id: str) -> str | None:
        """Return the name of an HTTP API."""
        found = self._modules.apigateway._apis.get(api_id) or {}  # noqa: SLF001 - as above
        return found.get("name")

    def aliases_of(self, key: str) -> list[str]:
        """Return the aliases of a KMS key."""
        key_id = key.rpartition("/")[2]
        aliases = self._modules.kms._aliases.items()  # noqa: SLF001 - as above
        return sorted(f"alias/{arn.partition(':alias/')[2]}" for arn, target in aliases if _key_id(target) == key_id)

    def key_of(self, alias: str) -> str | None:
        """Return the ARN of the KMS key that an alias names."""
        for arn, target in self._modules.kms._aliases.items():  # noqa: SLF001 - as above
            if arn.endswith(f":{alias}"):
                return f"arn:aws:kms:{self._region}:{self.id}:key/{_key_id(target)}"
        return None

    def hash_key_of(self, table: str) -> str | None:
        """Return the name of a DynamoDB table's hash key."""
        schema = (self._modules.dynamodb._tables.get(table) or {}).get("KeySchema", [])  # noqa: SLF001 - as above
        return next((each["AttributeName"] for each in schema if each["KeyType"] == "HASH"), None)

    def tags_of(self, key: str) -> Mapping[str, str]:
        """Return the tags of a KMS key."""
        return dict(self._modules.tagging.resource_tags(key) or {})

    def function_of(self, mapping: str) -> str | None:
        """Return the ARN of the function of an event source mapping."""
        found = self._modules.lambda_svc._esms.get(mapping) or {}  # noqa: SLF001 - as above
        arn = found.get("FunctionArn")
        return str(arn) if arn else None


def install(modules: Any, record: Path | None) -> None:  # noqa: ANN401 - MiniStack has no types
    """Replace the functions of MiniStack that find the right of a request and check it.

    `modules` has `apigateway`, `dynamodb`, `iam`, `iam_actions`, `iam_evaluator`, `kms`, `lambda_svc`, `responses`,
    `router` and `tagging`.
    """
    checks = Checks(modules, Record(record))
    modules.iam_actions.extract_iam_action = checks.action
    modules.iam_actions.extract_resource_arn = checks.resource
    modules.iam_evaluator.enforce = checks.enforce


class Checks:
    """MiniStack's three functions, with the rights of `rights.needed`."""

    def __init__(self, modules: Any, record: Record) -> None:  # noqa: ANN401 - MiniStack has no types
        self._modules = modules
        self._record = record
        self._action: Callable[..., str | None] = modules.iam_actions.extract_iam_action
        self._resource: Callable[..., str] = modules.iam_actions.extract_resource_arn
        self._enforce: Callable[..., Any] = modules.iam_evaluator.enforce

    def action(  # noqa: PLR0913, PLR0917 - MiniStack's signature
        self,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        parameters: Mapping[str, Any],
    ) -> str | None:
        """Return the action that MiniStack will check: the first one that the caller may not do, else the main one."""
        _checked.set(None)
        action = self._action(service, method, path, headers, body, parameters)
        region = self._modules.router.extract_region(headers)
        account = StackAccount(self._modules, region)
        resource = self._resource(service, method, path, headers, body, parameters, region, account.id)
        request = Request(service, method, path, body, parameters, region, action, resource, account)
        rights = needed(request)
        if not rights:
            return action
        caller = self._modules.iam_evaluator.caller_arn()
        for right in rights:
            # A transaction is no right. MiniStack checks the right to each of its items.
            if right.action not in TRANSACTIONS:
                self._record.add(caller, right)
        chosen = rights[0]
        if len(rights) > 1:
            key = self._modules.router.extract_access_key_id(headers, parameters)
            tags = self._modules.iam_actions.request_tag_context
            for right in rights:
                context = {**tags(service, right.action, body, parameters), **right.context}
                denied = self._enforce(key, right.action, service, region, right.resource, context)
                if denied:
                    chosen = right
                    break
        _checked.set(chosen)
        return chosen.action

    def resource(self, *request: Any) -> str:  # noqa: ANN401 - MiniStack's signature
        """Return the resource of the action that `action` returned."""
        chosen = _checked.get()
        return chosen.resource if chosen else self._resource(*request)

    def enforce(self, access_key: str, action: str, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
        """Check a right, with the condition keys that MiniStack does not know."""
        chosen = _checked.get()
        if chosen and chosen.action == action and chosen.context:
            named["service_context"] = {**(named.get("service_context") or {}), **chosen.context}
        elif chosen and chosen.action != action:
            # A part of the request, such as an item of a transaction, or an object of several that are deleted.
            self._record.add(self._modules.iam_evaluator.caller_arn(), Right(action, named.get("resource_arn", "*")))
        return self._enforce(access_key, action, *more, **named)


def recorded(path: Path, caller: str) -> list[Right]:
    """Return the rights in a record that calls with this text in the caller's ARN needed."""
    rights = []
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if caller in entry["caller"]:
                rights.append(Right(entry["action"], entry["resource"], entry["context"]))
    return rights


def _key_id(target: object) -> str:
    """Return the ID of a key, which MiniStack keeps as a text or in a record."""
    found = target.get("TargetKeyId", "") if isinstance(target, Mapping) else target
    return str(found).rpartition("/")[2]


def actions(rights: Sequence[Right]) -> set[str]:
    """Return the actions of rights."""
    return {right.action for right in rights}
