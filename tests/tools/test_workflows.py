"""CI runs the same make targets as a developer, with every action pinned to a commit."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def steps(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_and_names_its_version(path: Path) -> None:
    lines = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert len(lines) >= 3
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_is_the_same_version_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS for step in steps(path) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_make_and_nothing_else(path: Path) -> None:
    commands = [step["run"] for step in steps(path) if "run" in step]
    assert commands
    assert all(re.fullmatch(r'make [\w "$=]+', command) for command in commands)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_nothing_that_a_job_does_not_ask_for(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    allowed = {
        "deploy": {"contents": "read", "id-token": "write"},
        "release": {"attestations": "write", "contents": "write", "id-token": "write"},
    }.get(path.stem, {"contents": "read"})
    assert all(job["permissions"] == allowed for job in workflow["jobs"].values())
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


def test_ci_runs_the_tests_and_ends_with_their_status(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$PWD $*" > {tmp_path}/asked\nexit 3\n', encoding="utf-8")
    make.chmod(0o755)
    status = subprocess.run(
        [REPOSITORY / ".ci" / "run"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, cwd=tmp_path, check=False
    ).returncode
    assert status == 3
    assert (tmp_path / "asked").read_text(encoding="utf-8") == f"{REPOSITORY} test\n"
