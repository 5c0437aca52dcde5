"""Another team's rule receives every transition of a job in order, and loses none while events are denied."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from analysis_jobs_dev.cloud.ministack import rewind_streams
from tests.system.watching import invocations, logged, until, without_statement

pytestmark = pytest.mark.system

DOCUMENT = default_document(REPOSITORY / "examples" / "rfp-analysis")
RULE = "somebody-elses"


@dataclass
class Listener:
    """Another team's queue, which a rule of the bus feeds."""

    stack: LocalCloud
    queue_url: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def of(self, job_id: str) -> list[dict[str, Any]]:
        """Receive all messages, and return the events of a job so far, in order of arrival."""
        sqs = self.stack.boto3("sqs")
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self.heard if event["detail"]["job_id"] == job_id]

    def until_ended(self, job_id: str) -> list[dict[str, Any]]:
        """Wait for the event that a job has ended, and return all of its events."""

        def look() -> list[dict[str, Any]] | None:
            events = self.of(job_id)
            return events if events and events[-1]["detail"]["status"] in {"completed", "failed"} else None

        return until(look)


@pytest.fixture
def listener(stack: LocalCloud) -> Iterator[Listener]:
    sqs, bus = stack.boto3("sqs"), stack.boto3("events")
    url = sqs.create_queue(QueueName=RULE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name=RULE, EventPattern=json.dumps({"source": ["analysis-jobs"]}))
    bus.put_targets(Rule=RULE, Targets=[{"Id": "queue", "Arn": arn}])
    yield Listener(stack, url)
    bus.remove_targets(Rule=RULE, Ids=["queue"])
    bus.delete_rule(Name=RULE)
    sqs.delete_queue(QueueUrl=url)


def told(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["detail-type"], event["detail"]["transition"]) for event in events]


def test_every_transition_of_a_job_is_heard_once_and_in_order(stack: LocalCloud, listener: Listener) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    job = client.wait(job_id).raw
    events = listener.until_ended(job_id)
    assert told(events) == [("Job queued", "submit"), ("Job processing", "claim"), ("Job completed", "complete")]
    details = [event["detail"] for event in events]
    ids = [detail["id"] for detail in details]
    assert len(set(ids)) == 3
    assert all(each.startswith(f"{job_id}.") for each in ids)
    assert [detail["version"] for detail in details] == sorted(detail["version"] for detail in details)
    assert [(detail["transition"], detail["at"]) for detail in details] == [
        (entry["transition"], entry["at"]) for entry in job["history"]
    ]
    assert {detail["tenant"] for detail in details} == {"acme"}
    assert not {"input", "result", "document"} & details[-1].keys()


def test_heartbeats_do_not_invoke_the_function(stack: LocalCloud, listener: Listener) -> None:
    stack.stand_in.set(first_token_s=35, times=1)  # a heartbeat comes every 15 s
    client, since = stack.client(), time.time()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    events = listener.until_ended(job_id)
    heartbeats = events[-1]["detail"]["version"] - len(events)
    assert heartbeats >= 2, "the job had no heartbeats"
    runs = until(lambda: [run for run in invocations(stack, "events", since) if run[-1].startswith("REPORT ")] or None)
    # An invocation with nothing but a heartbeat would publish nothing. If the sweeper sends a message again, that
    # publishes nothing either. It happens on a busy machine.
    silent = [run for run in runs if not any("EventsPublished" in line for line in run)]
    assert len(silent) < heartbeats, silent


def test_a_job_that_fails_says_why(stack: LocalCloud, listener: Listener) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": f"{'0' * 26}/never-uploaded.pdf"}).job_id
    job = client.wait(job_id).raw
    events = listener.until_ended(job_id)
    assert told(events)[-1] == ("Job failed", "fail")
    # The message stays with the job: it may name what the caller wrote.
    assert events[-1]["detail"]["error"] == {name: job["error"][name] for name in ("code", "retryable")}


def test_events_that_could_not_go_out_go_out_later_and_in_order(stack: LocalCloud, listener: Listener) -> None:
    client = stack.client()
    document = client.upload(DOCUMENT)
    since = time.time()
    with without_statement(stack, "events", "EventsPut"):
        job_id = client.submit("rfp-analysis", {"document": document}).job_id
        client.wait(job_id)
        until(lambda: [line for line in logged(stack, "events", since) if "AccessDenied" in line])
        assert listener.of(job_id) == []
    events = listener.until_ended(job_id)
    assert told(events) == [("Job queued", "submit"), ("Job processing", "claim"), ("Job completed", "complete")]


def test_a_kept_cloud_reads_its_streams_from_the_beginning(tmp_path: Path) -> None:
    state = tmp_path / "lambda.json"
    rewind_streams(state)
    assert not state.exists()
    state.write_text(
        json.dumps({"payload": {"functions": 1, "dynamodb_stream_positions": {"data": {"a": 9}}}}), "utf-8"
    )
    rewind_streams(state)
    assert json.loads(state.read_text("utf-8")) == {"payload": {"functions": 1}}
