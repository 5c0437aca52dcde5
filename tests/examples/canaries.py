"""Runs the canaries of an example on its stack, as a deployment does."""

import json
from typing import Any

from analysis_jobs.base.clock import SystemClock
from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import EXAMPLES
from analysis_jobs_dev.packager import HOST
from analysis_jobs_dev.release.canaries import Canaries, CanaryResult
from analysis_jobs_dev.release.paths import ThroughTheApi
from analysis_jobs_dev.release.versions import Versions


def run(stack: Deployed) -> list[CanaryResult]:
    """Return how the canaries of the example ended."""
    manifest: dict[str, Any] = json.loads(
        (stack.folder / "package" / f"{stack.example}-{HOST.name}.json").read_text("utf-8")
    )
    clock, versions = SystemClock(), Versions(stack.boto3("lambda"), stack.outputs["function_names"])
    path = ThroughTheApi(versions, clock, trusted=stack.connection.ca_bundle)
    worker = stack.outputs["function_names"]["worker"]
    return Canaries(path, EXAMPLES / stack.example, clock, stack.boto3("logs"), worker).run(manifest)
