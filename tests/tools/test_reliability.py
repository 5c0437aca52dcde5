"""The reliability page shows every figure that a proof recorded."""

import json
from pathlib import Path

import pytest

import reliability

STORM = {"name": "storm", "lease_s": 2.0, "jobs": 300, "lost": 0, "failed": {"worker_lost": 4}, "mishaps": {"": 9_000}}
FIGURES = [
    {"name": "stale worker", "paused_before": 11, "writes_landed": 0},
    {"name": "storm", "lease_s": 2.0, "jobs": 24},
    STORM,
    {"name": "wait after a kill, by the message", "jobs": 40, "wait_max_s": 5.2},
    {"name": "cancel, model stalled", "jobs": 20, "max_s": 0.8},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "figures.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in FIGURES), encoding="utf-8")
    return path


def test_the_last_figures_of_a_name_count_and_each_proof_has_its_place(file: Path) -> None:
    section = reliability.section(reliability.read(file))
    assert "| jobs accepted | 300 |" in section
    assert "| failed, by code | worker_lost 4 |" in section
    assert "| AWS requests, by what befell them | nothing 9,000 |" in section
    assert "| stale worker | paused before 11, writes landed 0 |" in section
    assert "| message | 40 | 5.2 |" in section
    assert "| stalled | 20 | 0.8 |" in section
    assert "Long work" not in section


def test_only_what_stands_between_the_markers_is_replaced(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{reliability.BEGIN}\nold\n{reliability.END}\n\nAfter.\n", encoding="utf-8")
    reliability.main(["--figures", str(file), "--write", str(page)])
    once = page.read_text(encoding="utf-8")
    assert once.startswith("# Before")
    assert once.endswith("After.\n")
    assert "old" not in once
    reliability.main(["--figures", str(file), "--write", str(page)])
    assert page.read_text(encoding="utf-8") == once


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the file lacks the markers"):
        reliability.replaced("# A page\n", "new")


def test_figures_that_nobody_recorded_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make faults"):
        reliability.main(["--figures", str(tmp_path / "none.jsonl")])


def test_the_page_of_the_repository_has_a_place_for_them() -> None:
    page = Path(__file__).parents[2] / "docs" / "reliability.md"
    assert reliability.replaced(page.read_text(encoding="utf-8"), "<section>").count("<section>\n") == 1
