"""What 1,000 jobs of 300 s cost, without the model: counted requests, write units and log bytes, and simulated time.

The counts are those of `counted`, a real run on moto. The time of invocations is that of `packing`. What neither of
them can measure is an assumption, and has a name here.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench import designs
from bench.assumptions import (
    EVENT_BYTES,
    EVENT_MB,
    EVENT_S,
    JOBS,
    MEAN_S,
    PLATFORM_BYTES,
    POLLS,
    TRANSITIONS,
    VARIATION,
    add_calls,
)
from bench.defaults import defaults
from bench.figures import Figure
from bench.packing import BATCH, Packed, Worker, arrivals, durations, simulated
from bench.prices import Bill
from bench.processes import result_of

# An invocation with a cold start is billed from the beginning of its init.
INIT_S = 0.8

type Counts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Load:
    """How 1,000 jobs arrive: `per_s` of them at random moments, or all at once with 0. Their durations may vary."""

    name: str
    per_s: float = 0
    variation: float = VARIATION


ALL_AT_ONCE = Load("all at once")
EQUAL = Load("all at once, equal durations", variation=0)
STEADY = (Load("100 a minute", 100 / 60), Load("10 a minute", 10 / 60), Load("1 a minute", 1 / 60))
# A limit of the lane. Without one, Lambda's pollers start an invocation for most messages that arrive alone.
MOST = 10


def packed(worker: Worker, load: Load) -> Packed:
    """Return what 1,000 jobs of this load take in invocations of this worker."""
    return simulated(worker, arrivals(JOBS, load.per_s), durations(JOBS, MEAN_S, load.variation))


def bill(memory_mb: int, invocations: Packed, one: Counts, ten: Counts, polls: int = POLLS) -> Bill:
    """Return what is billed for 1,000 jobs.

    `one` are the counts of one job in an invocation, and `ten` those of ten jobs that share one.
    """
    made = Bill()
    alone, together = _requests(one, 1), _requests(ten, BATCH)
    # Not more than ten: a request that is sent for all jobs of an invocation has ten messages at most.
    share = min(max(invocations.jobs_at_once, 1), BATCH)
    for name in alone.keys() | together.keys():
        # What is sent for each job, and what is sent once for all jobs of an invocation.
        each = (together[name] - alone[name] / BATCH) / (1 - 1 / BATCH)
        made.add(name, (each + (alone[name] - each) / share) * JOBS)
    # Lambda receives and deletes the messages of a batch. An invocation does it for each further job.
    made.add("sqs_request", 2 * invocations.invocations + invocations.refilled + invocations.receives)
    made.add("lambda_gb_s_arm64", (invocations.invocation_s + INIT_S * invocations.invocations) * memory_mb / 1_024)
    made.add("lambda_request", invocations.invocations)
    made.add("log_byte", JOBS * (one["submit"]["log_bytes"] + one["work"]["log_bytes"]))
    made.add("log_byte", invocations.invocations * PLATFORM_BYTES)
    _add_events(made, JOBS * sum(step["events"] for step in one.values()))
    add_calls(made, JOBS * (1 + polls), "lambda_gb_s_arm64")
    made.add("dynamodb_read", JOBS * polls)
    made.add("log_byte", JOBS * polls * one["poll"]["log_bytes"])
    return made


def _add_events(made: Bill, records: int) -> None:
    """Add the events function. `records` of the table's stream pass its filter, and start it one by one."""
    made.add("event", JOBS * TRANSITIONS)
    made.add("lambda_request", records)
    made.add("lambda_gb_s_arm64", records * EVENT_S * EVENT_MB / 1_024)
    made.add("log_byte", records * (PLATFORM_BYTES + EVENT_BYTES))


def _requests(counts: Counts, jobs: int) -> defaultdict[str, float]:
    """Return what the submission and the work of one job send, by the names of the prices."""
    found: defaultdict[str, float] = defaultdict(float)
    for step in ("submit", "work"):
        found["dynamodb_write"] += sum(counts[step]["units"].values()) / jobs
        for request, times in counts[step]["requests"].items():
            if name := price_of(request):
                found[name] += times / jobs
    return found


def price_of(request: str) -> str | None:
    """Return the name of a request's price, for `service:Operation`; None if units are billed and not requests."""
    service, operation = request.split(":")
    if service == "sqs":
        return "sqs_request"
    if service == "s3":
        return "s3_write" if operation.startswith(("Put", "Copy", "List", "Create", "Upload")) else "s3_read"
    if service == "dynamodb" and operation in ("GetItem", "Query", "BatchGetItem"):
        return "dynamodb_read"
    return None


def counted() -> tuple[Counts, Counts]:
    """Return the counts of one job alone, and of ten jobs that share an invocation."""
    alone, together = (result_of("counted", json.dumps({"jobs": jobs})) for jobs in (1, BATCH))
    return alone, together


def measure() -> list[Figure]:
    """Return the USD of 1,000 jobs: for the defaults with each load, for other settings, and for each design."""
    one, ten = counted()
    default = defaults()
    figures = [
        _figure(f"the defaults, {load.name}", bill(default.memory_mb, packed(default.worker, load), one, ten), wanted)
        for load, wanted in ((ALL_AT_ONCE, 0.20), (EQUAL, 0.15), *((load, None) for load in STEADY))
    ]
    limited = replace(default.worker, maximum_concurrency=MOST)
    for load in (ALL_AT_ONCE, *STEADY):
        name = f"the defaults, maximum_concurrency = {MOST}, {load.name}"
        figures.append(_figure(name, bill(default.memory_mb, packed(limited, load), one, ten)))
    for memory_mb in (256, 1_024):
        alone = packed(Worker(1, refills=False), ALL_AT_ONCE)
        figures.append(_figure(f"one job in an invocation, {memory_mb:,} MB", bill(memory_mb, alone, one, ten)))
    return figures + [_figure(f"{design.name}: {design.how}", designs.bill(design)) for design in designs.DESIGNS]


def _figure(name: str, made: Bill, wanted: float | None = None) -> Figure:
    parts = ", ".join(f"{part} {usd:.3f}" for part, usd in made.parts.items() if round(usd, 3))
    return Figure("cost", name, round(made.usd, 4), "USD", counted=True, wanted=wanted, detail=parts)
