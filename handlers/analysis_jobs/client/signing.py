"""Credentials of requests to the API: bearer tokens, and AWS credentials for Signature Version 4."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SERVICE = "execute-api"
_REGION = re.compile(r"\.execute-api(?:-fips)?\.([a-z0-9-]+)\.")


@dataclass
class Sigv4:
    """Signs requests with the credentials of a boto3 session, or with botocore credentials.

    Raises `ValueError` if the Region is not known: it comes from the session or from the API's host name.
    """

    source: Any
    url: str
    region: str | None = None

    def __post_init__(self) -> None:
        host = _REGION.search(urlsplit(self.url).hostname or "")
        region = self.region or (host[1] if host else None) or getattr(self.source, "region_name", None)
        if not region:
            raise ValueError("give a region: neither the API's host name nor the session names one")
        self._region: str = region

    def headers(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> dict[str, str]:
        """Return the headers with a signature. May read or refresh the credentials, so it may block."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - botocore is slow to import, and tokens do not need it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        credentials = self.source.get_credentials() if hasattr(self.source, "get_credentials") else self.source
        if credentials is None:
            raise ValueError("the session has no AWS credentials")
        if hasattr(credentials, "get_frozen_credentials"):
            credentials = credentials.get_frozen_credentials()
        request = AWSRequest(method, url, headers=headers, data=body)
        SigV4Auth(credentials, _SERVICE, self._region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}
