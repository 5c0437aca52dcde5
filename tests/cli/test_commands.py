"""The commands for jobs: their arguments, their output for people, and their JSON for programs."""

import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.cli.main import main
from analysis_jobs.client import Client
from tests.cli.api_server import ApiServer, Handler

type Run = Callable[..., tuple[int, str, str]]


def read(said: str) -> Any:
    return json.loads(said)


def test_submit_uploads_the_document_and_names_it_in_the_input(api: ApiServer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rfp.pdf").write_bytes(b"%PDF")
    status, out, _ = run(
        *("submit", "rfp-analysis", "--document", tmp_path / "rfp.pdf", "--input", '{"title": "t"}'),
        *("--subject", "books/42", "--priority", "high", "--json"),
    )
    assert (status, read(out)["status"]) == (0, "queued")
    path, headers, body = api.bodies[-1]
    assert path == "/jobs"
    assert len(headers["Idempotency-Key"]) == 36
    assert json.loads(body) == {
        "analysis": "rfp-analysis",
        "input": {"title": "t", "document": "u1/rfp.pdf"},
        "subject": "books/42",
        "priority": "high",
    }


@pytest.mark.parametrize(("job_id", "expected"), [("01abc", 0), (None, 1)])
def test_submit_says_which_job_stands_instead_and_why(
    api: ApiServer, run: Run, job_id: str | None, expected: int
) -> None:
    reason = {"code": "fresh", "message": "the last analysis is still fresh"}
    state = "completed" if job_id else None
    answer = {"job_id": job_id, "status": state, "outcome": "skipped", "reason": reason, "estimated_time_seconds": 0}
    api.troubles["POST", "/jobs"] = deque([(200, {}, json.dumps(answer).encode())])
    status, out, _ = run("submit", "profile-interpretation", "--trigger", "view")
    said = "skipped: the last analysis is still fresh"
    assert (status, out.strip()) == (expected, f"01abc completed  {said}" if job_id else said)
    assert json.loads(api.bodies[-1][2])["trigger"] == "view"


def test_submit_does_not_wait_until_a_policy_lets_it_in(api: ApiServer, run: Run) -> None:
    problem = {"status": 429, "detail": "try again at noon", "outcome": "limited"}
    api.troubles["POST", "/jobs"] = deque([(429, {"Retry-After": "3600"}, json.dumps(problem).encode())])
    status, _, err = run("submit", "profile-interpretation", "--trigger", "manual")
    assert (status, "try again at noon" in err) == (1, True)
    assert api.calls.count(("POST", "/jobs")) == 1


@pytest.mark.parametrize(("ending", "expected"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_submit_waits_for_the_end_and_says_whether_it_was_a_good_one(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch, ending: str, expected: int
) -> None:
    states = iter(["queued", "processing", ending])
    answer = Handler.answer

    def next_state(handler: Handler, path: str, *request: Any) -> tuple[int, Any]:
        if path.startswith("/jobs/"):
            api.jobs[path.removeprefix("/jobs/")]["status"] = next(states)
        return answer(handler, path, *request)

    monkeypatch.setattr(Handler, "answer", next_state)
    status, out, err = run("submit", "rfp-analysis", "--wait", "--json")
    assert (status, read(out)["status"]) == (expected, ending)
    assert err.splitlines()[1:] == ["queued", "processing", ending]


def test_waiting_ends_with_its_time(api: ApiServer, run: Run) -> None:
    job_id = api.add("processing")
    status, _, err = run("status", job_id, "--wait", "--timeout-s", "-1")
    assert (status, "was still processing" in err) == (1, True)


def test_status_shows_what_is_there(api: ApiServer, run: Run) -> None:
    job_id = api.add(result={"summary": "Short.", "parts": []})
    status, out, _ = run("status", job_id)
    assert status == 0
    assert [line.split(maxsplit=1) for line in out.splitlines()] == [
        ["job", job_id],
        ["analysis", "rfp-analysis"],
        ["status", "failed"],
        ["error", "model_error: It was model_error. It may succeed if it is run again."],
        ["submitted", "2026-05-04 12:00:01 UTC"],
        ["finished", "2026-05-04 12:00:01 UTC"],
        ["tenant", "acme"],
        [],
        ["Result"],
        ["summary", "Short."],
    ]
    assert read(run("status", job_id, "--json")[1]) == api.jobs[job_id]


def test_list_shows_the_newest_and_no_more_than_it_may(api: ApiServer, run: Run) -> None:
    ids = [api.add() for _ in range(7)]
    api.add("completed")
    api.largest_page = 2
    _, out, _ = run("list", "--status", "failed", "--limit", 5, "--json")
    assert [job["job_id"] for job in read(out)["jobs"]] == ids[:1:-1]
    _, out, _ = run("list", "--status", "failed", "--limit", 1)
    assert out.splitlines()[0].split()[:3] == ["job_id", "analysis", "status"]
    assert out.splitlines()[1].split()[:3] == [ids[-1], "rfp-analysis", "failed"]
    _, out, _ = run("list", "--from", "2026-05-04T12:00:03Z", "--to", "2026-05-04T12:00:05", "--json")
    assert [job["job_id"] for job in read(out)["jobs"]] == [ids[3], ids[2]]


@pytest.mark.parametrize(("command", "refused"), [("cancel", "failed"), ("retry", "completed")])
def test_one_refused_job_does_not_hold_the_next_one_up(api: ApiServer, run: Run, command: str, refused: str) -> None:
    first, second = api.add(refused), api.add("queued")
    status, out, _ = run(command, first, second)
    assert status == 1
    assert f"{first} refused: POST {api.url}/jobs/{first}/{command} answered 409" in out
    assert out.splitlines()[1].startswith(second)
    assert run(command, second)[0] == 0


def test_what_the_api_refuses_is_said_and_is_a_failure(api: ApiServer, run: Run) -> None:
    status, out, err = run("status", "nope")
    assert (status, out) == (1, "")
    assert err == f"GET {api.url}/jobs/nope answered 404: there is no /jobs/nope\n"


@pytest.mark.parametrize("variable", ["ANALYSIS_JOBS_URL", "ANALYSIS_JOBS_TOKEN"])
def test_what_is_missing_is_named_and_nothing_is_called(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    status, _, err = run("list")
    assert (status, api.calls) == (2, [])
    assert err.startswith(f"{variable} is not set")


def test_a_bundle_that_is_not_there_is_named(api: ApiServer, run: Run, tmp_path: Path) -> None:
    status, _, err = run("list", "--ca-bundle", tmp_path / "missing.pem")
    assert (status, api.calls) == (2, [])
    assert "missing.pem" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit", "a", "--input", "[]"], "give a JSON object"),
        (["submit", "a", "--input", "{"], "this is not JSON"),
        (["list", "--from", "yesterday"], "give a time such as"),
        (["list", "--limit", "0"], "a whole number of at least 1"),
        (["list", "--status", "lost"], "'lost' is not one of 'queued', 'processing'"),
        (["redrive", "--rate", "0"], "a number greater than 0"),
        (["redrive", "--rate", "nan"], "a number greater than 0"),
        (["redrive", "--limit", "-3"], "a whole number of at least 1"),
        ([], "Usage: analysis-jobs [OPTIONS] COMMAND"),
        (["lits"], "No such command 'lits'"),
        (["submit"], "Missing argument"),
    ],
)
def test_a_wrong_question_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    # Errors have a frame, and long ones several lines.
    captured = capsys.readouterr()
    assert said in " ".join((captured.out + captured.err).replace("│", " ").split())


def test_a_redrive_shows_first_and_then_does_it(api: ApiServer, run: Run, tmp_path: Path) -> None:
    for number in range(12):
        api.add(code="model_error" if number % 3 else "model_timeout")
    state = tmp_path / "state"
    status, out, _ = run("redrive", "--state", state)
    assert (status, api.retried, state.exists()) == (0, {}, False)
    assert ["rfp-analysis", "model_error", "8"] in [line.split() for line in out.splitlines()]
    assert "12 found, 0 run again" in out
    assert out.count("It was model_") == 5
    assert out.splitlines()[-1].startswith("Nothing was changed.")
    status, out, _ = run("redrive", "--state", state, "--error-code", "model_timeout", "--apply", "--json")
    report = read(out)
    assert (status, report["applied"], report["found"], report["run_again"]) == (0, True, 4, 4)
    assert report["groups"] == [{"analysis": "rfp-analysis", "error_code": "model_timeout", "jobs": 4}]
    report = read(run("redrive", "--state", state, "--apply", "--json")[1])
    assert (report["run_again"], report["run_again_before"], len(api.retried)) == (8, 4, 12)


def test_a_redrive_waits_between_jobs_as_long_as_its_rate_says(api: ApiServer, run: Run, slept: list[float]) -> None:
    for _ in range(3):
        api.add()
    run("redrive", "--apply", "--rate", "0.5")
    assert [round(seconds) for seconds in slept] == [2, 2]


def test_a_redrive_that_could_not_run_every_job_again_is_a_failure_and_says_which(api: ApiServer, run: Run) -> None:
    ids = [api.add() for _ in range(3)]
    api.trouble("POST", f"/jobs/{ids[1]}/retry", 409)
    status, out, _ = run("redrive", "--apply")
    assert status == 1
    assert "3 found, 2 run again, 0 already running, 1 refused, 0 failed" in out
    assert f"refused: {ids[1]}: " in out


def test_a_redrive_that_stops_early_says_how_far_it_came(api: ApiServer, run: Run) -> None:
    ids = [api.add() for _ in range(3)]
    api.trouble("POST", f"/jobs/{ids[0]}/retry", 401)
    status, out, err = run("redrive", "--apply", "--json")
    assert (status, read(out)["run_again"]) == (1, 2)
    assert "answered 401" in read(out)["stopped"]
    assert "Give a valid token" in err


def test_ctrl_c_ends_a_redrive_with_what_was_done(api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [api.add() for _ in range(3)]
    retry = Client.retry

    def interrupted(client: Client, job_id: str) -> Any:
        if job_id == ids[0]:
            raise KeyboardInterrupt
        return retry(client, job_id)

    monkeypatch.setattr(Client, "retry", interrupted)
    status, out, _ = run("redrive", "--apply", "--json")
    assert (status, read(out)["run_again"], read(out)["stopped"]) == (130, 2, "Stopped: interrupted")


def test_a_state_of_something_else_is_refused_before_anything_is_done(api: ApiServer, run: Run, tmp_path: Path) -> None:
    api.add()
    (tmp_path / "state").write_text("precious", encoding="utf-8")
    status, _, err = run("redrive", "--apply", "--state", tmp_path / "state")
    assert (status, api.calls) == (1, [])
    assert "was not written by a redrive" in err


def test_a_redrive_accounts_for_dead_letters(api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis_jobs.cli.dead_letters._LONG_POLL_S", 0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        sqs: Any = boto3.client("sqs", region_name="eu-west-1")
        url = sqs.create_queue(QueueName="jobs-dlq")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"job_id": api.add(), "tenant": "acme"}))
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"job_id": api.add(), "tenant": "globex"}))
        _, out, _ = run("redrive", "--dead-letter-queue", url)
        assert "run again              1         would be deleted" in out
        status, out, _ = run("redrive", "--dead-letter-queue", url, "--apply", "--json")
        [letters] = read(out)["dead_letters"]
        assert (status, letters["accounted_for"]) == (0, {"under_way": 1})
        assert [left["why"] for left in letters["left"]] == ["job_of_another_tenant"]
        _, out, _ = run("redrive", "--dead-letter-queue", url)
        assert "job of another tenant  1         left" in out


def test_the_command_line_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "analysis_jobs.cli", "redrive", "--help"],
        env={"PYTHONPATH": "handlers"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split()[:3] == ["Usage:", "analysis-jobs", "redrive"]
