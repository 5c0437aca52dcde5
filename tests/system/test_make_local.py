"""`make local`: the commands that it prints work, no process survives its end, and its stack can be destroyed.

These tests stop the shared cloud, so they run after all others that use it.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev.cloud import state
from analysis_jobs_dev.cloud.deployments import PACKAGE_BUCKET
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.commands import ENVIRONMENT, command, nothing_runs, processes_of
from tests.system.watching import until

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def stopped_stack(restarted_stack: LocalCloud) -> Path:
    """Stop the cloud, and return its folder."""
    restarted_stack.stop()
    return restarted_stack.folder


@contextlib.contextmanager
def make_local(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run what `make local` runs. Return the process and its output, once it is ready."""
    with subprocess.Popen(
        command("up", "--folder", folder),
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout
        lines: list[str] = []
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if lines[-1] == "ready":
                    break
            assert lines[-1] == "ready", "\n".join(lines)
            yield process, lines
        finally:
            process.kill()


def test_killing_make_local_leaves_no_process_behind(stopped_stack: Path) -> None:
    with make_local(stopped_stack) as (process, _):
        process.kill()
        process.wait()
    until(lambda: nothing_runs(stopped_stack))


def test_make_local_prints_lines_that_work_and_ctrl_c_leaves_nothing_behind(
    stopped_stack: Path, tmp_path: Path
) -> None:
    with make_local(stopped_stack) as (process, lines):
        assert not any("fresh start" in line for line in lines), "the killed one has kept its stack"
        exports = [line for line in lines if line.startswith("export ")]
        first = next(number for number, line in enumerate(lines) if line.startswith("DOCUMENT="))
        script = "\n".join(["set -eu", *exports, *lines[first : lines.index("cat job.json") + 1]])
        run = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert '"completed"' in run.stdout
        assert "Coastal Road Resilience" in run.stdout
        listing = f"{shlex.quote(sys.executable)} -m analysis_jobs.cli list --json"
        listed = subprocess.run(
            ["bash", "-c", "\n".join([*exports, listing])], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        assert '"completed"' in listed.stdout
        for_a_token = next(line for line in lines if " token --tenant globex" in line)
        token = subprocess.run(["bash", "-c", for_a_token], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert token.stdout.count(".") == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 0
    assert nothing_runs(stopped_stack)


def test_a_dead_emulator_ends_make_local_with_an_error(stopped_stack: Path, tmp_path: Path) -> None:
    # A killed emulator has saved nothing. On a copy, the next test need not wait for another apply.
    folder = tmp_path / "cloud"
    shutil.copytree(stopped_stack, folder, symlinks=True)
    with make_local(folder) as (process, _):
        [emulator] = [
            number for number, line in processes_of(folder).items() if "serve.py" in line and "guard.py" not in line
        ]
        os.kill(emulator, signal.SIGKILL)
        assert process.stdout
        assert "MiniStack has died" in process.stdout.read()
        assert process.wait(timeout=120) == 1
    until(lambda: not processes_of(folder))
    kept = state.read(folder)
    assert kept
    assert state.load(folder, kept.ministack) == (None, "MiniStack was killed before it could save its state")


def test_a_destroyed_stack_leaves_nothing_in_the_account(stopped_stack: Path, pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--cloud"):
        pytest.skip("the stack is kept")
    with LocalCloud(stopped_stack) as cloud:
        began_ms = time.time() * 1000
        cloud.stack.destroy()
        assert cloud.stack.resources() == []
        assert left_over(cloud, began_ms) == []


def left_over(cloud: LocalCloud, began_ms: float) -> list[Any]:
    """Return all resources in the account that are of a kind which stacks have.

    Newer log groups are left out: a function that runs during the destroy makes its log group again. The bucket of the
    packages belongs to the tool.
    """
    groups = cloud.boto3("logs").describe_log_groups()["logGroups"]
    return [
        *(group for group in groups if group["creationTime"] < began_ms),
        *cloud.boto3("apigatewayv2").get_apis()["Items"],
        *cloud.boto3("cloudwatch").describe_alarms()["MetricAlarms"],
        *cloud.boto3("cloudwatch").list_dashboards()["DashboardEntries"],
        *cloud.boto3("dynamodb").list_tables()["TableNames"],
        *cloud.boto3("events").list_rules()["Rules"],
        *cloud.boto3("iam").list_roles()["Roles"],
        *cloud.boto3("lambda").list_event_source_mappings()["EventSourceMappings"],
        *cloud.boto3("lambda").list_functions()["Functions"],
        *(bucket for bucket in cloud.boto3("s3").list_buckets()["Buckets"] if bucket["Name"] != PACKAGE_BUCKET),
        *cloud.boto3("secretsmanager").list_secrets()["SecretList"],
        *cloud.boto3("sns").list_topics()["Topics"],
        *cloud.boto3("sqs").list_queues().get("QueueUrls", []),
        *cloud.boto3("ssm").describe_parameters()["Parameters"],
    ]
