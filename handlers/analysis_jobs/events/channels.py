"""The channels on AWS: an EventBridge bus, an SNS topic, and a dead-letter queue for unreadable stream records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.observability import log
from analysis_jobs.events.publisher import SOURCE, JobEvent

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


class EventBridgeBus:
    """Sends events to the EventBridge bus with the name `bus`. `client` is boto3's `events` client."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """See `Channel.send`. One request."""
        response = self._client.put_events(
            Entries=[
                {
                    "EventBusName": self._bus,
                    "Source": SOURCE,
                    "DetailType": event.detail_type,
                    "Time": event.at,
                    "Detail": event.body,
                }
                for event in events
            ]
        )
        refused = []
        for event, entry in zip(events, response["Entries"], strict=True):
            if code := entry.get("ErrorCode"):
                log(
                    "event.refused",
                    "EventBridge refused an event",
                    event_id=event.event_id,
                    job_id=event.job_id,
                    code=code,
                )
                refused.append(event)
        return refused


class SnsTopic:
    """Publishes events to an SNS topic. Subscribers can filter by the attributes `analysis` and `status`."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """See `Channel.send`. One request for each event, because few jobs end in the same second."""
        for event in events:
            self._client.publish(
                TopicArn=self._topic_arn,
                Message=event.body,
                MessageAttributes={
                    "analysis": {"DataType": "String", "StringValue": event.analysis},
                    "status": {"DataType": "String", "StringValue": str(event.status)},
                },
            )
        return []


class SqsDeadLetterSink:
    """Sends notes to an SQS dead-letter queue."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, note: str) -> None:
        """See `DeadLetterSink.put`."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=note)
