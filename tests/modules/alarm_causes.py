"""What makes each alarm on a metric of AWS ring, in models of the services.

The models have the names and the settings of a planned stack.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.handlers.builders import some_settings
from tests.modules.aws_services import HOUR, MINUTE, Function, Message, Queue, QueueMapping, Run, count_lines, simulate
from tests.modules.cloudwatch import CloudWatch
from tests.modules.planning import Plan

LANE = "medium"
API = "the-id-of-the-api"  # not known before an apply

type Lines = list[tuple[float, str]]


@dataclass(frozen=True)
class Stack:
    """A planned stack."""

    plan: Plan
    module: str

    @property
    def alarms(self) -> dict[str, dict[str, Any]]:
        """The alarms on metrics of AWS and of the access log, by what they watch."""
        planned = self.plan.of_type("aws_cloudwatch_metric_alarm")
        found = {address.split('"')[1]: dict(alarm) for address, alarm in planned.items() if alarm.get("namespace")}
        if "api-5xx" in found:
            found["api-5xx"]["dimensions"] = {"ApiId": API}
        return {key: alarm for key, alarm in found.items() if alarm["namespace"] != "AnalysisJobs"}

    def one(self, kind: str, suffix: str) -> dict[str, Any]:
        """Return the planned resource of a type with an address that ends like this."""
        [found] = [each for address, each in self.plan.of_type(kind).items() if address.endswith(suffix)]
        return found

    @property
    def worker(self) -> dict[str, Any]:
        """The planned worker."""
        return self.one("aws_lambda_function", "module.worker.aws_lambda_function.this")

    @property
    def timeout_s(self) -> int:
        """The worker's timeout."""
        return int(self.worker["timeout"])

    @property
    def stop_margin_s(self) -> float:
        """How long before its timeout the worker hands its jobs over. The stack `changed` sets STOP_MARGIN_S to 6."""
        return min(6 if self.module == "changed" else some_settings().stop_margin_s, self.timeout_s / 4)


@dataclass
class Running:
    """The services of a stack, with the names and settings of its plan."""

    stack: Stack

    def __post_init__(self) -> None:
        """Make the services."""
        self.metrics = CloudWatch()
        reserved = self.stack.worker["reserved_concurrent_executions"]
        unlimited = reserved < 0
        self.worker = Function(self.metrics, self.stack.worker["function_name"], None if unlimited else reserved)
        events = self.stack.one("aws_lambda_function", "module.events[0].aws_lambda_function.this")
        self.events = Function(self.metrics, events["function_name"])
        queue = self.stack.one("aws_sqs_queue", f'module.queue["{LANE}"].aws_sqs_queue.this')
        dead = self.stack.one("aws_sqs_queue", f'module.queue["{LANE}"].aws_sqs_queue.dead_letter')
        self.dead_letters = Queue(self.metrics, dead["name"])
        self.queue = Queue(
            self.metrics, queue["name"], queue["visibility_timeout_seconds"], dead_letters=self.dead_letters
        )
        self.event_dead_letters = Queue(
            self.metrics, self.stack.one("aws_sqs_queue", "aws_sqs_queue.event_dead_letter[0]")["name"]
        )

    def mapping(self, run: Callable[[Message], Run], key: str = LANE, queue: Queue | None = None) -> QueueMapping:
        """Return the mapping of a lane's or a retired queue."""
        planned = self.stack.one("aws_lambda_event_source_mapping", f'.lane["{key}"]')
        scaling = planned["scaling_config"] or [{"maximum_concurrency": None}]
        return QueueMapping(queue or self.queue, self.worker, run, scaling[0]["maximum_concurrency"])

    def simulate(self, until: float, *parts: Callable[[float], object]) -> None:
        """Run the parts, while the queues report."""
        simulate(until, *parts, queues=(self.queue, self.dead_letters, self.event_dead_letters))

    def log(self, lines: Lines) -> None:
        """Write lines of the access log."""
        count_lines(self.metrics, self.stack.one("aws_cloudwatch_log_metric_filter", ".refused[0]"), lines)

    def access(self, status: int) -> str:
        """Return a line of the access log, in the planned format."""
        stage = self.stack.one("aws_apigatewayv2_stage", ".default")
        fields: dict[str, str] = json.loads(stage["access_log_settings"][0]["format"])
        return json.dumps({name: str(status) if text == "$context.status" else "-" for name, text in fields.items()})


def short(_: Message) -> Run:
    return Run(5)


