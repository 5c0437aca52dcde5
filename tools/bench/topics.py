"""What is measured: each topic with its name for `make bench ONLY=…`, its method in words, and its function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import cold, cost, first_event, job_requests, large, packages, packed_memory, sweeps, units, walls, warm
from bench.assumptions import JOBS, MEAN_S, POLLS, VARIATION
from bench.figures import Figure


@dataclass(frozen=True)
class Topic:
    """A topic. `method` says how the figures are taken. `details` is the head of their last column."""

    name: str
    title: str
    method: str
    measure: Callable[[], Sequence[Figure]]
    details: str = "measured"


TOPICS = (
    Topic(
        "cost",
        "USD for 1,000 jobs",
        f"{JOBS:,} jobs of {MEAN_S} s and {POLLS} polls each, without the model. Requests, write units and "
        "bytes of logs are counted: jobs run through the real functions, in virtual time, with moto in the "
        "place of AWS. The seconds of invocations are simulated with a fixed seed: how jobs come; how Lambda "
        "begins with five invocations and adds up to 300 a minute while messages wait; how the free slots of "
        "running invocations receive further messages; and durations with a "
        f"coefficient of variation of {VARIATION} unless the row says equal. What nobody can measure without "
        "AWS is assumed, the same for every row: a request of the API takes 20 ms with 512 MB, an invocation "
        "has 0.8 s of init, and Lambda and API Gateway log 500 bytes each. The defaults are those of the "
        "module, for a package without OCR with analyses that declare `mostly_waits`. The last five rows are "
        "the systems that this module replaces, computed from their own settings; nothing of them was "
        "measured, and a database of their own is not counted. The prices are in `tools/bench/prices.py`, "
        "with their date and page.",
        cost.measure,
        "USD by part",
    ),
    Topic(
        "units",
        "Write units",
        "One job of 305 s, with 20 heartbeats and a result of 1.7 KB, in virtual time on moto. The units "
        "follow from the sizes of the items by DynamoDB's rules, indexes included. A row that repeats a "
        "figure of another one says that the part costs nothing.",
        units.measure,
        "by item",
    ),
    Topic(
        "requests",
        "AWS requests",
        "One job with an input and a result that fit into its row, on moto. The requests of Lambda's own SQS "
        "poller are not counted, and no heartbeat is due.",
        job_requests.measure,
        "operations",
    ),
    Topic(
        "cold",
        "Cold import",
        f"Median CPU time of {cold.RUNS} fresh processes with bytecode that take turns, over the CPU time of "
        "importing boto3 and making one client. `imported` only imports the module. `ready` also makes its "
        "clients and loads its analysis. A backend and a declaration of an analysis need no AWS SDK.",
        cold.measure,
    ),
    Topic(
        "first-event",
        "Cold start under Lambda's runtime client",
        "The real package, run by AWS's own runtime client, with AWS over TLS on this machine. Median CPU "
        f"time of {first_event.RUNS} fresh processes that take turns, over that of an entry point that imports"
        " boto3 and makes one client. The first event of `api` is a status, that of `worker` a message.",
        first_event.measure,
    ),
    Topic(
        "warm",
        "Warm calls",
        f"Median CPU time of {warm.ROUNDS} rounds in one warm process, over that of one `GetItem` by boto3 in "
        "the same rounds. AWS is moto, in another process, over TLS. Two thirds of each call are boto3's own "
        "requests: two in a submission, one in a status, three in a trivial job. "
        "[Decision 24](decisions/0024-cold-starts.md#warm-calls) has the split.",
        warm.measure,
    ),
    Topic(
        "memory",
        "Memory of a packed worker",
        "The largest resident memory of the worker's process: the real package under AWS's runtime client, with AWS "
        "and the stand-in for the model over TLS. Each job has its text in its input, or attaches a document to its "
        "question. It reads a streamed answer of "
        f"{packed_memory.ANSWER_CHARS // packed_memory.PIECE_CHARS:,} tokens, one in each piece of the stream. All "
        "jobs run at the same time, and no document is read. Each number of jobs has a fresh process. Lambda's own "
        "part of the memory is not in it.",
        packed_memory.measure,
    ),
    Topic(
        "each",
        "`job.each`",
        f"CPU time of a job over {large.ITEMS[1]:,} items, with stores in memory, over that of encoding, "
        f"hashing and keeping as many values. The second row is the CPU of an item among {large.ITEMS[1]:,} "
        f"over that among {large.ITEMS[0]:,}: 1 is linear. Each run is a process of its own; the median of "
        f"{large.RUNS}.",
        large.measure_each,
    ),
    Topic(
        "excel",
        "Excel",
        "CPU time over that of openpyxl's fastest way: writing the same values without any style, and reading"
        " them without formats. openpyxl runs without lxml, as in a package. Each run is a process of its "
        f"own; the median of {large.RUNS}.",
        large.measure_excel,
    ),
    Topic(
        "sweeper",
        "Sweeper",
        f"One invocation of {sweeps.TIMEOUT_S} s of the real package under AWS's runtime client, with AWS over TLS on "
        f"this machine. The table has {sweeps.LIVING:,} running jobs, {sweeps.OVERDUE:,} overdue ones, or both; it "
        "answers after 4 ms, a transaction after 20 ms, and the queue after 8 ms. The CPU time of a row is counted in "
        "`GetItem`s by boto3, measured in the same process. The rows of an invocation follow from it, for 45 s of the "
        f"{sweeps.processor():.0%} of a processor that Lambda gives to a function with {sweeps.MEMORY_MB:,} MB, if a "
        "`GetItem` takes 1 ms on a whole one: other programs on the machine do not change them. The simulation of an "
        "outage uses the same times.",
        sweeps.measure,
    ),
    Topic(
        "package",
        "Package",
        "The zip of `examples/rfp-analysis`.",
        packages.measure,
        "files",
    ),
    Topic("walls", "Walls", "", walls.measure),
)
NAMES = tuple(topic.name for topic in TOPICS)
