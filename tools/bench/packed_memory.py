"""The memory of a worker with many jobs: the real package under AWS's runtime client, AWS and the model over TLS.

Each job sends a text of 100 KB to the model, or attaches a document, and reads a streamed answer of some thousand
tokens. All answers come at the same time. Lambda delivers ten messages at most, and the worker receives the others by
itself.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.defaults import defaults
from bench.emulated import Emulated, emulated
from bench.figures import Figure
from bench.packing import BATCH
from bench.processes import ENVIRONMENT
from bench.sweeps import unpacked

INPUT_BYTES = 100_000
# About 4,000 tokens, four characters each. Each piece of the stream is a token.
ANSWER_CHARS, PIECE_CHARS, PIECE_S = 16_000, 4, 0.005
# An answer takes at least 20 s. So there are several heartbeats meanwhile, also on a fast machine.
BEAT_S = 5
TIMEOUT_S = 600
_TOPIC = "memory"
_WITH = {"reading": "a text of 100 KB", "attaching": "a document of 1 MB"}
# What the invocation says that it has received by itself.
_RECEIVED = re.compile(r'"event":"batch.refilled".*?"received":(\d+)')

_TIMED = """
import time
import worker

worker._worker()

def peak_mb():
    # Not `getrusage`: its maximum includes that of the parent process.
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

ready_mb = peak_mb()

def handler(event, context):
    begun = time.process_time()
    answer = worker.handler(event, context)
    cpu_s = time.process_time() - begun
    return {"ready_mb": ready_mb, "peak_mb": peak_mb(), "cpu_s": cpu_s, "answer": answer}
"""


def measure() -> list[Figure]:
    """Return the peaks with one job, with ten and with the default, and what is left of the default memory."""
    slots, memory_mb = defaults().worker.slots, defaults().memory_mb
    cases = [("reading", jobs) for jobs in sorted({1, BATCH, slots})] + [("attaching", slots)]
    with tempfile.TemporaryDirectory() as folder, _clouds(Path(folder)) as (aws, variables):
        root = unpacked(Path(folder))
        (root / "bench_memory.py").write_text(_TIMED, encoding="utf-8")
        taken = {case: _run(root, aws, variables, *case) for case in cases}
    figures = [
        Figure(
            _TOPIC,
            f"{jobs} {'job' if jobs == 1 else 'jobs'} with {_WITH[analysis]}, peak",
            found["peak_mb"],
            "MB",
            detail=f"{found['ready_mb']:.0f} MB before the event; {found['cpu_s'] / jobs:.2f} s of CPU a job",
        )
        for (analysis, jobs), found in taken.items()
    ]
    left = memory_mb - taken["reading", slots]["peak_mb"]
    return [
        *figures,
        Figure(_TOPIC, f"left of {memory_mb} MB by {slots} jobs with a text", left, "MB", higher_is_better=True),
    ]


@contextmanager
def _clouds(folder: Path) -> Iterator[tuple[Emulated, dict[str, str]]]:
    """Run AWS and the model. Yield AWS, and the environment variables of the functions."""
    from analysis_jobs_dev.cloud.stand_in import StandIn  # noqa: PLC0415 - only this needs it
    from tests.handlers.deployment import MODEL_ID  # noqa: PLC0415 - it imports the functions
    from tests.handlers.relay import TlsRelay  # noqa: PLC0415 - as above

    certificates = folder / "certificates"
    with emulated(folder) as aws, StandIn() as stand_in, TlsRelay(stand_in.url, certificates) as model:
        stand_in.set(answer="four" * (ANSWER_CHARS // 4), chunk_chars=PIECE_CHARS, chunk_s=PIECE_S)
        yield (
            aws,
            {
                **ENVIRONMENT,
                **aws.variables,
                "ANALYSES": "bench_analyses",
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": model.url,
                # The emulator reads no bodies in chunks, in which S3 would get its checksums.
                "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
                "HEARTBEAT_S": str(BEAT_S),
                "MODEL_ID": MODEL_ID,
                "JOBS_PER_INVOCATION": str(defaults().worker.slots),
            },
        )


def _run(root: Path, aws: Emulated, variables: dict[str, str], analysis: str, jobs: int) -> dict[str, float]:
    """Run so many jobs in one invocation of a fresh process. Return its memory and its CPU time."""
    from tests.handlers.events import http_event, sqs_record  # noqa: PLC0415 - they import the functions
    from tests.runtime.lambda_runtime import Function, LambdaRuntime  # noqa: PLC0415 - only this needs it

    api = Function(root, "api.handler", 60, 512, variables)
    worker = Function(root, "bench_memory.handler", TIMEOUT_S, 1_024, variables)
    claims = {"tenant": "acme", "sub": "u"}

    def call(runtime: LambdaRuntime, method: str, path: str, body: object = None) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body)
        answer = runtime.invoke(http_event(method, path, sent, claims=claims))
        if answer.value is None or answer.value["statusCode"] >= 400:  # noqa: PLR2004 - an error of HTTP
            raise SystemExit(f"{method} {path}: {answer}\n{runtime.log[-2_000:]}")
        found: dict[str, Any] = json.loads(answer.value["body"])
        return found

    def scratch() -> Path:
        return Path(tempfile.mkdtemp(dir=root.parent))

    with LambdaRuntime(api, scratch()) as front, LambdaRuntime(worker, scratch()) as runtime:
        text = "word " * (INPUT_BYTES // 5) if analysis == "reading" else ""
        body = {"analysis": analysis, "input": {"padding": text}}
        made = [call(front, "POST", "/jobs", body)["job_id"] for _ in range(jobs)]
        found = aws.client("sqs").receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=BATCH)["Messages"]
        records = [
            sqs_record(each["Body"], number, queue="jobs", receipt=each["ReceiptHandle"])
            for number, each in enumerate(found)
        ]
        answer = runtime.invoke({"Records": records})
        statuses = [call(front, "GET", f"/jobs/{job_id}")["status"] for job_id in made]
        received = len(records) + sum(int(each) for each in _RECEIVED.findall(runtime.log))
        if answer.value is None or set(statuses) != {"completed"} or received != jobs:
            raise SystemExit(
                f"The jobs did not complete in one invocation: {statuses} {answer}\n{runtime.log[-2_000:]}"
            )
        for each in found:  # as Lambda does
            aws.client("sqs").delete_message(QueueUrl=aws.queue_url, ReceiptHandle=each["ReceiptHandle"])
    taken: dict[str, float] = answer.value
    return taken
