"""A helper for the tests of several examples."""

import json
import time
from uuid import uuid4

from analysis_jobs_dev.cloud.deployed import Deployed
from tests.system.watching import logged, until


def deliver_again(stack: Deployed, job_id: str, *, tenant: str = "acme", lane: str = "medium") -> None:
    """Send a job's message again. Return when the worker has received it and found nothing to do."""
    since = time.time()
    queue = stack.outputs["queue_urls"][lane]
    fifo = {"MessageGroupId": job_id, "MessageDeduplicationId": str(uuid4())} if queue.endswith(".fifo") else {}
    stack.boto3("sqs").send_message(
        QueueUrl=queue, MessageBody=json.dumps({"job_id": job_id, "tenant": tenant}), **fifo
    )
    until(lambda: any(_says_so(line, job_id) for line in logged(stack, "worker", since)))


def _says_so(line: str, job_id: str) -> bool:
    return job_id in line and "job.delivered_again" in line
