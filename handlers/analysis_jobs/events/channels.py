"""Where events go on AWS: an EventBridge bus, an SNS topic, and a queue for what no event can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis_jobs.base.observability import log
from analysis_jobs.events.publisher import SOURCE, JobEvent

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


class EventBridgeBus:
    """Puts events on a bus, by its name. `client` is boto3's of EventBridge (`events`)."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """See `Channel.send`. One request."""
        answer = self._client.put_events(
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
        pairs = zip(events, answer["Entries"], strict=True)
        return [
            event for event, entry in pairs if _is_refused(event, entry.get("ErrorCode"), entry.get("ErrorMessage"))
        ]


class SnsTopic:
    """Publishes events to a topic, by its ARN; subscribers filter by `analysis` and `status`."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def send(self, events: Sequence[JobEvent]) -> list[JobEvent]:
        """See `Channel.send`. One request an event: few jobs end in the same second."""
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


class SqsSetAside:
    """Keeps notes in a queue, by its URL."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, note: str) -> None:
        """See `SetAside.put`."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=note)


def _is_refused(event: JobEvent, code: str | None, message: str | None) -> bool:
    if code is None:
        return False
    log("event.refused", f"{code}: {message}", event_id=event.event_id, job_id=event.job_id, code=code)
    return True
