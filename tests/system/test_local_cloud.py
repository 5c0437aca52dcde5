"""The commands of the local cloud while it runs: `demo`, `token`, `logs`; and what a restart keeps."""

import os
import subprocess
from pathlib import Path

import pytest

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud import state
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.commands import ENVIRONMENT, command, nothing_runs
from tests.system.watching import until

pytestmark = pytest.mark.system

EXAMPLE = REPOSITORY / "examples" / "rfp-analysis"
DOCUMENT = default_document(EXAMPLE)
OTHER_DOCUMENT = sorted((EXAMPLE / "documents").glob("*.pdf"))[1]
# MiniStack does not return these as they were written, so every plan wants to change them.


@pytest.fixture(scope="session")
def stack(restarted_stack: LocalCloud) -> LocalCloud:
    """Return a cloud that these tests may restart."""
    return restarted_stack


def test_the_demo_uses_the_cloud_that_runs_and_shows_the_result_of_the_document_named(stack: LocalCloud) -> None:
    demo = subprocess.run(
        command("demo", "--folder", stack.folder, "--document", OTHER_DOCUMENT),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert f"Using the running local cloud: {stack.connection.aws_url}" in demo.stdout
    assert "Riverside" in demo.stdout
    assert "Coastal" not in demo.stdout
    assert "s in all: upload" in demo.stdout


def test_a_demo_whose_job_fails_says_why_and_exits_with_an_error(stack: LocalCloud, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 and nothing more")
    demo = subprocess.run(
        command("demo", "--folder", stack.folder, "--document", broken),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert demo.returncode == 1
    assert "Error" in demo.stdout
    assert "code" in demo.stdout


def test_a_second_cloud_on_the_same_folder_is_refused_in_one_line(stack: LocalCloud) -> None:
    second = subprocess.run(
        command("up", "--folder", stack.folder), env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"A local cloud already runs on {stack.folder} (process {os.getpid()})" in second.stderr
    assert "Traceback" not in second.stderr


def test_another_tenants_token_can_be_had_from_outside(stack: LocalCloud) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    printed = subprocess.run(
        command("token", "--folder", stack.folder, "--tenant", "globex"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    globex = stack.connection.client(printed.stdout.strip())
    assert globex.request("GET", "/jobs").status == 200
    with pytest.raises(Rejected) as refused:
        globex.status(job_id)
    assert refused.value.status == 404


def test_what_the_functions_log_can_be_read(stack: LocalCloud) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    client.wait(job_id)

    def logged() -> bool:
        printed = subprocess.run(
            command("logs", "--folder", stack.folder), env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        return any("-worker " in line and job_id in line for line in printed.stdout.splitlines())

    until(logged)


def test_a_second_plan_is_empty(stack: LocalCloud) -> None:
    assert stack.stack.plan() == []


def test_a_restart_keeps_the_stack_its_jobs_and_its_tokens_and_applies_nothing(stack: LocalCloud) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    before = client.wait(job_id).raw
    applied = stack.connection
    stack.stop()
    assert nothing_runs(stack.folder)
    written = (stack.folder / state.TERRAFORM_STATE).stat().st_mtime_ns
    stack.start()
    assert (stack.folder / state.TERRAFORM_STATE).stat().st_mtime_ns == written
    assert stack.connection == applied
    assert client.status(job_id).raw == before
    again = client.submit("rfp-analysis", {"document": client.upload(OTHER_DOCUMENT)}).job_id
    assert client.wait(again).status == "completed"


def test_what_the_emulator_has_not_kept_is_put_back(stack: LocalCloud) -> None:
    table = stack.outputs["prompt_table_name"]
    stack.boto3("dynamodb").delete_table(TableName=table)
    stack.stop()
    stack.start()
    assert stack.boto3("dynamodb").scan(TableName=table)["Count"] > 0
