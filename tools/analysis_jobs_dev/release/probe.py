"""Tests whether the newest version of each function starts, and is the code of the package.

A probe is a direct invocation. The function imports everything, makes its services, and answers; it does no work.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from analysis_jobs.base.clock import Clock
from analysis_jobs.base.probe import PROBE
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.versions import CANDIDATE, Versions

# Lambda prepares a version in a VPC or with a snapshot for some minutes, and refuses invocations until then.
_LONGEST_PREPARATION = timedelta(minutes=10)
_PAUSE = timedelta(seconds=3)
_LOG_LINES = 15


@dataclass(frozen=True)
class Answer:
    """The answer of a direct invocation. `error` is empty if the function returned; `log` has its last lines."""

    payload: Any
    error: str
    log: Sequence[str]


def invoke(versions: Versions, function: str, event: Mapping[str, Any], clock: Clock) -> Answer:
    """Invoke the newest version of a function."""
    client, begun = versions.client, clock.now()
    while True:
        try:
            answer = client.invoke(
                FunctionName=versions.functions[function],
                Qualifier=CANDIDATE,
                LogType="Tail",
                Payload=json.dumps(event).encode(),
            )
            break
        except client.exceptions.ResourceConflictException:
            if clock.now() - begun > _LONGEST_PREPARATION:
                raise
            clock.sleep(_PAUSE)
    payload = json.loads(answer["Payload"].read() or "null")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace").splitlines()[-_LOG_LINES:]
    return Answer(payload, _error_of(payload) if "FunctionError" in answer else "", log)


def probe(versions: Versions, functions: Sequence[str], wanted: Mapping[str, Any], clock: Clock) -> None:
    """Probe functions at the same time. `wanted` is the package's manifest. Raises `ReleaseError` if one fails."""
    with ThreadPoolExecutor(len(functions) or 1, thread_name_prefix="probe") as threads:
        probes = [threads.submit(_probe, versions, function, wanted, clock) for function in functions]
    for each in probes:
        each.result()


def _probe(versions: Versions, function: str, wanted: Mapping[str, Any], clock: Clock) -> None:
    name = versions.functions[function]
    answer = invoke(versions, function, PROBE, clock)
    if answer.error:
        raise ReleaseError(f"The function {name} does not start: {answer.error}", answer.log)
    found = answer.payload.get("code_version") if isinstance(answer.payload, dict) else None
    if found is None:
        raise ReleaseError(
            f"The function {name} does not answer a probe: its package has an older version of analysis-jobs. "
            "Build the package again."
        )
    if found != wanted["version"]:
        raise ReleaseError(f"The function {name} runs the code {found}, and the package is {wanted['version']}.")
    sha256 = versions.configuration(function, CANDIDATE)["CodeSha256"]
    if sha256 != wanted["sha256_base64"]:
        raise ReleaseError(
            f"The code of the function {name} has the SHA-256 {sha256}, and the package has "
            f"{wanted['sha256_base64']}: something else was deployed in between. Deploy again."
        )


def _error_of(payload: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(payload, dict):
        return str(payload)
    return f"{payload.get('errorType', 'an error')}: {payload.get('errorMessage', 'without a message')}"
