"""Runs one real job through a deployed API and tells whether it completed.

`smoke.py URL --analysis rfp-analysis --document rfp.pdf` with a token in ANALYSIS_JOBS_TOKEN.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from analysis_jobs.cli.environment import TOKEN_VARIABLE
from analysis_jobs.client.http import CallError, Client

LONG_POLL_S = 20
POLL_S = 1.0


class SmokeError(Exception):
    """The job could not be run, or did not end well; the message says how."""


def run_job(api: Client, analysis: str, values: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Submit a job, wait for its end, and return it.

    Raises SmokeError where it does not complete, TimeoutError where it does not end within `timeout_s`.
    """
    job_id = api.submit(analysis, values)["job_id"]
    print(f"Submitted {analysis} as job {job_id}")
    seen: list[str] = []

    def show(job: dict[str, Any]) -> None:
        if job["status"] not in seen:
            seen.append(job["status"])
            print(f"  {job['status']}")

    job = api.ended(job_id, timeout_s=timeout_s, poll_s=POLL_S, wait_s=LONG_POLL_S, on_status=show)
    if job["status"] != "completed":
        error = job.get("error") or {}
        reason = f"{error.get('code', 'no code')}: {error.get('message', 'no message')}"
        raise SmokeError(f"Job {job_id} {job['status']}: {reason}")
    return job


def require_version(job: dict[str, Any], code_version: str) -> None:
    """Refuse a job that other code than `code_version` has done."""
    if job.get("code_version") != code_version:
        ran = job.get("code_version")
        raise SmokeError(f"Job {job['job_id']} was run by version {ran}, and {code_version} was deployed.")


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit status: 0 only where it completed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="the API")
    parser.add_argument("--analysis", required=True)
    parser.add_argument("--document", type=Path, help="a PDF to upload, the input's `document`")
    parser.add_argument("--input", type=json.loads, default={}, help="the input's other fields, JSON")
    parser.add_argument("--code-version", help="the version that must have done the work")
    parser.add_argument("--timeout-s", type=float, default=600)
    options = parser.parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        print(f"{TOKEN_VARIABLE} is not set: the API wants a token.", file=sys.stderr)
        return 2
    api = Client(options.url, token)
    try:
        document = {"document": api.upload(options.document)} if options.document else {}
        job = run_job(api, options.analysis, {**options.input, **document}, timeout_s=options.timeout_s)
        if options.code_version:
            require_version(job, options.code_version)
    except (CallError, SmokeError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Completed by version {job.get('code_version')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
