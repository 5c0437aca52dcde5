"""A local cloud of which only its AWS clients exist. Moto answers them in this process."""

from typing import Any, override

import boto3

from analysis_jobs_dev.cloud.connection import Connection


class InMemory(Connection):
    """The connection to it. Use it within `moto.mock_aws`."""

    @override
    def boto3(self, service: str) -> Any:
        session: Any = boto3.Session("test", "test")
        return session.client(service, region_name=self.region)
