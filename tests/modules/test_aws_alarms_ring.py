"""Each alarm on a metric of AWS rings by its cause, and is quiet under healthy load.

The emulators publish no metrics of AWS. So the causes happen in models of the services, and the planned alarms are
evaluated by CloudWatch's documented rules. The resources have the names of two planned stacks: one with the default
settings, and one with a short timeout, limits and thresholds of its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

import worker
from analysis_jobs.base.clock import ManualClock
from tests.handlers.builders import START, some_settings
from tests.handlers.events import sqs_record
from tests.modules.aws_services import HOUR, MINUTE, Function, Message, Queue, QueueMapping, Run, count_lines, simulate
from tests.modules.cloudwatch import ALARM, OK, READINGS, CloudWatch, next_state
from tests.modules.harness import Terraform
from tests.modules.planning import Plan, make_plan, write_package

ROOT = """
provider "aws" {
  region = "eu-west-1"
}

module "default" {
  source   = "./modules/analysis-jobs"
  name     = "orders"
  analyses = ["letter_summary"]
  package  = { manifest = "dist/minimal-arm64.json" }
  api      = { authorizer = { issuer = "https://login.example.com", audience = ["acme"] } }
  events   = {}

  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
}

module "changed" {
  source   = "./modules/analysis-jobs"
  name     = "letters"
  analyses = ["letter_summary"]
  package  = { manifest = "dist/minimal-arm64.json" }
  api      = { authorizer = { issuer = "https://login.example.com", audience = ["acme"] } }
  events   = {}
  lanes    = { high = { maximum_concurrency = 4 }, medium = { maximum_concurrency = 2 } }
  lease    = { lease_s = 10, heartbeat_s = 4 }
  queue    = { retired = ["low"] }
  worker   = { environment = { STOP_MARGIN_S = "6" }, reserved_concurrency = 10, timeout_s = 40 }

  alarms = {
    thresholds = {
      api_5xx = 0, api_refused = 10, dead_letter_age_s = 300, dead_letter_depth = 0, events_late_s = 120
      oldest_message_age_s = 2000, worker_errors = 2, worker_throttles = 3, worker_time_left_s = 10
    }
  }

  bedrock_model_ids = ["anthropic.claude-haiku-4-5-*"]
  model_id          = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
}
"""
LANE = "medium"
API = "the-id-of-the-api"  # not known before an apply
HEALTHY_S = 3 * HOUR

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
        """How long before its timeout the worker hands its jobs over."""
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


@pytest.fixture(scope="module")
def plan(terraform: Terraform, account_url: str) -> Plan:
    root = terraform.root / "alarms-of-aws"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    (root / "main.tf").write_text(ROOT, encoding="utf-8")
    write_package(root / "dist", "minimal")
    return make_plan(terraform, root.name, account_url)


@pytest.fixture(scope="module", params=["default", "changed"])
def stack(plan: Plan, request: pytest.FixtureRequest) -> Stack:
    return Stack(plan.within(f"module.{request.param}."), request.param)


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


def test_every_alarm_on_a_metric_of_aws_has_a_cause_here(stack: Stack) -> None:
    of_other_lanes = tuple(f"-{name}" for name in ("high", "retired-low"))
    assert {key for key in stack.alarms if not key.endswith(of_other_lanes)} == CAUSES.keys()


@pytest.mark.parametrize(("key", "cause"), [(key, cause) for key, causes in CAUSES.items() for cause in causes])
def test_an_alarm_rings_by_its_cause(key: str, cause: Callable[[Stack], Running], stack: Stack) -> None:
    assert cause(stack).metrics.rings(stack.alarms[key], 8 * HOUR)


def test_no_alarm_rings_under_healthy_load(stack: Stack) -> None:
    """Hours with long jobs, waiting jobs, a dead letter that somebody handles, and a few refused requests."""
    running = Running(stack)
    longest = Run(stack.timeout_s - stack.stop_margin_s + min(1, stack.stop_margin_s / 6))  # with its last writes
    lengths = iter([longest, Run(5), Run(1)] * HEALTHY_S)
    mapping = running.mapping(lambda _: next(lengths))
    # A job that waits for a busy service has a message with the longest delay of SQS.
    parts = [
        every(2 * MINUTE, running.queue.send, 2 * HOUR),
        every(10 * MINUTE, lambda at: running.queue.send(at, 900)),
    ]

    def handle_dead_letters(at: float) -> None:
        if at == HOUR:
            running.dead_letters.send(at)
        elif at == HOUR + 4 * MINUTE:
            running.dead_letters.messages.clear()

    running.simulate(HEALTHY_S, *parts, mapping.tick, handle_dead_letters)
    running.events.read_stream(range(0, HEALTHY_S, 7), lambda _: True, HEALTHY_S, MINUTE)
    running.log([(at, running.access(200 if at % 90 else 401)) for at in range(0, HEALTHY_S, 45)])
    allowed = {"dead-letters-medium"} if stack.module == "changed" else set()  # its threshold is 0
    assert {key for key, alarm in stack.alarms.items() if not running.metrics.is_quiet(alarm, 5 * HOUR)} == allowed


def test_a_full_load_of_all_mappings_is_not_throttled(stack: Stack) -> None:
    """The lanes, the retired queues and the canaries together have room in the worker's reserved concurrency."""
    running = Running(stack)
    planned = stack.plan.of_type("aws_lambda_event_source_mapping")
    keys = [address.split('"')[1] for address in planned if ".lane[" in address]
    [canary] = [each for address, each in planned.items() if ".canary[" in address]
    full = Queue(running.metrics, "full")
    for _ in range(500):
        full.send(0)
    mappings = [running.mapping(short, key, full) for key in keys]
    mappings.append(QueueMapping(full, running.worker, short, canary["scaling_config"][0]["maximum_concurrency"]))
    simulate(5 * MINUTE, *(mapping.tick for mapping in mappings))
    assert full.messages == []
    assert running.metrics.is_quiet(stack.alarms["worker-throttles"], HOUR)


