"""How many rows a sweep handles in one invocation of 50 s: the real package under AWS's runtime client.

The table is `table_process`, with the latencies of AWS. The function has one processor of this machine. On Lambda it
has a share of one, which follows from its memory: the figures count with that share.
"""

import json
import math
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from analysis_jobs.stores.items import DUE_SHARDS
from bench.emulated import server
from bench.figures import Figure
from bench.prices import Bill
from bench.processes import ENVIRONMENT, REPOSITORY

TIMEOUT_S = 50
# As in modules/analysis-jobs/sweeper.tf: a test compares them.
MEMORY_MB = 1_024
# With this memory a function has one whole processor, and with less a share:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
ONE_PROCESSOR_MB = 1_769
LIVING, OVERDUE = 100_000, 10_000
# What the invocations of a long outage find: simulated with the times of one invocation.
RUNNING, BACKLOG = 100_000, 1_000_000
_SWEEP_S = 60
_SWEEPS_OF_A_MONTH = 30 * 24 * 60
_MARGIN_S = 5
# What a `GetItem` takes on an idle processor. A busy machine stretches CPU times, so rows are counted in GetItems.
GET_ITEM_MS = 1.0
QUERY_S = 0.004
_TOPIC = "sweeper"


def measure() -> list[Figure]:
    """Return the rows of a sweep, whether it wrote its metrics, and how long a large backlog takes."""
    with tempfile.TemporaryDirectory() as folder:
        root = unpacked(Path(folder))
        nothing = _swept(root, Path(folder), 0, 0, invocations=2)  # the first one opens its connections
        living = _swept(root, Path(folder), LIVING, 0)
        overdue = _swept(root, Path(folder), 0, OVERDUE)
        both = _swept(root, Path(folder), LIVING, OVERDUE)
    return [
        *_figures(f"{LIVING:,} living rows", living, LIVING),
        *_figures(f"{OVERDUE:,} overdue rows", overdue, OVERDUE),
        *_figures(f"{LIVING:,} living and {OVERDUE:,} overdue rows", both, None),
        *_backlog(living, overdue),
        _idle(nothing),
    ]


def processor(memory_mb: int = MEMORY_MB) -> float:
    """Return the share of a processor that a function with this memory has."""
    return memory_mb / ONE_PROCESSOR_MB


def _figures(name: str, swept: dict[str, Any], wanted: float | None) -> list[Figure]:
    handled, each = sum(swept["steps"].values()), _get_items(swept)
    measured = f"{handled:,} rows in {swept['seconds']:.0f} s on this machine"
    rows = (TIMEOUT_S - _MARGIN_S) * 1_000 * processor() / (each * GET_ITEM_MS)
    return [
        Figure(_TOPIC, f"{name}: CPU of a row", each, "GetItem", detail=measured),
        Figure(
            _TOPIC,
            f"{name}: rows of an invocation with {MEMORY_MB:,} MB",
            round(rows, -2),
            "rows",
            higher_is_better=True,
            wanted=wanted,
        ),
        Figure(
            _TOPIC, f"{name}: wrote its metrics", swept["metrics"], "", counted=True, higher_is_better=True, wanted=1
        ),
    ]


def _backlog(living: dict[str, Any], overdue: dict[str, Any]) -> list[Figure]:
    """Return how long an outage's backlog takes: each sweep passes by the living rows, and takes the oldest overdue."""
    living_ms, overdue_ms = (_get_items(swept) * GET_ITEM_MS / processor() for swept in (living, overdue))
    minutes = backlog_minutes(living_ms / 1_000, overdue_ms / 1_000)
    detail = f"{living_ms:.2f} ms a living row, {overdue_ms:.2f} ms an overdue row"
    name = f"{BACKLOG:,} overdue and {RUNNING:,} running jobs: all have had their step (simulated)"
    return [Figure(_TOPIC, name, minutes, "minutes", detail=detail)]


