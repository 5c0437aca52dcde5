"""Executions that Lambda restores from one snapshot have different random numbers."""

import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from analysis_jobs.base import observability


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Return what was registered to run after a restore. Stands for the module that Lambda provides."""
    registered: list[Callable[[], None]] = []
    module: Any = ModuleType("snapshot_restore_py")
    module.register_after_restore = registered.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", module)
    return registered


def restored(hooks: list[Callable[[], None]], state: Any) -> float:
    """Return the first random number of an execution that begins with the snapshot's state."""
    random.setstate(state)
    for hook in hooks:
        hook()
    return random.random()


def test_two_executions_of_a_snapshot_draw_different_numbers(hooks: list[Callable[[], None]]) -> None:
    observability.contained(lambda _event, _context: None)
    state = random.getstate()
    assert restored(hooks, state) != restored(hooks, state)
    assert restored([], state) == restored([], state)


def test_without_snapshots_a_handler_registers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    assert observability.contained(lambda _event, _context: "done")({}, None) == "done"
