"""Runs one real job through a deployed API, and reports whether it completed.

`smoke.py URL --analysis rfp-analysis --document rfp.pdf`. ANALYSIS_JOBS_TOKEN must contain a token for the API.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from analysis_jobs.cli.environment import TOKEN_VARIABLE
from analysis_jobs.client import Client, ClientError, JobInfo


class SmokeError(Exception):
    """The job did not complete, or the wrong version of the code ran it. The message says why."""


def run_job(api: Client, analysis: str, values: dict[str, Any], *, timeout_s: float) -> JobInfo:
    """Submit a job, wait for its end, and return it.

    Raises `SmokeError` if it does not complete, and `ClientError` if it does not end within `timeout_s`.
    """
    job_id = api.submit(analysis, values).job_id
    print(f"Submitted {analysis} as job {job_id}")
    seen: list[str] = []

    def show(job: JobInfo) -> None:
        if job.status not in seen:
            seen.append(job.status)
            print(f"  {job.status}")

    job = api.wait(job_id, timeout_s=timeout_s, on_status=show)
    if job.status != "completed":
        reason = f"{job.error.code}: {job.error.message}" if job.error else "no error"
        raise SmokeError(f"Job {job_id} {job.status}: {reason}")
    return job


def require_version(job: JobInfo, code_version: str) -> None:
    """Raise `SmokeError` if another version of the code than `code_version` ran the job."""
    if (ran := job.raw.get("code_version")) != code_version:
        raise SmokeError(f"Job {job.job_id} was run by version {ran}, and {code_version} was deployed.")


def main(arguments: list[str] | None = None) -> int:
    """Run the job. Return the exit status: 0 only if it completed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="URL of the API")
    parser.add_argument("--analysis", required=True, help="name of the analysis, for example rfp-analysis")
    parser.add_argument("--document", type=Path, help="file to upload; it becomes the input's field `document`")
    parser.add_argument("--input", type=json.loads, default={}, help="the other fields of the input, as a JSON object")
    parser.add_argument("--code-version", help="fail unless this version of the code ran the job")
    parser.add_argument("--timeout-s", type=float, default=600, help="fail after so many seconds (default: 600)")
    options = parser.parse_args(arguments)
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        print(f"{TOKEN_VARIABLE} is not set: set it to a bearer token for the API.", file=sys.stderr)
        return 2
    try:
        with Client(options.url, token) as api:
            document = {"document": api.upload(options.document)} if options.document else {}
            job = run_job(api, options.analysis, {**options.input, **document}, timeout_s=options.timeout_s)
        if options.code_version:
            require_version(job, options.code_version)
    except (ClientError, SmokeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Completed by version {job.raw.get('code_version')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
