"""The alarms and the dashboard, compared with the metrics that the library really writes in process.

Each alarm on the library's own metrics rings by its cause, and is quiet while jobs succeed.
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from analysis_jobs import Defer, Fail
from analysis_jobs.base import observability
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.llm.prices import Prices
from analysis_jobs.postgres import connections
from analysis_jobs.postgres.connections import LoginSource
from analysis_jobs.stores.memory import MemoryJobStore, MemoryQueue
from tests.handlers.api.site import opened, submit
from tests.handlers.builders import START, ScriptedModel, Shop, Value, says, some_settings
from tests.handlers.events import call
from tests.handlers.streams import Recorded, a_publisher, life
from tests.modules.harness import REPOSITORY, Terraform

RUN = "every_alarm_with_its_default"
PRICES = Prices.parse({"some.model": {"input": 1_000, "output": 1_000}}, ManualClock(START))
LOGIN = {"host": "db", "username": "jobs", "password": "p", "dbname": "jobs"}
# What AWS documents, by namespace: the names, and the dimensions of a value.
AWS = {
    "AWS/ApiGateway": ({"4xx", "5xx", "Count", "IntegrationLatency", "Latency"}, {"ApiId"}),
    "AWS/Lambda": (
        {"ConcurrentExecutions", "Duration", "Errors", "Invocations", "IteratorAge", "Throttles"},
        {"FunctionName"},
    ),
    "AWS/SQS": ({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
}

Line = dict[str, Any]
type Cause = Callable[[], object]


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "orders")
    observability._metrics.cache_clear()  # noqa: SLF001 - it keeps the service of its first use
    yield
    observability._metrics.cache_clear()  # noqa: SLF001 - as above


def jobs(count: int, stage: Callable[[Any], Any], **fields: Any) -> None:
    """Run jobs of one analysis."""
    shop = Shop([stage], ScriptedModel(*[says("a", input_tokens=1_000)] * count), prices=PRICES)
    for _ in range(count):
        shop.deliver(shop.keep(**fields))


def good(job: Any) -> Value:
    return Value(text=job.ask("one?"))


def bad(_job: Any) -> Value:
    raise Fail("refused", "no")


def slow(_job: Any) -> Value:
    raise Defer("model_throttled", "later")


def submissions(count: int, error: Exception | None = None) -> None:
    with opened(MemoryJobStore(), ManualClock(START)), patch.object(MemoryQueue, "send", side_effect=error):
        for _ in range(count):
            submit()


def sweep(rows: int = 0) -> None:
    """Sweep over rows whose messages cannot be sent."""
    shop = Shop([good])
    for _ in range(rows):
        shop.keep(due_at=START)
    with patch.object(MemoryQueue, "send", side_effect=OSError("no route")):
        shop.sweeper.sweep()


def connect(*refusals: str, secrets: int = 2) -> None:
    """Connect with a login that the server refuses. The secret has a new password after the first read."""
    passwords = [f"p{number}" for number in range(secrets)]
    source = LoginSource("DATABASE_SECRET", lambda: LOGIN | {"password": passwords[0]}, passwords.reverse)
    answers = [*map(psycopg.OperationalError, refusals), object()]
    with patch.object(connections, "_open", side_effect=answers):
        if secrets == 1:
            with pytest.raises(Defer, match="refuses the login"):
                source.connect()
        else:
            source.connect()


def publish() -> None:
    a_publisher(Recorded()).publish(life())


REFUSED = 'password authentication failed for user "jobs"'
CAUSES: dict[str, Cause] = {
    "cost-per-day": lambda: jobs(201, good),
    "cost-per-hour": lambda: jobs(21, good),
    "database-logins-refused": lambda: connect(REFUSED, secrets=1),
    "events-stuck": lambda: jobs(1, good),
    "jobs-failed": lambda: jobs(11, bad),
    "jobs-not-sent": lambda: submissions(6, OSError("no route")),
    "sweep-errors": lambda: sweep(4),
    "sweeper-silent": lambda: None,
}


def healthy() -> None:
    """A quarter of an hour without trouble, with what is normal: a few failures, a throttled model, a new password."""
    submissions(15)
    jobs(15, good)
    jobs(3, bad)
    jobs(3, slow)
    sweep()
    connect(REFUSED)
    publish()


def emitted(capsys: pytest.CaptureFixture[str], cause: Cause) -> list[Line]:
    """Return the lines of metrics that the library writes meanwhile."""
    observability.flush()
    capsys.readouterr()
    cause()
    observability.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def total(lines: list[Line], namespace: str, name: str, dimensions: dict[str, str]) -> float | None:
    """Return the sum of a metric with exactly these dimensions, as CloudWatch adds it up. None without a value."""
    values: list[float] = []
    for line in lines:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            named = any(metric["Name"] == name for metric in directive["Metrics"])
            fits = any({key: line[key] for key in keys} == dimensions for keys in directive["Dimensions"])
            if directive["Namespace"] == namespace and named and fits:
                values += line[name] if isinstance(line[name], list) else [line[name]]
    return sum(values) if values else None


def rings(alarm: dict[str, Any], lines: list[Line]) -> bool:
    """Evaluate a planned alarm over the metrics of one of its periods."""
    queries = {query["id"]: query for query in alarm["metric_query"] or []}
    if queries:
        expression = queries.pop("alarm")["expression"]
        values = {}
        for key, query in queries.items():
            [metric] = query["metric"]
            values[key] = total(lines, metric["namespace"], metric["metric_name"], metric["dimensions"]) or 0
        arguments = re.fullmatch(r"IF\((.*), 1, 0\)", re.sub(r"FILL\((\w+), 0\)", r"\1", expression))
        assert arguments, expression
        value: float | None = float(eval(arguments[1].replace("AND", "and"), {}, values))  # noqa: S307 - our own module
    else:
        value = total(lines, alarm["namespace"], alarm["metric_name"], alarm["dimensions"] or {})
    if value is None:
        return bool(alarm["treat_missing_data"] == "breaching")
    above = alarm["comparison_operator"] == "GreaterThanThreshold"
    threshold = float(alarm["threshold"])
    return value > threshold if above else value < threshold


def alarms(terraform: Terraform) -> dict[str, dict[str, Any]]:
    planned = terraform.test("modules/alarms/tests/alarms.tftest.hcl")[RUN].planned
    prefix = "aws_cloudwatch_metric_alarm.this"
    return {address.split('"')[1]: each for address, each in planned.items() if address.startswith(prefix)}


def own(alarm: dict[str, Any]) -> bool:
    return bool(alarm["metric_query"]) or alarm["namespace"] == "AnalysisJobs"


def test_every_alarm_on_our_own_metrics_has_a_cause_here(terraform: Terraform) -> None:
    assert {key for key, alarm in alarms(terraform).items() if own(alarm)} == set(CAUSES)


@pytest.mark.parametrize("key", sorted(CAUSES))
def test_an_alarm_rings_by_its_cause(key: str, terraform: Terraform, capsys: pytest.CaptureFixture[str]) -> None:
    assert rings(alarms(terraform)[key], emitted(capsys, CAUSES[key]))


def test_no_alarm_rings_under_healthy_load(terraform: Terraform, capsys: pytest.CaptureFixture[str]) -> None:
    lines = emitted(capsys, healthy)
    watched = {key: alarm for key, alarm in alarms(terraform).items() if own(alarm)}
    found = {key for key, alarm in watched.items() if rings(alarm, lines)}
    assert found == set()


def test_every_graph_and_alarm_shows_a_metric_that_exists(
    terraform: Terraform, capsys: pytest.CaptureFixture[str]
) -> None:
    def everything() -> None:
        healthy()
        for cause in CAUSES.values():
            cause()

    written = {
        (metric["Name"], frozenset(keys))
        for line in emitted(capsys, everything)
        for directive in line["_aws"]["CloudWatchMetrics"]
        for keys in directive["Dimensions"]
        for metric in directive["Metrics"]
    }
    # The admission policies of the examples are not in this run. `Submissions<Outcome>` is built from the outcome.
    written |= {(f"Submissions{outcome}", frozenset({"service"})) for outcome in ("Existing", "Skipped", "Limited")}
    unknown = [each for each in shown(terraform) if not exists(*each, written)]
    assert unknown == []


def shown(terraform: Terraform) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield namespace, name and names of the dimensions of every metric of the dashboard and the alarms."""
    planned = terraform.test("modules/alarms/tests/alarms.tftest.hcl")[RUN].planned
    body = json.loads(planned["aws_cloudwatch_dashboard.this"]["dashboard_body"])
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                schema, name = re.findall(r"\{([^}]*)\} MetricName=\"(\w+)\"", metric[0]["expression"])[0]
                namespace, *names = schema.split(",")
                yield namespace, name, frozenset(names)
            else:
                yield metric[0], metric[1], frozenset(metric[2::2])
    for alarm in alarms(terraform).values():
        if not alarm["metric_query"]:
            yield alarm["namespace"], alarm["metric_name"], frozenset(alarm["dimensions"] or {})


