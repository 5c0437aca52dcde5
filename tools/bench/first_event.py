"""The CPU time of the first event after a cold start: the real package under AWS's runtime client, AWS over TLS.

The baseline is an entry point of five lines that imports boto3, makes one client and reads one item.
"""

import importlib
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.emulated import Emulated, emulated
from bench.figures import Figure
from bench.processes import ENVIRONMENT
from bench.sweeps import unpacked

RUNS = 5
_TOPIC = "first-event"
_WANTED = {"api": 1.3, "worker": 1.3}
# boto3 and what it needs.
_LIBRARIES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")

_BASELINE = """
import time
begun = time.process_time()
import boto3
client = boto3.client("dynamodb")
ready_ms = (time.process_time() - begun) * 1000

def handler(event, context):
    begun = time.process_time()
    client.get_item(TableName="jobs", Key={"tenant": {"S": "acme"}, "item": {"S": "job#0"}})
    return {"ready_ms": ready_ms, "event_ms": (time.process_time() - begun) * 1000}
"""
# `ready` is what Lambda does before the first event, and the clients, wherever they are made.
_TIMED = """
import time
begun = time.process_time()
import NAME
NAME._NAME()
ready_ms = (time.process_time() - begun) * 1000

def handler(event, context):
    begun = time.process_time()
    answer = NAME.handler(event, context)
    return {"ready_ms": ready_ms, "event_ms": (time.process_time() - begun) * 1000, "answer": answer}
"""


def measure() -> list[Figure]:
    """Return the ratios of `api` and `worker` to the baseline: ready, and with the first event."""
    with tempfile.TemporaryDirectory() as folder, emulated(Path(folder)) as aws:
        root = unpacked(Path(folder))
        plain = _baseline_root(Path(folder))
        for name in _WANTED:
            (root / f"bench_{name}.py").write_text(_TIMED.replace("NAME", name), encoding="utf-8")
        taken: dict[str, list[dict[str, float]]] = {"baseline": [], **{name: [] for name in _WANTED}}
        for run in range(RUNS + 1):
            for name, runs in taken.items():
                where = (plain, "main") if name == "baseline" else (root, f"bench_{name}")
                found = _started(*where, _event(name, aws, run), aws, Path(folder))
                if run:  # the first run reads the files from disk
                    runs.append(found)
    return _figures(taken)


def _figures(taken: dict[str, list[dict[str, float]]]) -> list[Figure]:
    median = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("ready_ms", "event_ms")}
        for name, runs in taken.items()
    }
    base = median["baseline"]
    figures = []
    for name, wanted in _WANTED.items():
        found = median[name]
        ready = f"{found['ready_ms']:.0f} ms against {base['ready_ms']:.0f} ms"
        figures += [
            Figure(_TOPIC, f"{name}, ready", found["ready_ms"] / base["ready_ms"], "x", wanted=wanted, detail=ready),
            # Not to the baseline's first event: that one is a single request.
            Figure(
                _TOPIC,
                f"{name}, first event",
                found["event_ms"] / base["ready_ms"],
                "x",
                detail=f"{found['event_ms']:.0f} ms; the baseline reads its item in {base['event_ms']:.0f} ms",
            ),
        ]
    return figures


def _baseline_root(folder: Path) -> Path:
    root = folder / "baseline"
    root.mkdir()
    (root / "main.py").write_text(_BASELINE, encoding="utf-8")
    for library in _LIBRARIES:
        file = Path(str(importlib.import_module(library).__file__))
        place = file.parent if file.name == "__init__.py" else file
        (root / place.name).symlink_to(place)
    return root


def _event(name: str, aws: Emulated, run: int) -> dict[str, Any]:
    from tests.handlers.events import http_event, sqs_record  # noqa: PLC0415 - they import the functions

    if name == "baseline":
        return {}
    if name == "api":
        return http_event("GET", f"/jobs/{run:026}", claims={"tenant": "acme", "sub": "u"})
    body = '{"tenant": "acme", "job_id": "' + f"{run:026}" + '"}'
    return {"Records": [sqs_record(body, run, queue="jobs", receipt=aws.queue_url)]}


def _started(root: Path, module: str, event: object, aws: Emulated, folder: Path) -> dict[str, float]:
    """Return the CPU milliseconds of a fresh process until it is ready, and of its first event."""
    from tests.runtime.lambda_runtime import Function, LambdaRuntime  # noqa: PLC0415 - only this needs it

    function = Function(root, f"{module}.handler", 60, 1_024, ENVIRONMENT | aws.variables)
    with LambdaRuntime(function, Path(tempfile.mkdtemp(dir=folder))) as runtime:
        answer = runtime.invoke(event)
        if answer.value is None:
            raise SystemExit(f"{module} did not answer: {answer.error}\n{runtime.log[-2_000:]}")
    found: dict[str, float] = answer.value
    return found
