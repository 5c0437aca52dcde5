"""Values that only the local cloud knows, by the names that variables and attributes usually have."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis_jobs_dev.cloud.connection import Connection

AUDIENCE = "analysis-jobs"
# The stand-in answers for any model.
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL_IDS = ("anthropic.claude-*", "amazon.nova-*")
# The content of a secret that the local cloud makes.
SECRET = "local"  # noqa: S105 - it protects nothing
_SECRET_ARN = re.compile(r"(?:secret|token|password|credentials?|login|(?<!kms)(?<!encryption)_key)_arn$")
_DATABASE = re.compile(r"(?:^|_)(?:database|db|postgres|postgresql)_")
# Parts of the VPC, by the ends of names: the call of EC2, and the path of the identifiers in its answer.
_NETWORK = {
    "vpc_id": ("describe_vpcs", "Vpcs", "VpcId"),
    "subnet_id": ("describe_subnets", "Subnets", "SubnetId"),
    "security_group_id": ("describe_security_groups", "SecurityGroups", "GroupId"),
    "route_table_id": ("describe_route_tables", "RouteTables", "RouteTableId"),
}


@dataclass(frozen=True)
class Secrets:
    """The secrets of the local cloud. `stack` is the name of the stack.

    `login` is the database login, None without a database.
    """

    connection: Connection
    stack: str
    login: Mapping[str, object] | None = None

    def database(self) -> str:
        """Return the ARN of the secret with the database login."""
        return self._put(f"{self.stack}-database", json.dumps(self.login), replace=True)

    def other(self, name: str, content: str = SECRET) -> str:
        """Return the ARN of any other secret. An existing one keeps its content: somebody may have changed it."""
        return self._put(f"{self.stack}-{name.lower().replace('_', '-')}", content, replace=False)

    def _put(self, name: str, content: str, *, replace: bool) -> str:
        secrets = self.connection.boto3("secretsmanager")
        try:
            made = secrets.create_secret(Name=name, SecretString=content)
        except secrets.exceptions.ResourceExistsException:
            if replace:
                made = secrets.put_secret_value(SecretId=name, SecretString=content)
            else:
                made = secrets.describe_secret(SecretId=name)
        return str(made["ARN"])


@dataclass(frozen=True)
class KnownValues:
    """What the local cloud knows. `stack` is the name of the stack, `package` the module's argument of that name."""

    connection: Connection
    stack: str
    package: Mapping[str, object]
    secrets: Secrets
    _vpc: dict[str, list[str]] = field(default_factory=dict)

    def of(self, path: tuple[str, ...], kind: str) -> object:
        """Return the value of a variable, or of an attribute of one; None if its name says nothing.

        `path` has the names from the variable to the attribute. `kind` is its type in JSON: "string", "array" ….
        """
        if path == ("package",):
            return self.package["manifest"] if kind == "string" else dict(self.package)
        values: Mapping[str, object] = {
            "audience": AUDIENCE if kind == "string" else [AUDIENCE],
            "bedrock_model_ids": list(MODEL_IDS),
            "issuer": self.connection.stand_in_url,
            "model_id": MODEL,
            "region": self.connection.region,
            **({"name": self.stack} if len(path) == 1 else {}),  # in an object it is the name of something else
        }
        if path[-1] in values:
            return values[path[-1]]
        name = "_".join(path)
        if kind == "string" and _SECRET_ARN.search(name):
            is_database = self.secrets.login is not None and _DATABASE.search(name)
            return self.secrets.database() if is_database else self.secrets.other(name.removesuffix("_arn"))
        return self._of_network(name, kind)

    def _of_network(self, name: str, kind: str) -> object:
        """Return the identifiers of parts of the local cloud's VPC: all of them, or the first one for a text."""
        singular = name.removesuffix("s")
        part = next((each for each in _NETWORK if singular == each or singular.endswith(f"_{each}")), None)
        if part is None or kind not in {"array", "string"}:
            return None
        found = self._part(part)
        return found[0] if kind == "string" else found

    def _part(self, part: str) -> list[str]:
        if part not in self._vpc:
            call, answer, identifier = _NETWORK[part]
            wanted = {"is-default": "true"} if part == "vpc_id" else {"vpc-id": self._part("vpc_id")[0]}
            filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
            ec2: Any = self.connection.boto3("ec2")
            self._vpc[part] = [str(each[identifier]) for each in getattr(ec2, call)(Filters=filters)[answer]]
        return self._vpc[part]
