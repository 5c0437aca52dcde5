"""Each alarm on a metric of AWS rings by its cause, and is quiet under healthy load.

The emulators publish no metrics of AWS. So the causes happen in models of the services, and the planned alarms are
evaluated by CloudWatch's documented rules. The resources have the names of two planned stacks: one with the default
settings, and one with a short timeout, limits and thresholds of its own.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

import pytest

import worker
from analysis_jobs.base.clock import ManualClock
from tests.handlers.builders import START, some_settings
from tests.handlers.events import sqs_record
from tests.modules.alarm_causes import CAUSES, LANE, Running, Stack, every, no_worker, short
from tests.modules.aws_services import HOUR, MINUTE, Queue, QueueMapping, Run, simulate
from tests.modules.cloudwatch import ALARM, READINGS
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
HEALTHY_S = 3 * HOUR


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
