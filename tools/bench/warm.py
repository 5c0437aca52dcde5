"""The CPU time of a submission, a status and a trivial job in a warm function, over TLS.

The baseline is one `GetItem` by boto3 over the same connection, in the same process. Each round has all four.
"""

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.processes import report, result_of

ROUNDS = 150
_WARM_UP = 20
BASELINE = "boto3 GetItem"
_TOPIC = "warm"
# 30 % less than on commit 2546ecf, before the calls were made lighter.
_WANTED = {"POST /jobs": 1.93, "GET /jobs/{job_id}": 1.04, "a trivial job in the worker": 3.68}


def measure() -> list[Figure]:
    """Return the ratio of each call to the baseline."""
    from bench.emulated import emulated  # noqa: PLC0415 - the other process does not need moto

    with tempfile.TemporaryDirectory() as folder, emulated(Path(folder)) as aws:
        found: dict[str, float] = result_of("warm", more={**aws.variables, "ANALYSES": "bench.analyses"})
    baseline = found.pop(BASELINE)
    return [
        Figure(
            _TOPIC,
            name,
            each / baseline,
            "x",
            wanted=_WANTED[name],
            detail=f"{each:.2f} ms; {BASELINE} {baseline:.2f} ms",
        )
        for name, each in found.items()
    ]


def _milliseconds() -> dict[str, float]:
    """Return the median CPU milliseconds of each call. Runs in the other process."""
    import boto3  # noqa: PLC0415 - see above

    import worker  # noqa: PLC0415 - as above
    from tests.handlers.events import Context, sqs_record  # noqa: PLC0415 - as above

    dynamodb, sqs = boto3.client("dynamodb"), boto3.client("sqs")
    queue_url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
    taken: defaultdict[str, list[float]] = defaultdict(list)

    def timed[Result](name: str, take: Callable[[], Result]) -> Result:
        begun = time.process_time()
        result = take()
        taken[name].append((time.process_time() - begun) * 1_000)
        return result

    def job(number: int) -> None:
        body = {"analysis": "trivial", "input": {}}
        job_id = timed("POST /jobs", lambda: _call("POST", "/jobs", body))["job_id"]
        key: Any = {"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}}
        timed(BASELINE, lambda: dynamodb.get_item(TableName="jobs", Key=key, ConsistentRead=True))
        timed("GET /jobs/{job_id}", lambda: _call("GET", f"/jobs/{job_id}"))
        [message] = sqs.receive_message(QueueUrl=queue_url)["Messages"]
        event = {"Records": [sqs_record(message["Body"], number, queue="jobs", receipt=message["ReceiptHandle"])]}
        answer = timed("a trivial job in the worker", lambda: worker.handler(event, Context()))
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        if answer["batchItemFailures"] or _call("GET", f"/jobs/{job_id}")["status"] != "completed":
            raise SystemExit(f"the trivial job did not complete: {answer}")

    for number in range(_WARM_UP + ROUNDS):
        if number == _WARM_UP:
            taken.clear()
        job(number)
    return {name: statistics.median(each) for name, each in taken.items()}


def _call(method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    import api  # noqa: PLC0415 - see above
    from tests.handlers.events import Context, http_event  # noqa: PLC0415 - as above

    event = http_event(method, path, None if body is None else json.dumps(body), claims={"tenant": "acme", "sub": "u"})
    return json.loads(api.handler(event, Context())["body"])


if __name__ == "__main__":
    sys.stderr = open("/dev/null", "w")  # noqa: SIM115, PTH123 - the functions' logs
    report(_milliseconds())
