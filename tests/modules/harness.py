"""Runs Terraform on a copy of the repository's modules. All of them share one installed provider."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from analysis_jobs_dev.provider_mirror import terraform_environment

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(path.parent.name for path in REPOSITORY.glob("modules/*/versions.tf"))
ACCOUNT = "111122223333"
# Modules with tests that read the plans. Terraform prints the schema of the whole provider with each plan, 13 MB.
PLANS_ARE_READ = {"alarms", "artifact-bucket", "bootstrap", "function", "model-access", "queue"}

# A busy machine can need more than the minute that Terraform gives a provider to start, and all tests with it fail.
NOT_STARTED = "timeout while waiting for plugin to start"
STARTS = 3

# No proxy between Terraform and local servers, and no real account.
OFFLINE = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "test",
    "CHECKPOINT_DISABLE": "1",
    # Each command is short: without garbage collection it takes a fifth less processor time, and 100 MB more.
    "GOGC": "off",
    "NO_PROXY": "127.0.0.1,localhost",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
}


@dataclass(frozen=True)
class TestRun:
    """One `run` block: its status, its planned values by address, its outputs, its diagnostics."""

    __test__ = False

    status: str
    planned: dict[str, dict[str, Any]]
    outputs: dict[str, Any]
    diagnostics: list[str]


@dataclass(frozen=True)
class Terraform:
    """Terraform in `root`, a copy of the repository's `modules`, `envs`, `examples` and `schemas`.

    `environment` is added to this process's own. Folders are given relative to `root`.
    """

    root: Path
    environment: dict[str, str]
    _prepared: set[str] = field(default_factory=set, repr=False)
    _tested: dict[str, dict[str, TestRun]] = field(default_factory=dict, repr=False)

    def run(self, folder: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command in `folder` and return it, whatever its exit code. If no provider starts, run it again."""
        for _ in range(STARTS):
            done = subprocess.run(
                ["terraform", *arguments],
                cwd=self.root / folder,
                env=os.environ | self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if NOT_STARTED not in done.stdout + done.stderr:
                break
        return done

    def prepare(self, folder: str) -> Path:
        """Prepare `folder` for a plan: the shared provider, its lock, its child modules."""
        path = self.root / folder
        if folder not in self._prepared:
            (path / ".terraform").mkdir(exist_ok=True)
            (path / ".terraform" / "providers").symlink_to(self._providers())
            shutil.copy(self._lock(), path / ".terraform.lock.hcl")
            _succeed(self.run(folder, "get"))
            self._prepared.add(folder)
        return path

    def test_variables(self, folder: Path) -> dict[str, TestRun]:
        """Run all tests of `folder`, which has only variables; return the runs by name."""
        return _runs(self.run(folder, "test", "-json").stdout)

    def test(self, file: str) -> dict[str, TestRun]:
        """Run one test file of a module, once a session; return its runs by name, in order.

        They have planned values and outputs for the modules in PLANS_ARE_READ only.
        """
        if file not in self._tested:
            path = Path(file)
            module = str(path.parents[1])
            self.prepare(module)
            arguments = ["-json", f"-filter={path.relative_to(module)}"]
            if path.parents[1].name in PLANS_ARE_READ:
                arguments.append("-verbose")
            self._tested[file] = _runs(self.run(module, "test", *arguments).stdout)
        return self._tested[file]

    def _providers(self) -> Path:
        """Return the folder that the provider is installed in, once for all modules."""
        shared = self.root / "provider"
        if not shared.exists():
            shared.mkdir()
            shutil.copy(self.root / "modules" / "queue" / "versions.tf", shared)
            shutil.copy(REPOSITORY / "envs" / "terraform.lock.hcl", self._lock())
            _succeed(self.run("provider", "init"))
        return shared / ".terraform" / "providers"

    def _lock(self) -> Path:
        return self.root / "provider" / ".terraform.lock.hcl"


def make_workspace(root: Path) -> Terraform:
    """Copy what Terraform reads into `root`, so that it writes nothing into the repository."""
    for folder in ("modules", "envs", "examples", "schemas"):
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "__pycache__")
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=ignored)
    return Terraform(root, OFFLINE | terraform_environment())


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def _runs(output: str) -> dict[str, TestRun]:
    """Read what `terraform test -json -verbose` prints: one event a line, in order."""
    runs: dict[str, TestRun] = {}
    for line in output.splitlines():
        event = json.loads(line)
        name = event.get("@testrun", "")
        run = runs.setdefault(name, TestRun("", {}, {}, []))
        match event["type"]:
            case "test_run":
                runs[name] = TestRun(event["test_run"].get("status", ""), run.planned, run.outputs, run.diagnostics)
            case "test_plan":
                plan = event["test_plan"]
                changes = plan.get("resource_changes", [])
                run.planned.update({each["address"]: each["change"].get("after") or {} for each in changes})
                outputs = plan.get("output_changes", {})
                run.outputs.update({key: each.get("after") for key, each in outputs.items()})
            case "diagnostic":
                diagnostic = event["diagnostic"]
                run.diagnostics.append(f"{diagnostic['summary']}: {diagnostic['detail']}")
    if not runs[""].diagnostics:
        del runs[""]
    return runs


def blocks(text: str, kind: str) -> dict[str, str]:
    """Return the top-level blocks of one kind in formatted HCL, by their (only) label."""
    found = re.finditer(rf'^{kind} (?:"([^"]+)" )?\{{\n.*?^\}}$', text, re.MULTILINE | re.DOTALL)
    return {match[1] or "": match[0] for match in found}


@contextmanager
def account_server() -> Iterator[str]:
    """Serve `sts:GetCallerIdentity`, the only call that a plan of new resources makes; yield the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _CallerIdentity)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _CallerIdentity(BaseHTTPRequestHandler):
    ANSWER = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<GetCallerIdentityResult><UserId>test</UserId>"
        f"<Account>{ACCOUNT}</Account><Arn>arn:{{partition}}:iam::{ACCOUNT}:user/test</Arn>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        # The provider takes the partition from this ARN. The signature names the Region.
        partition = "aws-us-gov" if "/us-gov-" in self.headers.get("Authorization", "") else "aws"
        answer = self.ANSWER.format(partition=partition).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Log nothing."""
