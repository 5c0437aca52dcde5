"""The state file of a redrive survives a crash at any byte, and is never confused with another file."""

from pathlib import Path

import pytest

from analysis_jobs.cli.ledger import Ledger, LedgerError

API = "https://api.example.com"
FAILED = {"status": "failed", "finished_at": "2026-05-04T12:00:00.000Z"}


def test_a_success_is_done_and_a_request_without_an_outcome_is_unconfirmed(tmp_path: Path) -> None:
    with Ledger(tmp_path / "state", API) as ledger:
        for job_id in ("a", "b", "c"):
            ledger.record_request({"job_id": job_id, **FAILED})
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
def test_a_changed_status_or_end_shows_that_a_job_was_run_again(job: dict[str, str | None], expected: bool) -> None:
    with Ledger(None, API) as ledger:
        ledger.record_request({"job_id": "a", **FAILED})
        assert ledger.was_run({"job_id": "a", **job}) is expected


def test_a_file_cut_off_at_any_byte_can_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Ledger(path, API) as ledger:
        ledger.record_request({"job_id": "a", **FAILED})
        ledger.record_success("a")
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Ledger(path, API) as ledger:
            assert ledger.done == int(length == len(whole))
            ledger.record_request({"job_id": "b", **FAILED})
            ledger.record_success("b")
        with Ledger(path, API) as ledger:
            assert ledger.has_done("b")


@pytest.mark.parametrize("content", ["precious notes", '{"redrive_of": "https://other.example.com"}\n'])
def test_a_foreign_file_is_refused_and_not_changed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LedgerError, match=r"not written by a redrive of https://api\.example\.com"):
        Ledger(path, API)
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("line", ["nonsense", '{"asked": 1, "finished_at": null}', "[]"])
def test_an_invalid_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
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
        ledger.record_request({"job_id": "a", **FAILED})
        ledger.record_success("a")
        assert ledger.done == 1
    assert list(tmp_path.iterdir()) == []
