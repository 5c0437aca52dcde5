"""Each statement of each role is necessary: without it, a run fails with AccessDenied.

Two statements are left out, because only AWS's Lambda uses them: writing the function's own log, and reading the
table's stream. The emulator does both without asking IAM.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.watching import logged, statements, until, without_statement

pytestmark = pytest.mark.system

DOCUMENT = default_document(REPOSITORY / "examples" / "rfp-analysis")
# An input beyond INLINE_BYTES goes to the bucket, and a file's name is nearly all of the input.
LONG_NAME = "a-very-long-name-of-a-document-" * 4 + ".pdf"

# As most AWS services say it, as SNS says it, and as the error of a job says it.
_DENIED = re.compile("AccessDenied|AuthorizationError|access_denied")


@dataclass(frozen=True)
class Run:
    """A stack without one statement, and what was prepared before the statement was removed."""

    stack: LocalCloud
    document: str
    completed_job: str

    def submitted(self) -> str:
        """Submit the prepared document and return the job's id."""
        return str(self.stack.client().submit("rfp-analysis", {"document": self.document}).job_id)

    def failed(self) -> str:
        """Run a job that must fail, and return its error."""
        job = self.stack.client().wait(self.submitted(), timeout_s=120).raw
        assert job["status"] == "failed", job
        return json.dumps(job["error"])

    def refused(self, method: str, path: str, **options: Any) -> str:
        """Make a call that must be answered with 500, and return what the function logged."""
        since = time.time()
        with pytest.raises(Rejected) as caught:
            self.stack.client().request(method, path, **options)
        assert caught.value.status == 500
        assert "AccessDenied" not in json.dumps(caught.value.problem)  # the caller is told no internals
        return self.log_of("api", since)

    def log_of(self, function: str, since: float) -> str:
        """Wait for the lines of a function's log about a denial, and return them."""
        return until(
            lambda: "\n".join(line for line in logged(self.stack, function, since) if _DENIED.search(line)) or None
        )

    def swept(self) -> str:
        """Make a job that has no message overdue, sweep, and return the sweeper's answer and log.

        Each sweep has a job of its own: with all statements in place, the scheduled sweeper may send the message of an
        older one.
        """
        with without_statement(self.stack, "api", "QueueSend"):
            waiting = self.submitted()
        since = time.time()
        outputs = self.stack.connection.outputs
        self.stack.boto3("dynamodb").update_item(
            TableName=outputs["table_name"],
            Key={"tenant": {"S": "acme"}, "item": {"S": f"job#{waiting}"}},
            UpdateExpression="SET due_at = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )
        name = outputs["function_names"]["sweeper"]
        answer = self.stack.boto3("lambda").invoke(FunctionName=name, Qualifier="live")
        said = answer["Payload"].read().decode()
        assert "FunctionError" in answer or json.loads(said).get("error", 0) >= 1, said
        return said if "AccessDenied" in said else self.log_of("sweeper", since)


def _uploaded(run: Run) -> str:
    with pytest.raises(Rejected) as caught:
        run.stack.client().upload(DOCUMENT)
    assert caught.value.status == 403
    return str(caught.value)


def _sent(run: Run) -> str:
    since = time.time()
    run.submitted()  # it is accepted: the sweeper will send the message
    return run.log_of("api", since)


def _long_input(run: Run) -> str:
    body = {"analysis": "rfp-analysis", "input": {"document": f"{run.document.split('/')[0]}/{LONG_NAME}"}}
    return run.refused("POST", "/jobs", json=body)


def _worked(run: Run) -> str:
    since = time.time()
    run.submitted()
    return run.log_of("worker", since)


def _deferred(run: Run) -> str:
    run.stack.stand_in.set(error="ThrottlingException", times=1)
    try:
        return _worked(run)
    finally:
        run.stack.stand_in.reset()


def _published(run: Run) -> str:
    since = time.time()
    run.submitted()
    return run.log_of("events", since)


def _set_aside(run: Run) -> str:
    since = time.time()
    # The status lets it pass the filter of the stream. The rest of a job's row is missing.
    row = {"tenant": {"S": "nobody"}, "item": {"S": "job#unreadable"}, "status": {"S": "queued"}}
    run.stack.boto3("dynamodb").put_item(TableName=run.stack.connection.outputs["table_name"], Item=row)
    return run.log_of("events", since)


def _in_order(run: Run) -> str:
    """Send a message of a job with a tier: the worker then looks for the first job of its lane."""
    since = time.time()
    pointer = {"job_id": run.completed_job, "tenant": "acme", "lane": "medium", "rank": 0, "held_back": False}
    queue = run.stack.outputs["queue_urls"]["medium"]
    run.stack.boto3("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(pointer), MessageGroupId="acme")
    return run.log_of("worker", since)  # it falls back to the job of the message


def _unpinned(run: Run) -> str:
    """Submit a document: without the right, the job does not record its version."""
    outputs = run.stack.connection.outputs
    job_id = run.submitted()
    row = run.stack.boto3("dynamodb").get_item(
        TableName=outputs["table_name"], Key={"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}}
    )["Item"]
    assert json.loads(row["documents"]["M"]["text"]["S"]) == {run.document: None}
    return "AccessDenied: the submission did not find the document"


NEEDS: dict[tuple[str, str], Callable[[Run], str]] = {
    ("api", "InputsWrite"): _long_input,
    ("api", "JobsRead"): lambda run: run.refused("GET", f"/jobs/{run.completed_job}"),
    ("api", "JobsWrite"): lambda run: run.refused(
        "POST", "/jobs", json={"analysis": "rfp-analysis", "input": {"document": run.document}}
    ),
    ("api", "QueueSend"): _sent,
    ("api", "ResultsRead"): lambda run: run.refused("GET", f"/jobs/{run.completed_job}"),
    ("api", "UploadsRead"): _unpinned,
    ("api", "UploadsWrite"): _uploaded,
    ("events", "DeadLettersSend"): _set_aside,
    ("events", "EventsPut"): _published,
    ("events", "NoticesPublish"): _published,
    ("sweeper", "DueRead"): Run.swept,
    ("sweeper", "JobsWrite"): Run.swept,
    ("sweeper", "QueueSend"): Run.swept,
    ("worker", "Artifacts"): Run.failed,
    ("worker", "DocumentsRead"): Run.failed,
    ("worker", "JobsWrite"): _worked,
    ("worker", "ModelsInvoke"): Run.failed,
    ("worker", "OrderRead"): _in_order,
    ("worker", "PromptsRead"): Run.failed,
    ("worker", "QueueConsume"): _worked,
    ("worker", "QueueSend"): _deferred,
}


NOT_ASKED_FOR_BY_THE_EMULATOR = {("events", "StreamRead")}


@pytest.fixture(scope="module")
def run(stack: LocalCloud) -> Run:
    """Prepare what the runs need, while every statement is in place."""
    client = stack.client()
    document = client.upload(DOCUMENT)
    completed = client.wait(client.submit("rfp-analysis", {"document": document}).job_id).raw
    assert completed["status"] == "completed"
    return Run(stack, document, completed["job_id"])


def test_every_statement_of_every_role_has_a_run_that_needs_it(stack: LocalCloud) -> None:
    functions = stack.connection.outputs["role_names"]
    there = {(function, sid) for function in functions for sid in statements(stack, function)}
    assert there == set(NEEDS) | NOT_ASKED_FOR_BY_THE_EMULATOR


@pytest.mark.parametrize(("function", "sid"), sorted(NEEDS))
def test_without_a_statement_a_run_is_denied(run: Run, function: str, sid: str) -> None:
    with without_statement(run.stack, function, sid):
        said = NEEDS[function, sid](run)
    assert _DENIED.search(said)


def test_with_every_statement_a_job_completes(run: Run) -> None:
    assert run.stack.client().wait(run.submitted()).status == "completed"