def test_an_alarm_stays_when_sqs_stops_reporting_a_queue_with_messages(stack: Stack) -> None:
    running = no_worker(stack)
    simulate(2 * HOUR, queues=[running.queue])
    alarm = stack.alarms[f"oldest-message-{LANE}"]
    assert list(running.metrics.states(alarm, 12 * HOUR, READINGS[0]))[-1] == ALARM


def test_the_api_of_the_alarm_is_that_of_the_stack(plan: Plan) -> None:
    assert "module.api" in plan.references("default", "alarms", given="api")


@pytest.mark.parametrize("timeout_s", [4, 12, 20, 40, 60, 600, 900])
@pytest.mark.parametrize("stop_margin_s", [15, 6])
def test_the_module_knows_when_the_worker_hands_its_jobs_over(timeout_s: int, stop_margin_s: float) -> None:
    """The formula of modules/alarms is that of the handler."""
    stopped: list[datetime | None] = []
    settings = some_settings(stop_margin_s=stop_margin_s)
    fake = SimpleNamespace(
        clock=ManualClock(START),
        settings=settings,
        source=None,
        handle=lambda _message, stop_at, _invocation: stopped.append(stop_at),
    )
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: timeout_s * 1000)
    with patch.object(worker, "_worker", return_value=fake):
        worker.handler({"Records": [sqs_record('{"tenant": "acme", "job_id": "1"}', queue="jobs")]}, context)
    assert stopped == [START + timedelta(seconds=timeout_s - min(stop_margin_s, timeout_s / 4))]


# The tables of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html:
# datapoints with the newest at the right, and the states for ignore, breaching and notBreaching. "-" keeps the state.
DOCUMENTED: Mapping[tuple[int, int], Mapping[str, tuple[str, str, str]]] = {
    (3, 3): {
        "0-X-X": (OK, OK, OK),
        "0----": (OK, OK, OK),
        "-----": ("-", ALARM, OK),
        "0XX-X": (ALARM, ALARM, ALARM),
        "--X--": ("-", ALARM, OK),
    },
    (2, 3): {
        "0-X-X": (ALARM, ALARM, ALARM),
        "00X0X": (ALARM, ALARM, ALARM),
        "0-X--": (OK, ALARM, OK),
        "----0": (OK, ALARM, OK),
        "---X-": ("-", ALARM, OK),
    },
}


@pytest.mark.parametrize("numbers", DOCUMENTED)
def test_the_evaluation_is_the_documented_one(numbers: tuple[int, int]) -> None:
    needed, periods = numbers
    found = {}
    for points in DOCUMENTED[numbers]:
        values = [{"0": 0.0, "X": 9.0, "-": None}[point] for point in reversed(points)]
        alarm: dict[str, Any] = {"evaluation_periods": periods, "datapoints_to_alarm": needed, "threshold": 3}
        alarm["comparison_operator"] = "GreaterThanThreshold"
        found[points] = tuple(
            next_state(values, alarm | {"treat_missing_data": treated}, "-")
            for treated in ("ignore", "breaching", "notBreaching")
        )
    assert found == DOCUMENTED[numbers]
