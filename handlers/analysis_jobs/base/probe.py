"""The probe of a deployment: a direct invocation that shows whether a version of a function can start.

Nobody else can send one: SQS, EventBridge, DynamoDB and API Gateway make the whole event, except for its body and its
records.
"""

from typing import Any

from analysis_jobs.base.settings import variable

PROBE = {"analysis_jobs_probe": True}


def is_probe(event: Any) -> bool:
    """Return whether an event is a probe."""
    return isinstance(event, dict) and event == PROBE


def answer() -> dict[str, Any]:
    """Return the answer of a function that has made its services. They have sent no request by then."""
    return {"probe": "ok", "code_version": variable("CODE_VERSION")}