def every(seconds: int, act: Callable[[float], object], until: float = float("inf")) -> Callable[[float], object]:
    return lambda at: act(at) if at % seconds == 0 and at < until else None


def no_worker(stack: Stack) -> Running:
    """Send jobs to a queue with a disabled mapping."""
    running = Running(stack)
    running.simulate(2 * HOUR, every(HOUR, running.queue.send))
    return running


def too_few_workers(stack: Stack) -> Running:
    """Send a job every second. Each takes as long as an invocation can."""
    running = Running(stack)
    running.worker.concurrency = None  # for the default stack: only the mapping's limit counts here
    mapping = running.mapping(lambda _: Run(stack.timeout_s - stack.stop_margin_s))
    mapping.maximum = 2
    running.simulate(2 * HOUR, running.queue.send, mapping.tick)
    return running


def refused_invocations(stack: Stack) -> Running:
    """Use up the concurrency of the function or of the account, and send jobs."""
    running = Running(stack)
    running.worker.concurrency = running.worker.concurrency or 10  # the quota of a new account
    for _ in range(running.worker.concurrency):
        running.worker.invoke(0, HOUR)
    running.simulate(HOUR, every(10, running.queue.send, MINUTE), running.mapping(short).tick)
    return running


def crashes(stack: Stack) -> Running:
    """Crash with each message, as a broken package does. Each one becomes a dead letter."""
    running = Running(stack)
    mapping = running.mapping(lambda _: Run(1, done=False, error=True))
    running.simulate(3 * HOUR, every(30, running.queue.send, 10 * MINUTE), mapping.tick)
    return running


def one_timeout(stack: Stack) -> Running:
    """Let invocations end at the worker's timeout, among short ones that succeed."""
    running = Running(stack)
    for number in range(4):
        running.worker.invoke(10 * MINUTE + number, stack.timeout_s, error=True)
    for at in range(0, HOUR, 20):
        running.worker.invoke(at, 5)
    return running


def a_stage_that_does_not_stop(stack: Stack) -> Running:
    """Let one invocation end a second before the timeout, among short ones."""
    running = Running(stack)
    running.worker.invoke(10 * MINUTE, stack.timeout_s - 1)
    for at in range(0, HOUR, 20):
        running.worker.invoke(at, 5)
    return running


def a_forgotten_dead_letter(stack: Stack) -> Running:
    """Leave one message in the dead-letter queue. Nothing else uses that queue."""
    running = Running(stack)
    running.simulate(8 * HOUR, every(24 * HOUR, running.dead_letters.send))
    return running


def events_refused(stack: Stack) -> Running:
    """Let the bus refuse every event for two hours."""
    running = Running(stack)
    running.events.read_stream(range(60, HOUR, 60), lambda at: at > 2 * HOUR, 3 * HOUR, MINUTE)
    return running


def events_refused_with_long_pauses(stack: Stack) -> Running:
    """Let the bus refuse every event, while Lambda waits for up to 15 minutes between its attempts."""
    running = Running(stack)
    running.events.read_stream(range(60, HOUR, 60), lambda at: at > 2 * HOUR, 3 * HOUR, 15 * MINUTE)
    return running


def an_event_given_up(stack: Stack) -> Running:
    """Put one event into the dead-letter queue of events."""
    running = Running(stack)
    running.simulate(HOUR, every(24 * HOUR, running.event_dead_letters.send))
    return running


def refused_requests(stack: Stack) -> Running:
    """Refuse 51 requests in five minutes, with both statuses, among others that are answered."""
    running = Running(stack)
    running.log([(float(at), running.access(status)) for at in range(51) for status in (200, 404, 401 + at % 2 * 2)])
    return running


def server_errors(stack: Stack) -> Running:
    """Answer six requests with a server error."""
    running = Running(stack)
    for at in range(6):
        running.metrics.put("AWS/ApiGateway", "5xx", {"ApiId": API}, 1, at)
    return running


CAUSES: dict[str, list[Callable[[Stack], Running]]] = {
    "api-5xx": [server_errors],
    "api-refused": [refused_requests],
    f"dead-letter-age-{LANE}": [crashes, a_forgotten_dead_letter],
    f"dead-letters-{LANE}": [crashes],
    "event-dead-letters": [an_event_given_up],
    "events-late": [events_refused, events_refused_with_long_pauses],
    f"oldest-message-{LANE}": [no_worker, too_few_workers],
    "worker-duration": [one_timeout, a_stage_that_does_not_stop],
    "worker-errors": [crashes, one_timeout],
    "worker-throttles": [refused_invocations],
}
