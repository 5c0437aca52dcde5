"""Each saved query of the module, and each query of the operations page, finds what it promises in real log lines.

The lines are those of submissions, of the worker, of the sweeper, of failures and of the audit trail, as the functions
print them, and Lambda's own reports.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from analysis_jobs import Defer, Fail
from analysis_jobs.base import observability
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.record import StoredFile
from analysis_jobs.jobs.transitions import COMPLETE
from analysis_jobs.llm.prices import Prices
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.worker.claims import Claims
from tests.handlers.api.site import opened, submit
from tests.handlers.builders import MINUTE, START, ScriptedModel, Shop, Value, says
from tests.handlers.events import call, http_event, send
from tests.modules import insights
from tests.modules.harness import REPOSITORY, Terraform

API, WORKER = "/aws/lambda/orders-api", "/aws/lambda/orders-worker"
PRICES = Prices.parse({"some.model": {"input": 1_000, "output": 1_000}}, ManualClock(START))
# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
REPORT = {
    "time": "2026-01-01T00:00:02.000Z",
    "type": "platform.report",
    "record": {
        "requestId": "1",
        "metrics": {
            "durationMs": 900.5,
            "billedDurationMs": 1901,
            "memorySizeMB": 1024,
            "maxMemoryUsedMB": 200,
            "initDurationMs": 1000.25,
        },
        "status": "success",
    },
}
WARM = REPORT | {"record": {"metrics": {"durationMs": 12.5}, "status": "success"}}
KILLED = REPORT | {
    "record": {
        "metrics": {"durationMs": 812.0, "maxMemoryUsedMB": 1024},
        "status": "error",
        "errorType": "Runtime.OutOfMemory",
    }
}

type Lines = list[dict[str, Any]]


def good(job: Any) -> Value:
    return Value(text=job.ask("one?"))


def bad(_job: Any) -> Value:
    raise Fail("refused", "no")


def throttled(_job: Any) -> Value:
    raise Defer("model_throttled", "later")


def work(stage: Callable[[Any], Value], tenant: str = "acme") -> str:
    """Run a job, and return its id."""
    shop = Shop([stage], ScriptedModel(says("a", input_tokens=1_000)), prices=PRICES)
    key = shop.keep(tenant=tenant)
    shop.deliver(key)
    return key.job_id


def requests() -> None:
    with opened(MemoryJobStore(), ManualClock(START)) as site:
        job_id = submit()
        site.claim(job_id)
        files = {"report.md": StoredFile(0, 3, "text/markdown")}
        site.take(job_id, COMPLETE, files=files, finished_at=site.clock.now())
        call("GET", f"/jobs/{job_id}")
        call("GET", f"/jobs/{job_id}/files/report.md")
        call("GET", "/jobs", tenant=None)
        claims = {"tenant": "acme", "iss": "https://login.example.com", "client_id": "web"}
        send(http_event("GET", "/jobs", claims=claims))


def jobs() -> str:
    """Run jobs of two tenants, with each way to end. Return the id of one that succeeds."""
    for tenant in ("acme", "other"):
        for stage in (bad, throttled):
            work(stage, tenant)
    return work(good)


def lose_a_worker() -> str:
    """Sweep up a job that has lost its worker, and run it again. Return its id."""
    shop = Shop([good], ScriptedModel(says("a")), prices=PRICES)
    key = shop.keep()
    Claims(shop.store, shop.queue, shop.settings, shop.clock).claim_for_message(key, None)
    shop.clock.advance(2 * MINUTE)
    shop.sweeper.sweep()
    shop.deliver(key)
    return key.job_id


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Lines]:
    """Return a function that returns what was printed since its last call, as the lines of a log group."""

    def read(log_group: str) -> Lines:
        texts = [text for text in capsys.readouterr().out.splitlines() if text.startswith("{")]
        return [line_of(json.loads(text), log_group) for text in texts]

    # The logger keeps the standard output of its first use.
    for handler in logging.getLogger(observability._logger().service).handlers:  # noqa: SLF001 - the library's own
        monkeypatch.setattr(handler, "stream", sys.stdout)
    capsys.readouterr()
    return read


def line_of(content: dict[str, Any], log_group: str) -> dict[str, Any]:
    """Return a line with the fields that Logs Insights discovers or adds."""
    stamp = content.get("timestamp") or content.get("time")
    at = datetime.fromisoformat(stamp).timestamp() if stamp else content["_aws"]["Timestamp"] / 1000
    own = {"@log": log_group, "@logStream": "2026/01/01/[1]1f", "@message": json.dumps(content), "@timestamp": at}
    return insights.flat(content) | own


def queries(terraform: Terraform) -> dict[str, dict[str, Any]]:
    planned = terraform.test("modules/alarms/tests/alarms.tftest.hcl")["every_alarm_with_its_default"].planned
    prefix = "aws_cloudwatch_query_definition.this"
    return {address.split('"')[1]: each for address, each in planned.items() if address.startswith(prefix)}


@dataclass(frozen=True)
class Logs:
    """All lines, and the ids of two jobs: of one that succeeded at once, and of one that lost its worker."""

    lines: Lines
    job_id: str
    lost: str


@pytest.fixture
def logs(printed: Callable[[str], Lines]) -> Logs:
    requests()
    lines = printed(API)
    job_id = jobs()
    lost = lose_a_worker()
    lines += [*printed(WORKER), *(line_of(each, WORKER) for each in (REPORT, WARM, KILLED))]
    return Logs(lines, job_id, lost)


@pytest.fixture
def results(terraform: Terraform, logs: Logs) -> dict[str, list[dict[str, Any]]]:
    """Return the result of each saved query, over the lines of its log groups."""
    return {
        name: insights.run(
            each["query_string"].replace("PASTE THE JOB ID", logs.job_id),
            [line for line in logs.lines if line["@log"] in each["log_group_names"]],
        )
        for name, each in queries(terraform).items()
    }


def test_each_query_of_the_page_finds_what_it_promises(logs: Logs) -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text("utf-8")
    texts = re.findall(r"^```\n((?:fields|filter) .*?)^```$", page, re.MULTILINE | re.DOTALL)
    story, errors, acts, killed, claims = [
        insights.run(re.sub(r'job_id = "\w+"', f'job_id = "{logs.lost}"', text), logs.lines) for text in texts
    ]
    assert [row["event"] for row in story if row["step"]] == ["sweep.step"]
    assert [row["attempt"] for row in story if row["event"] == "job.claimed"] == [1, 2]
    assert {row["code"] for row in errors} == {"refused", "model_throttled"}
    assert {row["event"] for row in acts} >= {"audit.job.submitted", "audit.file.downloaded"}
    assert [(row["record.errorType"], row["max_used_mb"]) for row in killed] == [("Runtime.OutOfMemory", 1024)]
    assert [(row["job_id"], row["claims"], row["attempt"]) for row in claims] == [(logs.lost, 2, 2)]


def test_each_query_finds_what_it_promises(results: dict[str, list[dict[str, Any]]]) -> None:
    story = [row["event"] for row in results.pop("a job's lines")]
    assert story == ["job.claimed", "stage.done", "attempt.spent", "job.complete"]

    acts = {(row["event"], row["actor"], row["status"]) for row in results["who did what"]}
    assert ("audit.job.submitted", "ada", 202) in acts
    assert ("audit.jobs.listed", "ada", 403) in acts
    assert {row["actor_issuer"] for row in results["who did what"]} == {None, "https://login.example.com"}
    assert {row["file"] for row in results.pop("who did what")} == {None, "report.md"}

    [cold] = results.pop("cold starts")
    assert (cold["@log"], cold["starts"], cold["longest_ms"]) == (WORKER, 1, 1000.25)

    [cost] = results.pop("cost by analysis and tenant")
    spent = {"usd": pytest.approx(1.02), "input": 1_010, "output": 10, "jobs": 2}
    assert cost == {"analysis": "valuation", "tenant": "acme"} | spent

    errors = {(row["code"], row["jobs"], row["tenants"]) for row in results.pop("errors by code")}
    assert errors == {("refused", 2, 2), ("model_throttled", 2, 2)}

    [stage] = results.pop("slowest stages")
    assert (stage["analysis"], stage["stage"], stage["runs"]) == ("valuation", "good", 2)

    [calls] = results.pop("throttled model calls")
    assert (calls["code"], calls["calls"], calls["jobs"]) == ("model_throttled", 2, 2)
    assert results == {}


LINE = {"event": "a", "seconds": 3, "@timestamp": 60.0}


@pytest.mark.parametrize(
    "query",
    [
        "fields event, secs",
        'filter evnt = "a"',
        "stats sum(secs) as s by event",
        "stats sum(seconds) as s by evnt",
        "stats sum(seconds) as s by event | sort secs desc",
        "stats sum(seconds) by event",
        "stats median(seconds) as s by event",
        "parse @message /x/",
        "fields event | dedup event",
        'filter event =~ "a"',
        "filter event = a",
        'filter event = "none" | fields seconds',
        "filter seconds > two",
        "fields event; seconds",
        "sort seconds up",
    ],
)
def test_the_interpreter_refuses_what_it_does_not_know(query: str) -> None:
    with pytest.raises(insights.QueryError):
        insights.run(query, [LINE])


def test_the_interpreter_knows_the_language_of_the_queries() -> None:
    lines = [LINE, {"event": "b", "seconds": 5, "@timestamp": 130.0}, {"event": "b", "seconds": 1, "@timestamp": 0.0}]
    query = """
        filter (event = "b" or event = "a") and ispresent(seconds) and event != "c" and event in ["a", "b"]
        | stats count(*) as n, avg(seconds) as mean, min(seconds) as least, pct(seconds, 95) as high by event, bin(1m)
        | sort high desc
        | limit 2
    """
    assert insights.run(query, lines) == [
        {"event": "b", "bin(1m)": 120.0, "n": 1, "mean": 5, "least": 5, "high": 5},
        {"event": "a", "bin(1m)": 60.0, "n": 1, "mean": 3, "least": 3, "high": 3},
    ]
    assert insights.run('fields event | filter event like "b" | sort @timestamp asc', lines) == [{"event": "b"}] * 2
