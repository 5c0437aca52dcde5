"""Turns the JSON result of a job into the type that the caller wants."""

import json
from typing import Any

from analysis_jobs.client.errors import InvalidResult, JobFailed, NotFinished
from analysis_jobs.client.interface import Jobs
from analysis_jobs.client.jobs import JobInfo, Result


def whole_answer(jobs: Jobs, job: JobInfo) -> dict[str, Any]:
    """Return the whole answer for a job as JSON. A result that the answer only links to is read and added."""
    answer = dict(job.raw)
    if job.result_url:
        answer["result"] = jobs.result(job.job_id, object)
    return answer


def validated(job: JobInfo, result: object, type_: type[Result]) -> Result:
    """Return the result of a completed job as `type_`. `result` is its JSON value.

    Raises `NotFinished`, `JobFailed` and `InvalidResult`.
    """
    if not job.ended:
        raise NotFinished(f"job {job.job_id} is still {job.status}", job)
    if job.status != "completed":
        raise JobFailed(job)
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - slow to import; only results need it

    try:
        # As JSON and not as Python values, so that strict models accept dates and the like.
        return TypeAdapter(type_).validate_json(json.dumps(result))
    except ValidationError as error:
        name = getattr(type_, "__name__", str(type_))
        raise InvalidResult(f"the result of job {job.job_id} is not a {name}: {error}") from error
