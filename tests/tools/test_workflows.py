"""The workflows: what they may do, in which order, and that every command in them exists."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis_jobs_dev.environments.config import load, names
from analysis_jobs_dev.init import create

REPOSITORY = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((REPOSITORY / "templates" / "project" / "dot-github" / "workflows").glob("*.yml"))
CREDENTIALS = "aws-actions/configure-aws-credentials"
OIDC = {"contents": "read", "id-token": "write"}
# What each job may do. A job that is missing here may only read the code.
PERMISSIONS = {
    ("ci", "package"): OIDC | {"attestations": "write"},
    ("ci", "plan"): OIDC | {"pull-requests": "write"},
    ("ci", "production"): OIDC | {"attestations": "read", "pull-requests": "write"},
    ("ci", "staging"): OIDC | {"attestations": "read", "pull-requests": "write"},
    ("deploy", "apply"): OIDC | {"attestations": "read"},
    ("deploy", "plan"): OIDC | {"pull-requests": "write"},
    ("drift", "drift"): OIDC | {"deployments": "read"},
    ("package", "package"): OIDC | {"attestations": "write"},
    ("plan", "comment"): {"pull-requests": "write"},
    ("plan", "plan"): OIDC,
    ("release", "release"): {"attestations": "write", "contents": "write", "id-token": "write"},
    ("rollback", "rollback"): OIDC,
}


def workflow(path: Path) -> dict[Any, Any]:  # YAML reads the key `on` as true
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def triggers(path: Path) -> set[str]:
    on = workflow(path)[True]
    return {on} if isinstance(on, str) else set(on)


def jobs() -> list[tuple[Path, str, dict[str, Any]]]:
    return [(path, name, job) for path in WORKFLOWS for name, job in workflow(path)["jobs"].items()]


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job.get("steps", [])]


def job(path: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = workflow(REPOSITORY / ".github" / "workflows" / f"{path}.yml")["jobs"][name]
    return found


# Other people's code


@pytest.mark.parametrize("path", WORKFLOWS + TEMPLATES, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_and_names_its_version(path: Path) -> None:
    lines = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        own = re.fullmatch(r"\./\.github/workflows/\w+\.yml", line)
        assert own or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_is_the_same_version_everywhere() -> None:
    used = {step["uses"] for path in WORKFLOWS + TEMPLATES for step in steps(path) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)


# Rights


@pytest.mark.parametrize(("path", "name", "given"), jobs(), ids=lambda each: getattr(each, "stem", str(each)[:12]))
def test_a_job_may_do_what_it_needs_and_nothing_else(path: Path, name: str, given: dict[str, Any]) -> None:
    assert workflow(path)["permissions"] == {}
    assert given["permissions"] == PERMISSIONS.get((path.stem, name), {"contents": "read"})
    for step in given.get("steps", []):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_workflow_has_a_stored_secret_or_runs_the_code_of_a_fork_with_rights(path: Path) -> None:
    assert "secrets." not in path.read_text(encoding="utf-8"), "roles are taken by OIDC"
    assert not triggers(path) & {"pull_request_target", "workflow_run"}


@pytest.mark.parametrize(("path", "name", "given"), jobs(), ids=lambda each: getattr(each, "stem", str(each)[:12]))
def test_nothing_is_installed_or_built_while_a_job_has_credentials(
    path: Path, name: str, given: dict[str, Any]
) -> None:
    found = [step.get("uses", step.get("run", "")) for step in given.get("steps", [])]
    taken = [at for at, text in enumerate(found) if text.startswith(CREDENTIALS)]
    assert len(taken) <= 1
    for text in found[taken[0] :] if taken else []:
        assert not re.search(r"pip install|npm |analysis-jobs package|--build|make ", text), (path.stem, name, text)


# Order


def test_a_deployment_begins_only_after_all_tests_of_the_same_run() -> None:
    assert set(job("ci", "staging")["needs"]) == {"test", "package"}
    assert job("ci", "production")["needs"] == "staging"
    assert job("ci", "staging")["if"] == "github.event_name == 'push'"
    assert workflow(REPOSITORY / ".github/workflows/ci.yml")[True]["push"] == {"branches": ["main"]}
    for name in ("staging", "production"):
        assert job("ci", name)["uses"] == "./.github/workflows/deploy.yml"
    assert triggers(REPOSITORY / ".github/workflows/deploy.yml") == {"workflow_call"}, "nothing else starts it"


def test_only_main_and_tags_are_deployed() -> None:
    guard = job("deploy", "plan")["if"]
    assert "github.ref == 'refs/heads/main' || startsWith(github.ref, 'refs/tags/')" in guard
    assert job("deploy", "apply")["needs"] == "plan", "a skipped plan skips the apply"


def test_the_plan_that_is_approved_is_the_plan_that_is_applied() -> None:
    shown = [step.get("run", "") for step in job("plan", "plan")["steps"]]
    assert 'analysis-jobs plan "$ENVIRONMENT" --out "plan-$ENVIRONMENT"' in shown
    assert 'cat "plan-$ENVIRONMENT.md" >>"$GITHUB_STEP_SUMMARY"' in shown
    applied = job("deploy", "apply")
    assert applied["environment"] == "${{ inputs.environment }}", "its protection asks for the approval"
    runs = [step.get("run", "") for step in applied["steps"]]
    assert 'analysis-jobs deploy "$ENVIRONMENT" --plan "plan-$ENVIRONMENT" --report report.json' in runs
    assert runs.index(next(each for each in runs if "attestation verify" in each)) < len(runs) - 2


def test_every_environment_deploys_the_files_that_the_run_built_and_attested() -> None:
    """Package and manifest: the manifest names the hash, the canaries and the limits."""
    built = {step.get("uses", "").partition("@")[0]: step for step in job("package", "package")["steps"]}
    assert built["actions/attest-build-provenance"]["with"]["subject-path"] == "dist/*"
    artifact = {"name": "packages", "path": "dist"}
    assert artifact.items() <= built["actions/upload-artifact"]["with"].items()
    for path, name in (("plan", "plan"), ("deploy", "apply")):
        steps = job(path, name)["steps"]
        assert artifact in [step.get("with") for step in steps if "download-artifact" in step.get("uses", "")]
        assert not [step for step in steps if "package" in step.get("run", "")], "no deployment builds"
    [verified] = [step["run"] for step in job("deploy", "apply")["steps"] if "verify" in step.get("run", "")]
    assert verified.startswith('for file in dist/*; do gh attestation verify "$file"')


@pytest.mark.parametrize("within", ["this repository", "a new project"])
def test_staging_and_production_take_the_same_package(within: str, tmp_path: Path) -> None:
    folder = REPOSITORY if within == "this repository" else create("letters", module="./module", within=tmp_path)
    staging, production = (load(name, folder) for name in ("staging", "production"))
    assert staging.package == production.package


def test_deployments_and_rollbacks_of_an_environment_wait_for_each_other() -> None:
    group = {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}
    assert job("deploy", "apply")["concurrency"] == group
    assert workflow(REPOSITORY / ".github/workflows/rollback.yml")["concurrency"] == group


def test_the_environments_of_the_workflows_are_those_that_exist() -> None:
    exist = sorted(set(names(REPOSITORY)) - {"local"})
    assert sorted(job("ci", "plan")["strategy"]["matrix"]["environment"]) == exist
    assert sorted(job("drift", "drift")["strategy"]["matrix"]["environment"]) == exist
    inputs = workflow(REPOSITORY / ".github/workflows/rollback.yml")[True]["workflow_dispatch"]["inputs"]
    assert sorted(inputs["environment"]["options"]) == exist
    assert sorted(name for name in workflow(REPOSITORY / ".github/workflows/ci.yml")["jobs"] if name in exist) == exist


# Commands


@pytest.mark.parametrize("path", WORKFLOWS + TEMPLATES, ids=lambda path: path.stem)
def test_a_step_is_one_command(path: Path) -> None:
    for step in steps(path):
        if "run" in step:
            assert "\n" not in step["run"].strip(), "a longer script belongs into a command that is tested"
            assert "${{" not in step["run"], "a value in the text of a script can be a command"


@pytest.mark.parametrize("path", WORKFLOWS + TEMPLATES, ids=lambda path: path.stem)
def test_the_options_of_every_command_exist(path: Path) -> None:
    for step in steps(path):
        words = shlex.split(step.get("run", ""))
        if words[:1] == ["analysis-jobs"]:
            help_text = subprocess.run(
                [REPOSITORY / ".venv/bin/python", "-m", "analysis_jobs.cli", words[1], "--help"],
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{REPOSITORY}/tools:{REPOSITORY}/handlers"},
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            assert [word for word in words if word.startswith("--") and word not in help_text] == []


@pytest.fixture
def workflows_of_a_new_project(tmp_path: Path) -> list[Path]:
    project = create("meeting-notes", module="./module", within=tmp_path)
    return sorted((project / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_of_a_new_project_install_the_tool_from_its_variable(
    workflows_of_a_new_project: list[Path],
) -> None:
    assert [path.stem for path in workflows_of_a_new_project] == [
        "ci", "deploy", "drift", "package", "plan", "rollback",
    ]  # fmt: skip
    for path in workflows_of_a_new_project:
        text = path.read_text(encoding="utf-8")
        assert "requirements/dev.txt" not in text
        assert '".[dev]"' not in text
        assert "secrets." not in text


def test_the_workflows_of_a_new_project_are_clean(workflows_of_a_new_project: list[Path]) -> None:
    folder = workflows_of_a_new_project[0].parent.parent
    shutil.copy(REPOSITORY / ".github" / "zizmor.yml", folder)
    zizmor: list[str | Path] = [
        REPOSITORY / ".venv/bin/zizmor",
        "--offline",
        "--quiet",
        "--persona",
        "pedantic",
        folder,
    ]
    found = subprocess.run(zizmor, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_ci_runs_the_tests_and_ends_with_their_status(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$PWD $*" > {tmp_path}/asked\nexit 3\n', encoding="utf-8")
    make.chmod(0o755)
    status = subprocess.run(
        [REPOSITORY / ".ci" / "run"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, cwd=tmp_path, check=False
    ).returncode
    assert status == 3
    assert (tmp_path / "asked").read_text(encoding="utf-8") == f"{REPOSITORY} test\n"
