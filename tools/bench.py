"""Measures the cost of a cold start, the AWS requests of a job, and the size of a package. Writes Markdown.

    python tools/bench.py                            prints the section
    python tools/bench.py --write docs/benchmarks.md replaces the section between the markers in the file

Run it on an idle machine. The requests are counted against moto, so their number is the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from botocore.model import OperationModel

REPOSITORY = Path(__file__).resolve().parent.parent
# On a slow machine too, the requests are those of the job alone.
WITHOUT_HEARTBEATS = {"HEARTBEAT_S": "300", "LEASE_S": "600"}
FOLDERS = ("handlers", "examples/rfp-analysis", "tools", ".")
HANDLERS = ("api", "worker", "sweeper", "events")
RUNS = 7
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

_ENVIRONMENT = {
    "ANALYSES": "rfp_analysis",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BUCKET_NAME": "artifacts",
    "EVENT_BUS_NAME": "default",
    "EVENT_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/events",
    "MODEL_ID": "some.model",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "PROMPT_TABLE_NAME": "prompts",
    "PYTHONPATH": os.pathsep.join(str(REPOSITORY / folder) for folder in FOLDERS[:2]),
    "QUEUE_URLS": '{"medium": "https://sqs.eu-west-1.amazonaws.com/1/jobs"}',
    "TABLE_NAME": "jobs",
}
_BASELINE = "import boto3; boto3.client('dynamodb')"
# What a backend and a module with a declaration import. The aim is 150 ms at most.
OTHERS = {
    "a client of the API": "import analysis_jobs.client",
    "all names of an analysis": "from analysis_jobs import *",
}


def imports() -> dict[str, float]:
    """Return the median CPU milliseconds of each program in fresh processes with bytecode. `boto3` is the baseline."""
    programs = {"boto3": _BASELINE} | OTHERS
    for handler in HANDLERS:
        programs[f"{handler}, imported"] = f"import {handler}"
        programs[f"{handler}, ready"] = f"import {handler}; {handler}._{handler}()"
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for run in range(RUNS + 1):
        for name, program in programs.items():
            milliseconds = _milliseconds(program)
            if run:  # the first run writes the bytecode, and does not count
                taken[name].append(milliseconds)
    return {name: statistics.median(each) for name, each in taken.items()}


def _milliseconds(program: str) -> float:
    timed = f"import time; begun = time.process_time(); {program}; print((time.process_time() - begun) * 1000)"
    run = subprocess.run([sys.executable, "-c", timed], env=_ENVIRONMENT, capture_output=True, text=True, check=True)
    return float(run.stdout)


def requests() -> dict[str, Counter[str]]:
    """Return the AWS requests (`service:Operation` -> count) of each step of one job."""
    sys.path += [str(REPOSITORY / folder) for folder in FOLDERS]
    import boto3  # noqa: PLC0415 - the imports below need the path above

    from analysis_jobs_dev.cloud.stand_in import StandIn  # noqa: PLC0415
    from tests.handlers.deployment import deployed  # noqa: PLC0415
    from tests.handlers.events import call  # noqa: PLC0415

    made: Counter[str] = Counter()
    steps: dict[str, Counter[str]] = {}

    def step[Answer](name: str, take: Callable[[], Answer]) -> Answer:
        made.clear()
        answer = take()
        steps[name] = Counter(made)
        return answer

    def seen(model: OperationModel, **_: object) -> None:
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


def packages() -> list[dict[str, Any]]:
    """Return the manifests in `dist/`, sorted by name."""
    found = sorted((REPOSITORY / "dist").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def section(
    milliseconds: Mapping[str, float], steps: Mapping[str, Counter[str]], manifests: Sequence[Mapping[str, Any]]
) -> str:
    """Return the Markdown section."""
    baseline = milliseconds["boto3"]
    python = ".".join(map(str, sys.version_info[:3]))
    lines = [
        "### Cold import",
        "",
        f"Median of {RUNS} fresh processes with bytecode, CPython {python}. `imported` only imports the module.",
        "`ready` also makes its clients and loads its analysis. The baseline imports boto3 and makes one client.",
        "A backend and a declaration of an analysis need no AWS SDK.",
        "",
        *_table(
            ("program", "CPU ms", "ratio"),
            [(name, f"{each:.0f}", f"{each / baseline:.2f}") for name, each in milliseconds.items()],
        ),
        "",
        "### AWS requests",
        "",
        "For one job with an input and a result that fit into its row. Every heartbeat (15 s by default) adds two",
        "requests: lease and visibility. The requests of Lambda's own SQS poller are not counted.",
        "",
        *_table(
            ("step", "requests", "operations"),
            [(name, str(made.total()), _spelled(made)) for name, made in steps.items()],
        ),
        "",
        "### Package",
        "",
        *_package_lines(manifests),
    ]
    return "\n".join(lines)


def _package_lines(manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    if not manifests:
        return ["There is no package: run `make package` first."]
    rows = [
        (
            f"`dist/{manifest['path']}`",
            f"{manifest['size_bytes'] / 1e6:.1f}",
            f"{manifest['files']['unzipped_bytes'] / 1e6:.1f}",
            str(manifest["files"]["count"]),
        )
        for manifest in manifests
    ]
    return _table(("package", "MB zipped", "MB unzipped", "files"), rows)


def _spelled(made: Counter[str]) -> str:
    return ", ".join(f"{name} x {times}" if times > 1 else name for name, times in made.items()) or "none"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def replaced(text: str, new: str) -> str:
    """Replace the part of `text` between the markers. If `text` has no markers, add them at its end."""
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n".lstrip()
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{rest.partition(END)[2]}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, then print or write the section."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the section between the markers in FILE")
    file: Path | None = parser.parse_args(arguments).write
    milliseconds = imports()
    with redirect_stdout(StringIO()):  # hide the functions' logs
        steps = requests()
    written = section(milliseconds, steps, packages())
    if file is None:
        print(written)
    else:
        text = file.read_text(encoding="utf-8") if file.exists() else "# Benchmarks\n"
        file.write_text(replaced(text, written), encoding="utf-8")
        print(f"{file}: written")


if __name__ == "__main__":
    main()