def exists(namespace: str, name: str, dimensions: frozenset[str], written: set[tuple[str, frozenset[str]]]) -> bool:
    if namespace == "AnalysisJobs":
        return (name, dimensions) in written
    if namespace == "AnalysisJobs/orders":  # of the metric filter
        return (name, dimensions) == ("RequestsRefused", frozenset())
    names, keys = AWS[namespace]
    by_version = {"ExecutedVersion", "FunctionName", "Resource"}
    return name in names and (dimensions == keys or (namespace == "AWS/Lambda" and dimensions == by_version))


def test_many_tenants_jobs_and_made_up_analyses_make_few_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        for number in range(30):
            jobs(1, good, tenant=f"tenant-{number}")
            jobs(1, good, tenant=f"tenant-{number}", analysis=f"made-up-{number}")
        with opened(MemoryJobStore(), ManualClock(START)):
            for number in range(30):
                call("POST", "/jobs", {"analysis": f"made-up-{number}", "input": {}}, tenant=f"tenant-{number}")

    lines = emitted(capsys, load)
    assert len(lines) > 100
    sets = {
        tuple((key, line[key]) for key in sorted(keys))
        for line in lines
        for directive in line["_aws"]["CloudWatchMetrics"]
        for keys in directive["Dimensions"]
    }
    service = ("service", "orders")
    assert sets == {(service,), (("analysis", "valuation"), service), (("analysis", "unknown"), service)}


def test_the_filter_reads_a_field_of_the_access_log(terraform: Terraform) -> None:
    planned = terraform.test("modules/alarms/tests/alarms.tftest.hcl")[RUN].planned
    pattern = planned["aws_cloudwatch_log_metric_filter.refused[0]"]["pattern"]
    stage = (REPOSITORY / "modules" / "api" / "stage.tf").read_text(encoding="utf-8")
    assert re.search(r'status +: *"\$context\.status"|status +=+ +"\$context\.status"', stage)
    counted = set(re.findall(r'\$\.status = "(\d+)"', pattern))
    with opened(MemoryJobStore(), ManualClock(START)):
        refused, unknown, fine = (
            call("GET", "/jobs", tenant=None),
            call("GET", "/jobs/01hzzzzzzzzzzzzzzzzzzzzzzz"),
            call("GET", "/jobs"),
        )
    assert [str(answer.status) in counted for answer in (refused, unknown, fine)] == [True, False, False]


def test_the_price_of_the_causes_is_what_they_claim() -> None:
    shop = Shop([good], ScriptedModel(says("a", input_tokens=1_000)), prices=PRICES, settings=some_settings())
    assert shop.deliver(shop.keep()).cost_usd == Decimal("1.005")
