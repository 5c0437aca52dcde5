"""What a function does while Lambda initialises it: it builds its services, and collects no garbage."""

import gc
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from analysis_jobs.base import startup


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for Lambda's runtime client."""
    monkeypatch.setitem(sys.modules, "awslambdaric.bootstrap", ModuleType("awslambdaric.bootstrap"))


@pytest.mark.usefixtures("on_lambda")
def test_lambda_builds_the_services_before_the_first_event() -> None:
    collecting: list[bool] = []
    gc.disable()  # as at the import of the module
    startup.finish(lambda: collecting.append(gc.isenabled()))
    assert collecting == [False]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit("secret")])
@pytest.mark.usefixtures("on_lambda")
def test_an_error_is_left_to_the_first_event(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    tried = []

    def build() -> None:
        tried.append(1)
        raise error

    startup.finish(build)
    assert tried
    assert gc.isenabled()
    assert capsys.readouterr() == ("", "")


def test_other_programs_import_a_handler_without_building_its_services() -> None:
    gc.disable()
    startup.finish(lambda: pytest.fail("it was built"))
    assert gc.isenabled()


def test_the_collector_pauses_while_services_are_built() -> None:
    assert startup.paused_collector()(gc.isenabled)() is False
    assert gc.isenabled()
    gc.disable()
    startup.paused_collector()(list)()
    assert not gc.isenabled()
