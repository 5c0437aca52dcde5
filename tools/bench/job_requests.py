"""The AWS requests of each step of a job, counted on moto."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING
from unittest.mock import patch

import boto3

from bench.figures import Figure
from bench.processes import OF_BENCHMARKS, REPOSITORY

if TYPE_CHECKING:
    from botocore.model import OperationModel

# On a slow machine too, the requests are those of the job alone.
WITHOUT_HEARTBEATS = {"HEARTBEAT_S": "300", "LEASE_S": "600"}


def requests() -> dict[str, Counter[str]]:
    """Return the AWS requests (`service:Operation` -> count) of each step of one job."""
    sys.path += [str(REPOSITORY / folder) for folder in OF_BENCHMARKS]
    from analysis_jobs_dev.cloud.stand_in import StandIn  # noqa: PLC0415 - the imports need the path above
    from tests.handlers.deployment import deployed  # noqa: PLC0415 - as above
    from tests.handlers.events import call  # noqa: PLC0415 - as above

    made: Counter[str] = Counter()
    steps: dict[str, Counter[str]] = {}

    def step[Answer](name: str, take: Callable[[], Answer]) -> Answer:
        made.clear()
        answer = take()
        steps[name] = Counter(made)
        return answer

    def seen(model: "OperationModel", **_: object) -> None:
        made[f"{model.service_model.service_name}:{model.name}"] += 1

    document = REPOSITORY / "examples" / "rfp-analysis" / "documents" / "riverside-digital-heritage.pdf"
    wanted = {"filename": document.name, "content_type": "application/pdf", "size": document.stat().st_size}
    boto3.setup_default_session()
    with StandIn() as stand_in, deployed(stand_in.url) as stack, patch.dict(os.environ, WITHOUT_HEARTBEATS):
        boto3.DEFAULT_SESSION.events.register("before-call", seen)  # type: ignore[union-attr]
        upload = step("POST /uploads", lambda: call("POST", "/uploads", wanted)).json
        stack.upload(upload["upload"]["fields"], document.read_bytes())
        body = {"analysis": "rfp-analysis", "input": {"document": upload["document"]}}
        job_id = step("POST /jobs", lambda: call("POST", "/jobs", body)).json["job_id"]
        records = stack.messages()
        step("the worker, one job", lambda: stack.work(*records))
        step("the worker, the same message again", lambda: stack.work(*records))
        job = step("GET /jobs/{job_id}", lambda: call("GET", f"/jobs/{job_id}")).json
        step("GET /jobs", lambda: call("GET", "/jobs"))
        step("the sweeper, nothing overdue", stack.sweep)
        own = {"document": upload["document"]}
        key = {"Idempotency-Key": "bench"}
        step("an own route, with a key", lambda: call("POST", "/proposals/42/analyze-rfp", own, headers=key))
        step("the same key again", lambda: call("POST", "/proposals/42/analyze-rfp", own, headers=key))
        step("an own status route", lambda: call("GET", "/proposals/42/analysis-status"))
    boto3.DEFAULT_SESSION = None
    if job["status"] != "completed":
        raise SystemExit(f"The benchmark's job did not complete, so its requests are not comparable: {job['error']}")
    return steps


def measure() -> list[Figure]:
    """Return the number of requests of each step."""
    with redirect_stdout(StringIO()):  # hide the functions' logs
        steps = requests()
    return [
        Figure("requests", name, made.total(), "", counted=True, detail=spelled(made)) for name, made in steps.items()
    ]


def spelled(made: Counter[str]) -> str:
    """Return the operations as text."""
    return ", ".join(f"{name} x {times}" if times > 1 else name for name, times in made.items()) or "none"
