"""The part of IAM's policy evaluation that the modules' policies need. Any other element is an error.

Source: "Policy evaluation logic" and "IAM JSON policy elements" of the IAM user guide.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["allows", "denies", "matches"]

type Context = Mapping[str, str | list[str]]

ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}


def allows(policy: str, action: str, resource: str, context: Context | None = None) -> bool:
    """Tell whether the policy document `policy` (JSON) allows `action` on the ARN `resource`.

    `context` holds the request's condition keys. An explicit deny wins, and nothing is allowed
    that no statement allows. Raises ValueError on an element or a test that is not known here.
    """
    statements = json.loads(policy)["Statement"]
    effects = {statement["Effect"] for statement in statements if _applies(statement, action, resource, context or {})}
    return effects == {"Allow"}


def denies(policy: str, action: str, resource: str, context: Context | None = None) -> bool:
    """Tell whether a statement of `policy` denies `action` on `resource` explicitly."""
    return any(
        statement["Effect"] == "Deny" and _applies(statement, action, resource, context or {})
        for statement in json.loads(policy)["Statement"]
    )


def matches(pattern: str, text: str, *, case: bool = True) -> bool:
    """Match as IAM does: * is any characters, dots, colons and slashes too; ? is one of them."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL | (0 if case else re.IGNORECASE)) is not None


def _applies(statement: dict[str, Any], action: str, resource: str, context: Context) -> bool:
    if unknown := statement.keys() - ELEMENTS:
        raise ValueError(f"no notion of {sorted(unknown)}")
    return (
        any(matches(pattern, action, case=False) for pattern in _many(statement["Action"]))
        and any(matches(pattern, resource) for pattern in _many(statement["Resource"]))
        and all(
            _holds(test, wanted, context.get(key))
            for test, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(test: str, wanted: str | list[str], value: str | list[str] | None) -> bool:
    if test == "Null":
        return (value is None) == (_many(wanted) == ["true"])
    if test.startswith("ForAllValues:"):
        return value is None or all(_holds(test.removeprefix("ForAllValues:"), wanted, each) for each in _many(value))
    if test.endswith("IfExists"):
        return value is None or _holds(test.removesuffix("IfExists"), wanted, value)
    # Any value of a request may be the one.
    test = test.removeprefix("ForAnyValue:")
    if test == "StringNotEquals":
        return value is None or not set(_many(value)) & set(_many(wanted))
    if test not in {"ArnLike", "Bool", "StringEquals", "StringLike"}:
        raise ValueError(f"no notion of {test}")
    if value is None:
        return False
    if test in {"ArnLike", "StringLike"}:
        return any(matches(pattern, each) for pattern in _many(wanted) for each in _many(value))
    return bool(set(_many(value)) & set(_many(wanted)))


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
