"""The load at which each part of the system ends: a limit of AWS, divided by what one job takes of it.

The limits are AWS's documented ones. What a job takes of a partition is counted by a run (`counted`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.assumptions import MEAN_S, POLLS, TRANSITIONS
from bench.defaults import defaults
from bench.figures import Figure
from bench.processes import REPOSITORY, result_of
from bench.token_buckets import PARTITION_WRITES, equal_shares, simulated, skewed_shares

# The limits, each with its page in LIMITS below.
TABLE_WRITES = 40_000
MAPPING_BATCHES = 1_000
ACCOUNT_CONCURRENCY = 1_000
IN_FLIGHT, IN_FLIGHT_FIFO = 120_000, 20_000
EVENTS_PER_S = 10_000
HTTP_RATE = 10_000
# Bedrock's quotas differ by model and account. This is the example in docs/operations.md.
TOKENS_PER_MINUTE, TOKENS_OF_A_JOB = 2_000_000, 12_000 + 5 * 4_000
# A write a job when it joins the order of its lane, and one when it leaves it.
LANE_WRITES = 2

_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
LIMITS = {
    "partition": f"[1,000 write units a second]({_DYNAMODB}/bp-partition-key-design.html)",
    "table": f"[40,000 write units a second, a quota]({_DYNAMODB}/ServiceQuotas.html)",
    "mapping": f"[1,000 batches at a time, 300 more a minute]({_LAMBDA}/services-sqs-scaling.html)",
    "account": f"[1,000 at a time, a quota; a new account may have 10]({_LAMBDA}/gettingstarted-limits.html)",
    "queue": (
        "[120,000 messages in flight](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
        "quotas-messages.html)"
    ),
    "fifo": (
        "[20,000 messages in flight](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
        "quotas-fifo.html)"
    ),
    "bus": (
        "[10,000 events a second, a quota; 600 in the smallest Regions]"
        "(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html)"
    ),
    "http": (
        "[10,000 requests a second, a quota](https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)"
    ),
    "tokens": (
        "[tokens a minute, by model and account](https://docs.aws.amazon.com/bedrock/latest/userguide/quotas.html)"
    ),
}


@dataclass(frozen=True)
class Wall:
    """Where a part ends: its formula and source, the alarm that shows it, and what to do."""

    name: str
    jobs_per_s: float
    formula: str
    source: str
    alarm: str
    remedy: str


def walls(taken: Mapping[str, float], rows_of_a_sweep: float | None = None) -> list[Wall]:
    """Return the walls, the lowest first.

    `taken` are the write units of a job by index. `table` is the table without indexes, and `all` the sum.
    """
    found = [
        *_model_and_api(_default_rate()),
        *_worker(defaults().worker.slots),
        *_lanes(),
        *_table(taken, _shards()),
        *_events(),
    ]
    if rows_of_a_sweep:
        found.append(_sweeper(rows_of_a_sweep))
    return sorted(found, key=lambda wall: wall.jobs_per_s)


def _model_and_api(rate: int) -> list[Wall]:
    """Return the walls of the model's quota and of the API's rates."""
    return [
        Wall(
            "the model's quota, for example 2,000,000 tokens a minute",
            TOKENS_PER_MINUTE / 60 / TOKENS_OF_A_JOB,
            "tokens a minute / 60 / (input + 5 x output)",
            LIMITS["tokens"],
            "`oldest-message-<lane>`; the graph *Jobs* shows requeued ones",
            "ask AWS for more, use profiles of more Regions, or set a lane's `maximum_concurrency` to what the quota "
            "carries",
        ),
        Wall(
            "the API, at its default rate",
            rate / (1 + POLLS),
            f"{rate} requests a second / (1 submission + {POLLS} polls)",
            "`api.throttling.rate`",
            "none: callers get 429 and come back",
            "raise `api.throttling`, poll less, use events, or submit in the process of a backend",
        ),
        Wall(
            "the HTTP API, with its rate raised to the account's",
            HTTP_RATE / (1 + POLLS),
            f"10,000 / (1 submission + {POLLS} polls)",
            LIMITS["http"],
            "none: callers get 429 and come back",
            "ask AWS for more",
        ),
    ]


def _worker(slots: int) -> list[Wall]:
    """Return the walls of the invocations that run at a time."""
    return [
        Wall(
            "a lane's mapping, one job in an invocation",
            MAPPING_BATCHES / MEAN_S,
            "1,000 / seconds of a job",
            LIMITS["mapping"],
            "`oldest-message-<lane>`",
            "declare `mostly_waits` or set `worker.jobs_per_invocation`; use more lanes, or more stacks",
        ),
        Wall(
            f"a lane's mapping, {slots} jobs in an invocation",
            MAPPING_BATCHES * slots / MEAN_S,
            f"1,000 x {slots} / seconds of a job",
            LIMITS["mapping"],
            "`oldest-message-<lane>`",
            "use more lanes, or more stacks",
        ),
        Wall(
            f"the account's concurrency, {slots} jobs in an invocation",
            ACCOUNT_CONCURRENCY * slots / MEAN_S,
            f"1,000 x {slots} / seconds of a job",
            LIMITS["account"],
            "`worker-throttles`",
            "ask AWS for more; set `maximum_concurrency` of the lanes below it",
        ),
    ]


def _lanes() -> list[Wall]:
    """Return the walls of the messages that are in flight in a queue."""
    return [
        Wall(
            "a FIFO lane",
            IN_FLIGHT_FIFO / MEAN_S,
            "20,000 / seconds of a job",
            LIMITS["fifo"],
            "`oldest-message-<lane>`",
            "use a standard queue where no order is needed",
        ),
        Wall(
            "a standard lane",
            IN_FLIGHT / MEAN_S,
            "120,000 / seconds of a job",
            LIMITS["queue"],
            "`oldest-message-<lane>`",
            "use more lanes",
        ),
    ]


def _table(taken: Mapping[str, float], shards: int) -> list[Wall]:
    """Return the walls of the writes that partitions, indexes and the table take."""
    return [
        Wall(
            "a tenant's partition of the table",
            PARTITION_WRITES / taken["table"],
            f"1,000 / {taken['table']:g} write units",
            LIMITS["partition"],
            "`api-5xx`, `jobs-not-sent`; DynamoDB's `WriteThrottleEvents` of the table",
            "fewer heartbeats (`lease.heartbeat_s`), fewer checkpoints; see [the decision](#a-tenants-partition)",
        ),
        Wall(
            "`by-status`, a tenant",
            PARTITION_WRITES / taken["by-status"],
            f"1,000 / {taken['by-status']:g} write units with one key",
            LIMITS["partition"],
            "as the tenant's partition; `WriteThrottleEvents` of the index",
            "nothing: the tenant's partition ends before",
        ),
        Wall(
            "`waiting`, a lane with tiers",
            PARTITION_WRITES / LANE_WRITES,
            f"1,000 / {LANE_WRITES} write units",
            LIMITS["partition"],
            "`WriteThrottleEvents` of the index",
            "leave tiers out of that analysis, or spread it over the lanes",
        ),
        Wall(
            f"`due`, a stack with {shards} shards",
            PARTITION_WRITES * shards / taken["due"],
            f"{shards} x 1,000 / {taken['due']:g} write units",
            LIMITS["partition"],
            "`WriteThrottleEvents` of the index",
            "more stacks; see [below](#what-was-not-lifted)",
        ),
        Wall(
            "the table's quota, a stack",
            TABLE_WRITES / taken["all"],
            f"40,000 / {taken['all']:g} write units",
            LIMITS["table"],
            "DynamoDB's `WriteThrottleEvents` of the table",
            "ask AWS for more",
        ),
    ]


def _events() -> list[Wall]:
    """Return the wall of the events that the bus takes."""
    return [
        Wall(
            "EventBridge",
            EVENTS_PER_S / TRANSITIONS,
            f"10,000 / {TRANSITIONS} events",
            LIMITS["bus"],
            "`events-late`",
            "ask AWS for more. No event is lost within 22 hours",
        ),
    ]


def _sweeper(rows_of_a_sweep: float) -> Wall:
    """Return the wall of the running jobs that one sweep can read."""
    return Wall(
        "the sweeper: it reads each running job once a minute",
        rows_of_a_sweep / MEAN_S,
        f"{rows_of_a_sweep:,.0f} rows / seconds of a job",
        "[measured](benchmarks.md#sweeper)",
        "`sweeper-silent` stays quiet; the metric `SweepsOutOfTime`",
        "more stacks. Overdue jobs come first, so a crash is noticed later, and never forgotten",
    )


def units_of_a_job() -> dict[str, float]:
    """Return the write units of a counted job by index, and of `all`. Of `by-status` it is the most of one key."""
    counts: dict[str, Any] = result_of("counted", json.dumps({}))
    found: dict[str, dict[str, float]] = {}
    for step in ("submit", "work"):
        for partition, units in counts[step]["partitions"].items():
            index, key = partition.split(" ", 1)
            keys = found.setdefault(index, {})
            keys[key] = keys.get(key, 0) + units
    sums = {index: sum(keys.values()) for index, keys in found.items()}
    return {**sums, "by-status": max(found["by-status"].values()), "all": sum(sums.values())}


SECONDS = 900
PER_S = 10_000


def simulation(taken: Mapping[str, float]) -> list[tuple[str, int, float, float, int | None]]:
    """Return for each part: its name, its partitions, the share that was taken, and what it was asked for at most."""
    shards = _shards()
    tenant, status, due = taken["table"], taken["by-status"], taken["due"]
    cases = [
        ("tenants' partitions, 100 equal tenants", equal_shares(PER_S * tenant, 100)),
        ("tenants' partitions, 1,000 equal tenants", equal_shares(PER_S * tenant, 1_000)),
        ("tenants' partitions, 1,000 tenants by Zipf's law", skewed_shares(PER_S * tenant, 1_000)),
        ("`by-status`, 100 equal tenants", equal_shares(PER_S * status, 100)),
        ("`by-status`, 1,000 tenants by Zipf's law", skewed_shares(PER_S * status, 1_000)),
        (f"`due`, {shards} shards", equal_shares(PER_S * due, shards)),
        ("`due`, 64 shards", equal_shares(PER_S * due, 64)),
        ("`waiting`, 3 lanes with tiers", equal_shares(PER_S * LANE_WRITES, 3)),
    ]
    rows = []
    for name, shares in cases:
        flow = simulated(shares, SECONDS)
        rows.append((name, len(shares), flow.taken, max(shares), flow.full_after_s))
    return rows


def measure() -> list[Figure]:
    """Return the walls in jobs a second, and the shares that the simulation takes."""
    taken = units_of_a_job()
    units = [Figure("walls", f"units: {index}", each, "write units", counted=True) for index, each in taken.items()]
    figures = [
        Figure("walls", wall.name, round(wall.jobs_per_s, 1), "jobs/s", counted=True, higher_is_better=True)
        for wall in walls(taken)
    ]
    shares = [
        Figure("walls", f"10,000 jobs/s: {name}", round(share, 3), "", counted=True, higher_is_better=True)
        for name, _, share, _, _ in simulation(taken)
    ]
    return [*units, *figures, *shares]


def _default_rate() -> int:
    text = (REPOSITORY / "modules" / "api" / "variables.tf").read_text(encoding="utf-8")
    found = re.search(r"rate\s*=\s*optional\(number, (\d+)\)", text)
    if found is None:
        raise SystemExit("modules/api/variables.tf has no default of throttling.rate")
    return int(found[1])


def _shards() -> int:
    from analysis_jobs.stores.items import DUE_SHARDS  # noqa: PLC0415 - it needs the path of the functions

    return DUE_SHARDS
