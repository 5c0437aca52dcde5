"""Models of SQS, Lambda, DynamoDB Streams and API Gateway that publish the metrics which AWS documents for them.

Times are seconds since the start of a run. The sources of the semantics:

- Lambda: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html. A value has the timestamp of the
  start of its invocation, and is sent after the end:
  https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html.
- SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.modules.cloudwatch import CloudWatch

MINUTE, HOUR = 60, 3600
_ACTIVE_S = 6 * HOUR  # SQS reports a queue for so long after its last use
_FIRST_POLLERS = 5  # how many invocations a mapping of SQS begins with, and adds each second
_POISON_RECEIVES = 3  # the age of a message that was received so often is not reported


@dataclass
class Message:
    """A message. It cannot be received before `visible_at`."""

    sent: float
    visible_at: float
    receives: int = 0


@dataclass
class Queue:
    """A standard queue of SQS."""

    metrics: CloudWatch
    name: str
    visibility_s: float = 30
    max_receives: int = 3
    dead_letters: "Queue | None" = None
    messages: list[Message] = field(default_factory=list)
    used_at: float = -_ACTIVE_S

    def send(self, at: float, delay: float = 0) -> None:
        """Send a message."""
        self.used_at = at
        self.messages.append(Message(at, at + delay))

    def receive(self, at: float) -> Message | None:
        """Receive the oldest visible message. One that was received too often moves to the dead-letter queue."""
        self.used_at = at
        for message in [each for each in self.messages if each.visible_at <= at]:
            if message.receives >= self.max_receives and self.dead_letters:
                self.messages.remove(message)
                self.dead_letters.send(at)  # its age counts from here
                continue
            message.receives += 1
            message.visible_at = at + self.visibility_s
            return message
        return None

    def delete(self, message: Message) -> None:
        """Delete a message, if it is still here."""
        if message in self.messages:
            self.messages.remove(message)

    def report(self, at: float) -> None:
        """Publish the metrics of a minute, if the queue is active."""
        if at - self.used_at > _ACTIVE_S:
            return
        aged = [each for each in self.messages if each.receives < _POISON_RECEIVES or self.dead_letters is None]
        values = {
            "ApproximateAgeOfOldestMessage": at - min((each.sent for each in aged), default=at),
            "ApproximateNumberOfMessagesVisible": sum(each.visible_at <= at for each in self.messages),
        }
        for name, value in values.items():
            self.metrics.put("AWS/SQS", name, {"QueueName": self.name}, value, at)


@dataclass
class Function:
    """A function with a concurrency, None for no limit."""

    metrics: CloudWatch
    name: str
    concurrency: int | None = None
    _ends: list[float] = field(default_factory=list)

    def invoke(self, at: float, seconds: float, *, error: bool = False) -> bool:
        """Invoke the function, and return whether Lambda accepted that. A refused invocation is a throttle."""
        self._ends = [end for end in self._ends if end > at]
        if self.concurrency is not None and len(self._ends) >= self.concurrency:
            self._put("Throttles", 1, at, at)
            return False
        self._ends.append(at + seconds)
        for name, value in {"Duration": seconds * 1000, "Errors": float(error), "Invocations": 1.0}.items():
            self._put(name, value, at, at + seconds)
        return True

    def read_stream(
        self, written: Sequence[float], publishes: Callable[[float], bool], until: float, longest_pause: float
    ) -> None:
        """Invoke the function with the records of a shard: each batch until it succeeds, with growing pauses."""
        left, at = sorted(written), 0.0
        while left and at < until:
            at = max(at, left[0])
            batch, pause = [each for each in left if each <= at][:100], 1.0
            while at < until:
                self._put("IteratorAge", (at - batch[-1]) * 1000, at, at)
                self.invoke(at, 1, error=not publishes(at))
                if publishes(at):
                    break
                at, pause = at + 1 + pause, min(2 * pause, longest_pause)
            left, at = left[len(batch) :], at + 1

    def _put(self, metric: str, value: float, at: float, sent: float) -> None:
        self.metrics.put("AWS/Lambda", metric, {"FunctionName": self.name}, value, at, sent)


@dataclass(frozen=True)
class Run:
    """An invocation of the worker with one message. The message of one that is not `done` comes back."""

    seconds: float
    done: bool = True
    error: bool = False


@dataclass
class QueueMapping:
    """An event source mapping from a queue to a function."""

    queue: Queue
    function: Function
    run: Callable[[Message], Run]
    maximum: int | None = None
    _running: list[tuple[float, Message, Run]] = field(default_factory=list)

    def tick(self, at: float) -> None:
        """End the invocations that are over, and begin others."""
        for end, ended, run in self._running:
            if end <= at and run.done:
                self.queue.delete(ended)
        self._running = [each for each in self._running if each[0] > at]
        limit = self.maximum or _FIRST_POLLERS * int(at + 1)
        while len(self._running) < limit and (message := self.queue.receive(at)):
            run = self.run(message)
            # A heartbeat hides the message while the job runs.
            message.visible_at = max(message.visible_at, at + run.seconds + 1) if run.done else message.visible_at
            if self.function.invoke(at, run.seconds, error=run.error):
                self._running.append((at + run.seconds, message, run))


def simulate(until: float, *parts: Callable[[float], object], queues: Sequence[Queue] = ()) -> None:
    """Call each part every second, and let the queues report every minute."""
    for at in range(int(until)):
        for part in parts:
            part(at)
        if at % MINUTE == 0:
            for queue in queues:
                queue.report(at)


def count_lines(metrics: CloudWatch, log_filter: Mapping[str, Any], lines: Sequence[tuple[float, str]]) -> None:
    """Publish the metric of a log group's metric filter. The pattern must be comparisons that are joined by ||."""
    pattern = str(log_filter["pattern"])
    assert re.fullmatch(r'\{ \(\$\.\w+ = "[^"]*"\)( \|\| \(\$\.\w+ = "[^"]*"\))* \}', pattern), pattern
    wanted = re.findall(r'\$\.(\w+) = "([^"]*)"', pattern)
    [to] = log_filter["metric_transformation"]
    for at, line in lines:
        fields = json.loads(line)
        if any(fields[name] == value for name, value in wanted):
            metrics.put(to["namespace"], to["name"], {}, float(to["value"]), at)
        elif to.get("default_value"):
            metrics.put(to["namespace"], to["name"], {}, float(to["default_value"]), at)
