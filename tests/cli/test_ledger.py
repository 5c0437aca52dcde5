"""The state file of a redrive survives a crash at any byte, and is never used for another redrive."""

from pathlib import Path

import pytest

from analysis_jobs.cli.ledger import Ledger, LedgerError
from analysis_jobs.client import JobInfo

API = "https://api.example.com"
FAILED: dict[str, str | None] = {"status": "failed", "finished_at": "2026-05-04T12:00:00.000Z"}


def a_job(job_id: str, state: dict[str, str | None] = FAILED) -> JobInfo:
    return JobInfo.from_json({"job_id": job_id, "analysis": "letters", **state})


def test_what_was_done_is_remembered_and_what_was_asked_only_is_unconfirmed(tmp_path: Path) -> None:
    with Ledger(tmp_path / "state", API) as ledger:
        for job_id in ("a", "b", "c"):
            ledger.record_request(a_job(job_id))
        ledger.record_success("a")
        ledger.record_refusal("b")
    with Ledger(tmp_path / "state", API) as ledger:
        assert (ledger.done, ledger.has_done("a"), ledger.unconfirmed) == (1, True, ["c"])


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (FAILED, False),
        ({**FAILED, "finished_at": "2026-05-04T12:00:09.000Z"}, True),
        ({"status": "queued", "finished_at": None}, True),
        ({"status": "completed", "finished_at": FAILED["finished_at"]}, True),
    ],
)
def test_a_job_tells_by_its_failure_whether_it_was_run(job: dict[str, str | None], expected: bool) -> None:
    with Ledger(None, API) as ledger:
        ledger.record_request(a_job("a"))
        assert ledger.was_run(a_job("a", job)) is expected


def test_a_file_that_was_cut_off_anywhere_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Ledger(path, API) as ledger:
        ledger.record_request(a_job("a"))
        ledger.record_success("a")
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Ledger(path, API) as ledger:
            assert ledger.done == int(length == len(whole))
            ledger.record_request(a_job("b"))
            ledger.record_success("b")
        with Ledger(path, API) as ledger:
            assert ledger.has_done("b")


@pytest.mark.parametrize("content", ["precious notes", '{"redrive_of": "https://other.example.com"}\n'])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LedgerError, match=r"not written by a redrive of https://api\.example\.com"):
        Ledger(path, API)
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("line", ["nonsense", '{"asked": 1, "finished_at": null}', "[]"])
def test_a_line_that_a_redrive_does_not_write_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "state"
    with Ledger(path, API):
        pass
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(LedgerError, match="state, line 2"):
        Ledger(path, API)


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger(None, API) as ledger:
        ledger.record_request(a_job("a"))
        ledger.record_success("a")
        assert ledger.done == 1
    assert list(tmp_path.iterdir()) == []
