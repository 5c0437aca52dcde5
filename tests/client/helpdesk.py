"""Uses the backend of the example existing-api: uploads, submits, reads and cancels. Needs no other file of the tests.

A test runs it with another Python. It calls the handler with events of API Gateway, as Lambda does, and prints the
answers as JSON. It cancels a job with the text `SLOW_TICKET`. With `ANALYSIS_JOBS_URL`, it also reads a job over HTTP,
blocking and in an event loop.
"""

import asyncio
import base64
import json
import os
import platform
import sys
import time
from typing import Any

import backend
from analysis_jobs.client import AsyncBackend, AsyncClient, Client
from ticket_triage import Triage

TICKET = {"text": "The card was charged twice."}
PATIENCE_S = 240


def ask(method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> dict[str, Any]:
    """Call a route of the backend as the tenant acme."""
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": content_type, "host": "helpdesk.example.com"},
        "requestContext": {
            "authorizer": {"jwt": {"claims": {"tenant": "acme"}}},
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "isBase64Encoded": True,
        "body": base64.b64encode(body or b"").decode(),
    }
    no_context: Any = None
    answer = backend.handler(event, no_context)
    content = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
    return {"status": answer["statusCode"], "body": json.loads(content)}


def submit(**ticket: str) -> dict[str, Any]:
    """Start a triage."""
    return ask("POST", "/tickets/17/triage", json.dumps({**TICKET, **ticket}).encode())


def result_of(job_id: str) -> dict[str, Any]:
    """Wait for the result of a triage."""
    until = time.monotonic() + PATIENCE_S
    while (answer := ask("GET", f"/triages/{job_id}/result"))["status"] == 409 and time.monotonic() < until:
        time.sleep(1)
    return answer


async def read(job_id: str) -> dict[str, Any]:
    """Read a job in an event loop: in process, and over HTTP."""
    in_process = await AsyncBackend(os.environ, "acme").result(job_id, Triage, timeout_s=PATIENCE_S)
    found = {"async backend": in_process.model_dump()}
    if url := os.environ.get("ANALYSIS_JOBS_URL"):
        token, bundle = os.environ["ANALYSIS_JOBS_TOKEN"], os.environ.get("AWS_CA_BUNDLE")
        # A busy machine needs more than two seconds for a connection.
        async with AsyncClient(url, token, ca_bundle=bundle, connect_timeout_s=60) as client:
            found["async client"] = (await client.result(job_id, Triage)).model_dump()
        with Client(url, token, ca_bundle=bundle, connect_timeout_s=60) as client:
            found["client"] = client.result(job_id, Triage).model_dump()
    return found


def main() -> None:
    """Run the whole story."""
    attached = ask("POST", "/attachments/receipt.txt", b"Two payments of 9.99.", "text/plain")
    submitted = submit(attachment=attached["body"]["document"])
    job_id = submitted["body"]["job_id"]
    other = submit(text=os.environ["SLOW_TICKET"])["body"]["job_id"]
    answers = {
        "python": platform.python_version(),
        "attached": attached,
        "submitted": submitted,
        "cancelled": ask("POST", f"/triages/{other}/cancel"),
        "result": result_of(job_id),
        "status": ask("GET", f"/triages/{job_id}"),
        "read": asyncio.run(read(job_id)),
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
