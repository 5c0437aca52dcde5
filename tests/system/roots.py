"""Terraform roots of the modules, applied on an emulator of their own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis_jobs_dev.cloud import ministack, ports
from analysis_jobs_dev.cloud.certificates import Certificates, certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.provider_mirror import terraform_environment

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Root:
    """A folder for Terraform code that finds the repository's modules in `./modules`, and the emulator."""

    folder: Path
    url: str
    trusted: Certificates

    @property
    def aws(self) -> Connection:
        """The emulator, for its clients."""
        return Connection("", "", self.url, self.url, str(self.trusted.bundle), {})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of Terraform and return it, whatever its exit code."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        environment |= terraform_environment() | ministack.ROOT_CREDENTIALS
        environment |= {"AWS_ENDPOINT_URL": self.url, "AWS_CA_BUNDLE": str(self.trusted.bundle)}
        environment |= {"CHECKPOINT_DISABLE": "1", "NO_PROXY": "127.0.0.1", "AWS_EC2_METADATA_DISABLED": "true"}
        return subprocess.run(
            ["terraform", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def apply(self, code: str) -> dict[str, str]:
        """Apply the code and return the outputs."""
        (self.folder / "main.tf").write_text(code, encoding="utf-8")
        for arguments in (["init"], ["apply", "-auto-approve"]):
            done = self.run(*arguments, "-input=false", "-no-color")
            assert done.returncode == 0, done.stdout + done.stderr
        outputs = json.loads(self.run("output", "-json").stdout)
        return {name: output["value"] for name, output in outputs.items()}


@contextmanager
def made(folder: Path) -> Iterator[Root]:
    """Start an emulator, and return an empty root for it."""
    trusted = certificates(folder / "certificates")
    (folder / "cloud").mkdir()
    (folder / "root").mkdir()
    (folder / "root" / "modules").symlink_to(REPOSITORY / "modules")
    cloud = ministack.MiniStack(interpreter(), folder / "cloud", trusted, ports.free_ports(1)[0])
    cloud.start()
    try:
        yield Root(folder / "root", cloud.url, trusted)
    finally:
        cloud.stop()
