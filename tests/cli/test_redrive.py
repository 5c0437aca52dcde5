"""A redrive finds, counts and restarts failed jobs: each once, even if the redrive itself crashes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.cli.ledger import Ledger
from analysis_jobs.cli.redrive import Filters, Outcome, Redrive, StoppedError
from analysis_jobs.client import Client, JobInfo
from tests.cli.api_server import START, ApiServer, token_of


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Killed(BaseException):
    """The redrive process has died."""


_ledgers: list[Ledger] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _ledgers:
        _ledgers.pop().__exit__()


def a_redrive(
    client: Client,
    state: Path | None = None,
    filters: Filters | None = None,
    *,
    apply: bool = True,
    limit: int | None = None,
    spacing: timedelta = timedelta(),
) -> Redrive:
    _ledgers.append(Ledger(state, client.url))
    return Redrive(client, filters or Filters(), _ledgers[-1], ManualClock(), apply, limit, spacing)


def ran(redrive: Redrive) -> dict[str, int]:
    redrive.run()
    return {str(outcome): number for outcome in Outcome if (number := redrive.count(outcome))}


def test_without_apply_nothing_is_asked_for(api: ApiServer, client: Client) -> None:
    for _ in range(3):
        api.add()
    assert ran(a_redrive(client, apply=False)) == {"found": 3}
    assert {method for method, _ in api.calls} == {"GET"}


def test_every_failed_job_is_run_again_once_and_no_other(api: ApiServer, client: Client) -> None:
    failed = [api.add() for _ in range(12)]
    for status in ("queued", "processing", "completed", "cancelled"):
        api.add(status)
    api.add(tenant="globex")
    api.largest_page = 5
    assert ran(a_redrive(client)) == {"run_again": 12}
    assert api.retried == dict.fromkeys(failed, 1)
    assert ran(a_redrive(client)) == {}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [0, 1, 2, 3]),
        (Filters(analyses=frozenset({"rfp-analysis"})), [0, 1, 3]),
        (Filters(codes=frozenset({"model_timeout", "access_denied"})), [1, 2]),
        (Filters(analyses=frozenset({"rfp-analysis"}), codes=frozenset({"model_timeout"})), [1]),
        (Filters(since=START + timedelta(seconds=2)), [1, 2, 3]),
        (Filters(until=START + timedelta(seconds=2)), [0]),
        (Filters(since=START + timedelta(seconds=2), until=START + timedelta(seconds=4)), [1, 2]),
        (Filters(codes=frozenset({"nope"})), []),
    ],
)
def test_only_what_the_filters_mean_is_run_again(
    api: ApiServer, client: Client, filters: Filters, expected: list[int]
) -> None:
    ids = [
        api.add(),
        api.add(code="model_timeout"),
        api.add(code="access_denied", analysis="other"),
        api.add(),
    ]
    a_redrive(client, filters=filters).run()
    assert {ids.index(job_id) for job_id in api.retried} == set(expected)


def test_a_limit_takes_the_newest_and_counts_what_the_state_has_done(
    api: ApiServer, client: Client, state: Path
) -> None:
    ids = [api.add() for _ in range(5)]
    assert ran(a_redrive(client, state, limit=2)) == {"run_again": 2}
    assert set(api.retried) == set(ids[3:])
    assert ran(a_redrive(client, state, limit=3)) == {"run_again": 1}
    assert ran(a_redrive(client, state, limit=3)) == {}
    assert set(api.retried) == set(ids[2:])


def test_jobs_are_run_again_at_a_bounded_rate(api: ApiServer, client: Client) -> None:
    for _ in range(4):
        api.add()
    redrive = a_redrive(client, spacing=timedelta(seconds=2))
    began = redrive.clock.now()
    redrive.run()
    assert redrive.clock.now() - began == timedelta(seconds=6)


def test_a_job_that_is_refused_does_not_hold_the_others_up(api: ApiServer, client: Client, state: Path) -> None:
    ids = [api.add() for _ in range(4)]
    api.trouble("POST", f"/jobs/{ids[1]}/retry", 409)
    api.trouble("POST", f"/jobs/{ids[2]}/retry", *[500] * 6)
    redrive = a_redrive(client, state)
    assert ran(redrive) == {"run_again": 2, "refused": 1, "failed": 1}
    assert {(trouble.job_id, trouble.outcome) for trouble in redrive.troubles} == {
        (ids[1], Outcome.REFUSED),
        (ids[2], Outcome.FAILED),
    }
    assert ran(a_redrive(client, state)) == {"run_again": 2}


def test_a_job_that_is_throttled_for_a_while_is_run_again(api: ApiServer, client: Client) -> None:
    job_id = api.add()
    api.trouble("POST", f"/jobs/{job_id}/retry", 429, 503, 0)
    assert ran(a_redrive(client)) == {"run_again": 1}


def test_a_job_that_somebody_else_runs_is_counted_as_such(api: ApiServer, client: Client) -> None:
    job_id = api.add()
    redrive = a_redrive(client)
    redrive.on_progress = lambda _: api.jobs[job_id].update(status="processing")  # it was listed a moment ago
    assert ran(redrive) == {"already_running": 1}
    assert api.retried == {}


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_any_longer_ends_it_at_once(api: ApiServer, client: Client, status: int) -> None:
    ids = [api.add() for _ in range(3)]
    api.trouble("POST", f"/jobs/{ids[1]}/retry", status)
    redrive = a_redrive(client)
    with pytest.raises(StoppedError, match="continue with the same --state"):
        redrive.run()
    assert set(api.retried) == {ids[2]}
    assert redrive.count(Outcome.RUN_AGAIN) == 1


def test_an_api_that_does_nothing_any_longer_is_not_asked_for_every_job(api: ApiServer, client: Client) -> None:
    ids = [api.add() for _ in range(9)]
    for job_id in ids[:-1]:
        api.trouble("POST", f"/jobs/{job_id}/retry", *[503] * 6)
    redrive = a_redrive(client)
    with pytest.raises(StoppedError, match="5 jobs in a row"):
        redrive.run()
    assert (redrive.count(Outcome.RUN_AGAIN), redrive.count(Outcome.FAILED)) == (1, 5)
    assert len(redrive.troubles) == 5


def test_a_list_that_cannot_be_read_ends_it_before_anything_is_done(api: ApiServer, client: Client) -> None:
    api.add()
    api.trouble("GET", "/jobs", 404)
    with pytest.raises(StoppedError, match="answered 404"):
        a_redrive(client).run()
    assert api.retried == {}


@pytest.mark.parametrize("fails_again", [False, True])
@pytest.mark.parametrize("at", range(1, 25))
def test_killed_before_or_after_any_step_it_goes_on_and_runs_each_job_once(
    api: ApiServer, client: Client, state: Path, monkeypatch: pytest.MonkeyPatch, *, at: int, fails_again: bool
) -> None:
    """Die before or after the `at`-th step. Each job has three steps: note, call, note."""
    ids = [api.add() for _ in range(4)]
    steps = 0

    def mortal(step: object) -> object:
        def run(*arguments: object) -> object:
            nonlocal steps
            steps += 1
            if steps == at:
                raise Killed
            answer = step(*arguments)  # type: ignore[operator]
            if fails_again and isinstance(answer, JobInfo):
                api.fail(answer.job_id)
            steps += 1
            if steps == at:
                raise Killed
            return answer

        return run

    redrive = a_redrive(client, state)
    with monkeypatch.context() as patch:
        patch.setattr(client, "retry", mortal(client.retry))
        patch.setattr(redrive.ledger, "_write", mortal(redrive.ledger._write))  # noqa: SLF001 - where a process dies
        with pytest.raises(Killed):
            redrive.run()
    resumed = a_redrive(client, state)
    resumed.run()
    assert api.retried == dict.fromkeys(ids, 1)
    assert resumed.done_before + resumed.count(Outcome.RUN_AGAIN) == 4


def test_without_a_state_a_second_redrive_runs_what_failed_again(api: ApiServer, client: Client) -> None:
    job_id = api.add()
    a_redrive(client).run()
    api.fail(job_id)
    a_redrive(client).run()
    assert api.retried == {job_id: 2}


def test_the_jobs_of_another_tenant_are_not_found(api: ApiServer) -> None:
    api.add(tenant="acme")
    with Client(api.url, token_of("globex"), connect_timeout_s=60) as other:
        assert ran(a_redrive(other)) == {}
