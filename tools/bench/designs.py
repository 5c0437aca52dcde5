"""The five systems that this module replaces, as their own descriptions say, and what 1,000 jobs cost in them.

None of them was measured. Their settings and their writes are theirs; the length of a job and the number of polls are
those of the comparison, and so are the time and the log lines of a poll. A database of their own is not counted.
"""

from dataclasses import dataclass

from bench.assumptions import JOBS, MEAN_S, PLATFORM_BYTES, POLLS, add_calls
from bench.prices import Bill


@dataclass(frozen=True)
class Design:
    """A system's settings: how its worker runs, and what it writes for each job."""

    name: str
    how: str
    memory_mb: int
    queue: str | None = None
    table_writes: int = 0
    file_writes: int = 0
    polled_row: bool = False
    vcpu: float = 0
    log_bytes: int = 1_000


DESIGNS = (
    Design("book-valuation", "SQS, 256 MB, a row in PostgreSQL", 256, "sqs_request"),
    Design("rfp-analysis", "asynchronous invocation, 1,024 MB, a row in DynamoDB", 1_024, None, 3, polled_row=True),
    Design(
        "drawing-schedule",
        "SQS, 3,072 MB, a row and four checkpoint files",
        3_072,
        "sqs_request",
        8,
        4,
        polled_row=True,
    ),
    Design("credential-extraction", "FIFO queue, 1,024 MB, PostgreSQL", 1_024, "sqs_fifo_request"),
    Design("profile-interpretation", "one container that polls a table, 0.25 vCPU, 0.5 GB", 512, None, vcpu=0.25),
)


def bill(design: Design, polls: int = POLLS) -> Bill:
    """Return what is billed for 1,000 jobs of 300 s, one at a time for each worker."""
    made = Bill()
    seconds = JOBS * MEAN_S
    if design.vcpu:
        made.add("fargate_vcpu_s", seconds * design.vcpu)
        made.add("fargate_gb_s", seconds * design.memory_mb / 1_024)
    else:
        # Lambda's default architecture: none of them says another one.
        made.add("lambda_gb_s_x86_64", seconds * design.memory_mb / 1_024)
        made.add("lambda_request", JOBS)
    if design.queue:
        made.add(design.queue, 3 * JOBS)  # send, receive, delete
    made.add("dynamodb_write", design.table_writes * JOBS)
    made.add("dynamodb_read", polls * JOBS * design.polled_row)
    made.add("s3_write", design.file_writes * JOBS)
    made.add("log_byte", JOBS * (design.log_bytes + PLATFORM_BYTES))
    add_calls(made, JOBS * (1 + polls), "lambda_gb_s_x86_64")
    return made
