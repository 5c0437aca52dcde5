"""A local API, and a command line that calls it as the tenant acme."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from analysis_jobs.base.clock import ManualClock, SystemClock
from analysis_jobs.cli.main import main
from analysis_jobs.client import Client
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
def client(api: ApiServer, clock: ManualClock) -> Iterator[Client]:
    """Return a client as the command line makes it, but without pauses."""
    with Client(api.url, token_of("acme"), tries=6, clock=clock, connect_timeout_s=60) as made:
        yield made


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the clock from sleeping, and return the requested pauses in seconds."""
    pauses: list[float] = []

    def sleep(_: SystemClock, duration: timedelta) -> None:
        pauses.append(duration.total_seconds())

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    return pauses


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], slept: list[float]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line; it returns exit status, output and error output."""
    assert slept == []

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
