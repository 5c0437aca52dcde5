"""Fixtures: a test server for the API, and a command line that calls it as tenant acme."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from analysis_jobs.base.clock import ManualClock, SystemClock
from analysis_jobs.cli.main import main
from analysis_jobs.client.http import Client
from tests.cli.api_server import ApiServer, serving, token_of


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with serving() as server:
        monkeypatch.setenv("ANALYSIS_JOBS_URL", server.url)
        monkeypatch.setenv("ANALYSIS_JOBS_TOKEN", token_of("acme"))
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(api: ApiServer, clock: ManualClock) -> Client:
    """Return a client like the command line's, with a clock that does not wait."""
    return Client(api.url, token_of("acme"), tries=6, clock=clock)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the system clock's `sleep`; return the list of requested pauses in seconds."""
    pauses: list[float] = []

    def sleep(_: SystemClock, duration: timedelta) -> None:
        pauses.append(duration.total_seconds())

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    return pauses


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], slept: list[float]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line: it returns the exit status, stdout and stderr."""
    assert slept == []

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