def _idle(nothing: dict[str, Any]) -> Figure:
    """Return the CPU time of a sweep without a due row, and what its sweeps cost with two sizes of memory."""
    get_items = nothing["cpu_ms"] / nothing["get_item_ms"]
    costs = ", ".join(
        f"{usd_a_month(get_items, mb):.3f} USD a month with {mb:,} MB" for mb in (MEMORY_MB // 2, MEMORY_MB)
    )
    return Figure(_TOPIC, "nothing overdue: CPU of a sweep", get_items, "GetItem", detail=costs)


def usd_a_month(get_items: float, memory_mb: int) -> float:
    """Return what the sweeps of a month cost, if each waits for its queries and takes this CPU time."""
    seconds = DUE_SHARDS * QUERY_S + get_items * GET_ITEM_MS / 1_000 / processor(memory_mb)
    bill = Bill()
    bill.add("lambda_gb_s_arm64", _SWEEPS_OF_A_MONTH * seconds * memory_mb / 1_024)
    bill.add("lambda_request", _SWEEPS_OF_A_MONTH)
    return bill.usd


def _get_items(swept: dict[str, Any]) -> float:
    """Return the CPU time of a row, in units of one `GetItem` by boto3 in the same process."""
    each_ms: float = swept["cpu_ms"] / sum(swept["steps"].values())
    return each_ms / float(swept["get_item_ms"])


def backlog_minutes(living_s: float, overdue_s: float, running: int = RUNNING, backlog: int = BACKLOG) -> float:
    """Return after how many minutes each overdue job has had a step. A sweep begins every minute.

    The rows come in the order of their due time, so a sweep meets the living rows between the overdue ones: the first
    sweeps meet few of them. A living row is read again by every sweep that gets so far.
    """
    time_s, left, sweeps = TIMEOUT_S - _MARGIN_S, backlog, 0
    while left > 0:
        share = running / (running + left)
        met_s = share * living_s + (1 - share) * overdue_s
        stepped = min(left, math.floor(time_s / met_s * (1 - share)))
        if not stepped:
            return math.inf
        left, sweeps = left - stepped, sweeps + 1
    return sweeps * _SWEEP_S / 60


def unpacked(folder: Path) -> Path:
    """Unpack the package for this machine, with the analyses of the benchmarks beside it.

    Raises `SystemExit` if there is none: `make package` builds it.
    """
    from analysis_jobs_dev.packager import HOST  # noqa: PLC0415 - the packager takes a while to import

    zips = sorted((REPOSITORY / "dist").glob(f"*-{HOST.name}.zip"))
    if not zips:
        raise SystemExit("There is no package in dist/. Run `make package` first.")
    root = folder / "task"
    with zipfile.ZipFile(zips[0]) as archive:
        archive.extractall(root)
    shutil.copy(REPOSITORY / "tools" / "bench" / "analyses.py", root / "bench_analyses.py")
    return root


def _swept(root: Path, folder: Path, living: int, overdue: int, invocations: int = 1) -> dict[str, Any]:
    """Run sweeps. Return the steps of the last one, its time and CPU time, and whether it wrote its metrics."""
    from tests.runtime.lambda_runtime import Function, LambdaRuntime  # noqa: PLC0415 - only this needs it

    (root / "bench_sweep.py").write_text(_TIMED, encoding="utf-8")
    scratch = Path(tempfile.mkdtemp(dir=folder))
    with server("table_process", folder, str(living), str(overdue)) as (url, bundle):
        aws = {"AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": str(bundle)}
        function = Function(root, "bench_sweep.handler", TIMEOUT_S, MEMORY_MB, ENVIRONMENT | aws)
        with LambdaRuntime(function, scratch) as runtime:
            for _ in range(invocations):
                answer = runtime.invoke({})
            metrics = sum('"Sweeps"' in line and '"_aws"' in line for line in runtime.log.splitlines()) == invocations
    if answer.value is None:
        raise SystemExit(f"the sweep was killed, or failed: {answer.error}")
    return {**answer.value, "metrics": int(metrics)}


# The entry point of the sweeper, which also says how much CPU time the event took, and a GetItem before and after it.
_TIMED = """
import statistics
import time
import boto3
import sweeper

client = boto3.client("dynamodb")
key = {"tenant": {"S": "acme"}, "item": {"S": "job#0"}}

def get_items():
    taken = []
    for _ in range(100):
        begun = time.process_time()
        client.get_item(TableName="jobs", Key=key, ConsistentRead=True)
        taken.append((time.process_time() - begun) * 1000)
    return taken

def handler(event, context):
    before = get_items()
    began, begun = time.monotonic(), time.process_time()
    steps = sweeper.handler(event, context)
    cpu_ms = (time.process_time() - begun) * 1000
    seconds = time.monotonic() - began
    get_item_ms = statistics.median([*before, *get_items()])
    return {"steps": steps, "cpu_ms": cpu_ms, "seconds": seconds, "get_item_ms": get_item_ms}
"""


if __name__ == "__main__":
    print(json.dumps([figure.text for figure in measure()]))
