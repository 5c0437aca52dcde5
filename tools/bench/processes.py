"""Runs the programs of the benchmarks in fresh processes, and reads what they print."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# What a function has on its path, and what a benchmark needs beside it.
OF_FUNCTIONS = ("handlers", "examples/rfp-analysis")
OF_BENCHMARKS = (*OF_FUNCTIONS, "tools", ".")
RESULT = "bench-result: "

ENVIRONMENT = {
    "ANALYSES": "rfp_analysis",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BUCKET_NAME": "artifacts",
    "EVENT_BUS_NAME": "default",
    "EVENT_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/events",
    "MODEL_ID": "some.model",
    "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "PROMPT_TABLE_NAME": "prompts",
    "QUEUE_URLS": '{"medium": "https://sqs.eu-west-1.amazonaws.com/1/jobs"}',
    "TABLE_NAME": "jobs",
}


def environment(folders: Sequence[str], **more: str) -> dict[str, str]:
    """Return the environment of a program: nothing of the caller's."""
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in folders)
    return {"PATH": os.defpath, **ENVIRONMENT, "PYTHONPATH": path, **more}


def cpu_ms(program: str, folders: Sequence[str] = OF_FUNCTIONS) -> float:
    """Return the CPU milliseconds of a program in a fresh process, without the start of Python."""
    timed = f"import time; begun = time.process_time(); {program}; print((time.process_time() - begun) * 1000)"
    run = subprocess.run(
        [sys.executable, "-c", timed], env=environment(folders), capture_output=True, text=True, check=True
    )
    return float(run.stdout.splitlines()[-1])


def result_of(module: str, *arguments: str, more: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Run a module of the benchmarks in a fresh process. Return the JSON that it prints after `RESULT`.

    Raises `SystemExit` with its output if it fails.
    """
    run = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *arguments],
        env=environment(OF_BENCHMARKS, **(more or {})),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in run.stdout.splitlines() if line.startswith(RESULT)]
    if run.returncode or not found:
        raise SystemExit(f"bench.{module} failed:\n{run.stdout[-2_000:]}\n{run.stderr[-4_000:]}")
    return json.loads(found[-1].removeprefix(RESULT))


def report(result: object) -> None:
    """Print what `result_of` returns to the other process."""
    print(RESULT + json.dumps(result))
