"""The packages of the library: the map in CONTRIBUTING.md is correct, and the import contract can fail."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LIBRARY = REPOSITORY / "handlers/analysis_jobs"
GROUND = "nothing of ours"
_ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def rooms_of_the_map() -> dict[str, str]:
    """Return the last column of the map for each room."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("\n## Rooms\n")[2].partition("\n## ")[0]
    return dict(_ROW.findall(section))


def imports_between_rooms() -> set[tuple[str, str]]:
    graph = grimp.build_graph("analysis_jobs", cache_dir=None)
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, imported) if name.count(".")]
            if len(rooms) == 2 and rooms[0] != rooms[1]:
                found.add((rooms[0], rooms[1]))
    return found


def test_the_map_names_every_room() -> None:
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    files = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    assert set(rooms_of_the_map()) == packages | files


def test_the_map_names_exactly_the_imports_between_rooms() -> None:
    imports = imports_between_rooms()
    for room, column in rooms_of_the_map().items():
        if room == "wiring":
            continue  # the composition root imports every room
        allowed = set() if column == GROUND else set(re.findall(r"`(\w+)`", column))
        assert {to for at, to in imports if at == room} == allowed, room


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("jobs/record.py", "from analysis_jobs.api import problems", "Each layer imports only lower layers BROKEN"),
        ("base/ids.py", "from analysis_jobs.jobs import record", "Each layer imports only lower layers BROKEN"),
        (
            "worker/worker.py",
            "from analysis_jobs.stores import dynamo",
            "Only the wiring and the test kit import the stores BROKEN",
        ),
        ("submission/service.py", "from analysis_jobs.authoring import job", "but nothing that runs jobs BROKEN"),
        (
            "jobs/transitions.py",
            "from analysis_jobs.jobs import record",
            "There are no import cycles between packages or between files BROKEN",
        ),
    ],
)
def test_an_import_in_the_wrong_direction_is_reported(file: str, line: str, broken: str, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "handlers", tmp_path / "handlers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    path = tmp_path / "handlers/analysis_jobs" / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "handlers"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 1
    assert broken in lint.stdout
