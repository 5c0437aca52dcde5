"""What a stack uses beyond its own names, found in the settings of its environment.

The settings of any Terraform root are read by the shape of their values: ARNs say what they are, and the objects
`domain`, `vpc` and `statements` have the attributes that the module gives them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["extra_of", "prefixes_of"]

_ARNS = {
    "code_signing_config_arns": re.compile(r"arn:[a-z-]+:lambda:[^:]+:\d{12}:code-signing-config:.+"),
    "kms_key_arns": re.compile(r"arn:[a-z-]+:kms:[^:]+:\d{12}:key/.+"),
    "layer_arns": re.compile(r"arn:[a-z-]+:lambda:[^:]+:\d{12}:layer:.+"),
    "secret_arns": re.compile(r"arn:[a-z-]+:(secretsmanager:[^:]+:\d{12}:secret|ssm:[^:]+:\d{12}:parameter).+"),
}
_TRUSTSTORE = re.compile(r"s3://(.+)")


def extra_of(settings: Any, partition: str = "aws") -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the variable `extra` of modules/bootstrap for some settings. It has only what is not empty."""
    found: dict[str, Any] = {}
    for name, value in _values(settings):
        if isinstance(value, str):
            for key, pattern in _ARNS.items():
                if pattern.fullmatch(value):
                    found.setdefault(key, set()).add(value)
        elif isinstance(value, Mapping):
            _read_object(name, value, found, partition)
    return {key: sorted(each) if isinstance(each, set) else each for key, each in sorted(found.items())}


def prefixes_of(settings: Mapping[str, Any], stack: str) -> list[str]:
    """Return the names in the setting `names` that do not begin with the name of the stack."""
    names = {value for _, value in _values(settings.get("names") or {}) if isinstance(value, str)}
    return sorted(name for name in names if not name.startswith(f"{stack}-"))


def _read_object(name: str, value: Mapping[str, Any], found: dict[str, Any], partition: str) -> None:
    if name == "domain" and isinstance(value.get("name"), str):
        found.setdefault("domains", set()).add(value["name"])
        if zone := (value.get("route53") or {}).get("zone_id"):
            found.setdefault("hosted_zone_ids", set()).add(zone)
        truststore = _TRUSTSTORE.fullmatch((value.get("mutual_tls") or {}).get("truststore_uri") or "")
        if truststore:
            found.setdefault("truststores", set()).add(f"arn:{partition}:s3:::{truststore[1]}")
    elif name == "vpc" and value.get("subnet_ids"):
        found["vpc"] = True
    elif name == "bucket" and isinstance(value.get("name"), str):
        # A bucket of others: the functions use a part of it, and nobody here may change it.
        files = f"arn:{partition}:s3:::{value['name']}/{value.get('prefix') or ''}*"
        actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        found.setdefault("function_statements", []).append({"actions": actions, "resources": [files]})
    elif name == "topic" and isinstance(value.get("arn"), str):
        found.setdefault("topic_arns", set()).add(value["arn"])
    elif isinstance(value.get("actions"), list) and isinstance(value.get("resources"), list):
        statement = {"actions": value["actions"], "resources": value["resources"]}
        statements = found.setdefault("function_statements", [])
        if statement not in statements:
            statements.append(statement)


def _values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Yield each value with the name of its attribute. An element of a list has the name of the list."""
    yield name, value
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _values(each, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _values(each, name)
