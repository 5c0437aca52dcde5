"""Moto behind a TLS port: `python -m bench.moto_process CHAIN KEY`. Moto's own server would need a web framework."""

import re
import sys
from threading import Lock

import requests
from moto import mock_aws

from bench.tls_server import Handler, serve

# Authorization: AWS4-HMAC-SHA256 Credential=test/20261128/eu-west-1/dynamodb/aws4_request, …
_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/")
_ONE_AT_A_TIME = Lock()


class _Moto(Handler):
    def respond(self, body: bytes) -> tuple[int, bytes]:
        scope = _SCOPE.search(self.headers.get("Authorization", ""))
        if scope is None:
            return 400, b"{}"
        region, service = scope.groups()
        url = f"https://{service}.{region}.amazonaws.com{self.path}"
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        with _ONE_AT_A_TIME:
            answer = requests.request(self.command, url, headers=headers, data=body, timeout=60)
        return answer.status_code, answer.content


if __name__ == "__main__":
    with mock_aws():
        serve(_Moto, *sys.argv[1:3])
