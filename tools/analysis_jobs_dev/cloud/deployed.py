"""One example's stack on a running cloud: its API, its AWS resources, its database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs.client import Client
from analysis_jobs_dev.cloud.connection import TENANT, Connection
from analysis_jobs_dev.cloud.stand_in import Remote


class Reach:
    """Access to a stack through a `connection`."""

    connection: Connection

    @property
    def api_url(self) -> str:
        """The API's base URL."""
        return self.connection.api_url

    @property
    def outputs(self) -> dict[str, Any]:
        """The Terraform outputs of the example."""
        return self.connection.outputs

    def token(self, tenant: str = TENANT, **options: Any) -> str:  # noqa: ANN401 - the arguments of `Issuer.mint`
        """Return a token of this tenant."""
        return self.connection.token(tenant, **options)

    def client(self, tenant: str = TENANT) -> Client:
        """Return a client of the API that calls as this tenant."""
        return self.connection.client(self.token(tenant))

    def boto3(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client of an AWS service of this cloud, with the rights of the account's root."""
        return self.connection.boto3(service)


@dataclass(frozen=True)
class Deployed(Reach):
    """The stack of the example that `connection` names; `folder` is that of the whole cloud."""

    connection: Connection
    folder: Path

    @property
    def example(self) -> str:
        """The name of the example."""
        return self.connection.example

    @property
    def stand_in(self) -> Remote:
        """The stand-in for the models; all stacks of the cloud share it."""
        return self.connection.stand_in

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Run SQL in the example's database; see `Connection.rows`."""
        return self.connection.rows(statement, *values)
