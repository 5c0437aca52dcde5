"""The commands `erase` and `export`: what they print, what they change, and their errors."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock, SystemClock
from analysis_jobs.privacy.stack import StackError, read_stack
from tests.handlers.builders import START
from tests.handlers.erasures import Place, an_ended_job, on_aws

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """Return a stack on moto. The commands find it by the environment."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tests")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        place = on_aws(ManualClock(START), "stack")
        output = {
            "table_name": "stack",
            "bucket_name": "stack",
            "dead_letter_queue_urls": {"medium": place.queue, "high": place.queue},
            "event_dead_letter_queue_url": None,
            "backend_environment": {"ANALYSIS_JOBS_BUCKET_PREFIX": place.prefix},
            "arns": {"log_groups": {"worker": "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/stack-worker"}},
            "something_else": [1],
        }
        file = tmp_path / "stack.json"
        file.write_text(json.dumps(output), encoding="utf-8")
        monkeypatch.setenv("ANALYSIS_JOBS_STACK", str(file))
        yield place


def test_a_dry_run_lists_and_an_erasure_removes_with_a_receipt(place: Place, run: Run, tmp_path: Path) -> None:
    job = an_ended_job(place)
    status, out, _ = run("erase", "subject", "acme", "users/7", "--dry-run")
    assert status == 0
    assert "Nothing was changed." in out
    assert place.store.get(job.key) == job
    file = tmp_path / "receipt.json"
    status, out, _ = run("erase", "subject", "acme", "users/7", "--yes", "--reason", "T-1", "--receipt", file, "--json")
    receipt = json.loads(out)
    assert (status, receipt["complete"], receipt["reason"]) == (0, True, "T-1")
    assert receipt == json.loads(file.read_text(encoding="utf-8"))
    assert receipt["by"].startswith("arn:aws:")
    assert receipt["removed"]["jobs"] == {"count": 1, "ids": [job.job_id]}
    assert place.store.get(job.key) is None
    status, out, _ = run("erase", "tenant", "acme", "--yes")
    assert (status, "Complete." in out) == (0, True)


GROUP = "/aws/lambda/stack-worker"


def trail() -> list[dict[str, Any]]:
    """Return the lines of the stack's audit trail, which is in the worker's log here."""
    events = boto3.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    return [json.loads(each["message"]) for each in events]


def test_an_erasure_and_an_export_are_in_the_audit_trail(place: Place, run: Run, tmp_path: Path) -> None:
    boto3.client("logs").create_log_group(logGroupName=GROUP)
    job = an_ended_job(place)
    run("export", "job", "acme", job.job_id, "--to", tmp_path / "exports", "--zip")
    run("erase", "subject", "acme", "users/7", "--dry-run")
    file = tmp_path / "receipt.json"
    run("erase", "subject", "acme", "users/7", "--yes", "--reason", "T-1", "--receipt", file)
    exported, erased = trail()
    assert (exported["event"], exported["job_id"]) == ("audit.job.exported", job.job_id)
    assert (erased["event"], erased["reason"], erased["jobs"]) == ("audit.subject.erased", "T-1", 1)
    assert erased["receipt_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {line["actor_kind"] for line in (exported, erased)} == {"iam"}
    assert all(line["actor"].startswith("arn:aws:") for line in (exported, erased))
    assert "users/7" not in json.dumps(erased), "the trail outlives the erasure of the subject"


def test_a_line_that_the_trail_does_not_take_is_shown(place: Place, run: Run) -> None:
    job = an_ended_job(place)
    status, _, err = run("erase", "job", "acme", job.job_id, "--yes")
    assert status == 0
    assert "The audit trail did not take this line" in err
    assert job.job_id in err


def test_without_a_confirmation_nothing_is_erased(place: Place, run: Run) -> None:
    job = an_ended_job(place)
    status, _, _ = run("erase", "job", "acme", job.job_id)
    assert status == 1
    assert place.store.get(job.key) == job


def test_an_erasure_waits_until_nobody_can_write(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    now = START - timedelta(hours=23)  # the job began an hour ago
    monkeypatch.setattr(SystemClock, "now", lambda _: now - timedelta(minutes=50) + timedelta(seconds=sum(slept)))
    job = an_ended_job(place)
    status, out, _ = run("erase", "job", "acme", job.job_id, "--yes")
    assert (status, "Run this command again after" in out) == (1, True)
    status, out, err = run("erase", "job", "acme", job.job_id, "--yes", "--wait", "--json")
    assert (status, json.loads(out)["complete"]) == (0, True)
    assert "Waiting until" in err
    assert len(slept) == 1


def test_a_tenant_is_exported(place: Place, run: Run, tmp_path: Path) -> None:
    job = an_ended_job(place)
    status, out, _ = run("export", "tenant", "acme", "--to", tmp_path / "out", "--json")
    assert (status, json.loads(out)) == (0, {"exports": [str(tmp_path / "out" / job.job_id)]})
    assert (tmp_path / "out" / job.job_id / "row.json").is_file()
    status, out, _ = run("export", "subject", "acme", "nobody", "--to", tmp_path / "out")
    assert (status, "no jobs" in out) == (0, True)
    assert run("export", "job", "acme", "0" * 26, "--to", tmp_path / "out")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("erase", "tenant", "a#b", "--yes"), "'a#b' is not a tenant"),
        (("erase", "job", "acme", "7", "--yes"), "'7' is not the id of a job"),
        (("erase", "tenant", "acme", "--yes", "--stack", "nowhere.json"), "nowhere.json"),
    ],
)
@pytest.mark.usefixtures("place")
def test_wrong_arguments_are_explained(run: Run, arguments: tuple[str, ...], problem: str) -> None:
    status, _, err = run(*arguments)
    assert status == 1
    assert problem in err


def test_a_missing_stack_is_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYSIS_JOBS_STACK", raising=False)
    status, _, err = run("erase", "tenant", "acme", "--yes")
    assert (status, "terraform output -json deployment" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "problem"), [("no", "not JSON"), ("{}", "table_name"), ("[]", "does not describe"), ("null", "describe")]
)
def test_what_does_not_describe_a_stack_is_refused(text: str, problem: str) -> None:
    with pytest.raises(StackError, match=problem):
        read_stack(text)


def test_all_outputs_of_a_root_describe_its_stack() -> None:
    value = {"table_name": "t", "bucket_name": "b"}
    assert read_stack(json.dumps({"deployment": {"sensitive": False, "value": value}})).table_name == "t"
