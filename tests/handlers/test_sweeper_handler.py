"""The sweeper's handler: overdue jobs get their next step, and the answer counts the steps."""

import json
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest

import sweeper
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.sqs import SqsJobQueue
from tests.handlers.builders import START
from tests.handlers.deployment import Deployment, deployed
from tests.handlers.events import Context, call, logged

DOCUMENT = f"{new_id(START)}/missing.pdf"


@pytest.fixture
def stack() -> Iterator[Deployment]:
    with deployed() as stack:
        yield stack


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock of the sweeper one hour ahead."""
    now = SystemClock().now() + timedelta(hours=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: now)


def _submit() -> str:
    return str(call("POST", "/proposals/42/analyze-rfp", {"document": DOCUMENT}).json["job_id"])


def test_a_sweep_without_due_jobs_returns_no_steps_and_is_counted(
    stack: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    _submit()
    capsys.readouterr()
    with logged() as lines:
        assert stack.sweep() == {}
    assert [(line["event"], line["steps"]) for line in lines] == [("sweep.done", {})]
    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert (metrics["Sweeps"], "SweepErrors" in metrics) == ([1.0], False)


def _counted(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    """Return the count of a metric since the last call."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [value for line in lines for value in line.get(name, [])]


def test_a_lost_message_is_counted_and_sent_again_and_the_job_ends(
    stack: Deployment, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch.object(SqsJobQueue, "send", side_effect=OSError("no route to SQS")):
        job_id = _submit()
    assert _counted(capsys, "JobsNotSent") == [1.0]
    assert stack.messages() == []
    request.getfixturevalue("later")
    assert stack.sweep() == {"resend": 1}
    assert stack.work() == []
    assert call("GET", f"/jobs/{job_id}").json["status"] == "failed", (
        "the job ran: it failed because its document is missing"
    )


def test_one_bad_row_does_not_stop_the_sweep_and_is_counted(
    stack: Deployment, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = [_submit() for _ in range(3)]
    stack.messages()
    request.getfixturevalue("later")
    get = DynamoJobStore.get

    def broken(store: DynamoJobStore, key: object) -> object:
        if getattr(key, "job_id", "") == jobs[1]:
            raise ValueError("a row that nobody can read")
        return get(store, key)  # type: ignore[arg-type]

    with (
        patch.object(DynamoJobStore, "get", broken),
        patch.object(DynamoJobStore, "read_many", side_effect=ValueError("a row that nobody can read")),
        logged() as lines,
    ):
        assert stack.sweep() == {"resend": 2, "error": 1}
    assert _counted(capsys, "SweepErrors") == [1.0]
    [line] = [line for line in lines if line["event"] == "sweep.error"]
    assert (line["job_id"], line["tenant"]) == (jobs[1], "acme")


def test_the_sweeper_needs_no_analysis(stack: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYSES", "an_analysis_that_was_broken")
    assert stack.sweep() == {}


def test_a_sweep_near_the_end_of_its_invocation_takes_no_step_but_writes_its_metrics(
    stack: Deployment, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    _submit()
    stack.messages()
    request.getfixturevalue("later")
    capsys.readouterr()
    assert sweeper.handler({}, Context(timedelta(seconds=4))) == {}
    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert (metrics["Sweeps"], metrics["SweepsOutOfTime"]) == ([1.0], [1.0])
    assert stack.sweep() == {"resend": 1}
