"""The addresses of a running local cloud, kept in a file for other processes while it runs."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from analysis_jobs.client import Client
from analysis_jobs_dev.cloud import ministack, state
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.postgres import Login
from analysis_jobs_dev.cloud.stand_in import Remote

FILE = "running.json"
TENANT = "acme"
TOKEN_LIFE_S = 86_400
CONNECT_TIMEOUT_S = 60.0


@dataclasses.dataclass(frozen=True)
class Connection:
    """The URLs of a running cloud, the certificates that its callers must trust, and the outputs of its stack."""

    example: str
    api_url: str
    aws_url: str
    stand_in_url: str
    ca_bundle: str
    outputs: dict[str, Any]
    database: dict[str, Any] | None = None  # the fields of the example's `Login`, if it has a database
    analysis: str = ""  # the analysis that a demo submits to, unless its demo.toml names another one
    region: str = ministack.REGION
    token_options: dict[str, Any] = dataclasses.field(default_factory=dict)  # what the API expects of a token

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """Return the connection of the cloud that runs on the folder; None if none is ready there."""
        if state.holder(folder) is None:
            return None
        try:
            return cls(**json.loads((folder / FILE).read_text("utf-8")))
        except FileNotFoundError:
            return None

    def save(self, folder: Path) -> None:
        """Write the file that `find` reads."""
        (folder / FILE).write_text(json.dumps(dataclasses.asdict(self), indent=2), "utf-8")

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point Terraform, boto3 and the AWS CLI to this cloud."""
        return {
            **ministack.ROOT_CREDENTIALS,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.aws_url,
        }

    def reachable(self, url: str) -> str:
        """Return the URL of an HTTP API in its path form.

        Terraform has the host form, here {id}.execute-api.localhost. Many resolvers know no host below localhost.
        """
        return f"{self.aws_url}/_aws/execute-api/{urlsplit(url).netloc.partition('.')[0]}/$default"

    def url_of(self, output: str | None) -> str:
        """Return the URL of the API that an output of the example names; None means the module's."""
        return self.reachable(self.outputs[output]) if output else self.api_url

    def boto3(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client of an AWS service of this cloud, with the rights of the account's root."""
        session: Any = boto3.Session()  # its overloads want a literal name
        return session.client(
            service,
            region_name=self.region,
            endpoint_url=self.aws_url,
            verify=self.ca_bundle,
            aws_access_key_id=ministack.ROOT_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ministack.ROOT_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run SQL in the example's database, as the role of its functions, and return the rows.

        Raises CloudError if the example has no database.
        """
        if self.database is None:
            raise CloudError(f"{self.example} has no database.")
        with Login(**self.database).connect() as connection:
            found = connection.execute(statement.encode(), values)
            names = [column.name for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found] if names else []

    @property
    def stand_in(self) -> Remote:
        """The control of the stand-in for the models."""
        return Remote(self.stand_in_url)

    def token(self, tenant: str = TENANT, **options: Any) -> str:  # noqa: ANN401 - the arguments of `Issuer.mint`
        """Return a token of this tenant; it is valid for a day unless the options say otherwise."""
        expected = dict(self.token_options)
        claim = expected.pop("tenant_claim", "tenant")
        if claim != "tenant":
            expected["claims"] = {claim: tenant}
        return self.stand_in.token(tenant, **{"ttl_s": TOKEN_LIFE_S, **expected, **options})

    def client(self, token: str, url: str | None = None, *, tries: int = 1) -> Client:
        """Return a client of the API at `url` (default: the module's) that calls with this token.

        A refused call is not repeated, unless `tries` says so. A busy machine may need long for a connection.
        """
        return Client(
            url or self.api_url, token, ca_bundle=self.ca_bundle, connect_timeout_s=CONNECT_TIMEOUT_S, tries=tries
        )
