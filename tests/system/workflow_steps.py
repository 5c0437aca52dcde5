"""Runs the steps of a workflow in order, each in a shell, without credentials until the job takes a role."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CREDENTIALS = "aws-actions/configure-aws-credentials@"
# Steps that only GitHub can do, and the installation of the tool, which the tests of the wheel do.
NOT_RUN = ("python -m pip install", "for file in dist/*; do gh attestation verify", "gh api", "gh pr comment")


@dataclass
class Steps:
    """The steps of one job. `not_run` and `ran` list the commands; `outputs` has what the steps gave to each other."""

    folder: Path
    environment: Mapping[str, str]
    ran: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    def run(self, workflow: str, job: str, roles: Mapping[str, Mapping[str, str]]) -> None:
        """Run a job of a workflow of the project. `roles` are the credentials of the roles, by their ARNs."""
        path = self.folder / ".github" / "workflows" / f"{workflow}.yml"
        output, summary = self.folder / "github-output", self.folder / "github-summary"
        output.write_text("", "utf-8")
        summary.write_text("", "utf-8")
        credentials: Mapping[str, str] = {}
        for step in yaml.safe_load(path.read_text("utf-8"))["jobs"][job]["steps"]:
            if step.get("uses", "").startswith(CREDENTIALS):
                credentials = roles[self._expression(step["with"]["role-to-assume"])]
            if "run" not in step:
                continue
            if step["run"].startswith(NOT_RUN):
                self.not_run.append(step["run"])
                continue
            self._step(step["run"], {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary), **credentials})
            self.outputs |= dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
        self.summary = summary.read_text("utf-8")

    def _expression(self, text: Any) -> str:
        """Return the value of `${{ steps.<id>.outputs.<name> }}`."""
        name = str(text).removeprefix("${{ ").removesuffix(" }}").rpartition(".")[2]
        return self.outputs[name]

    def _step(self, command: str, variables: Mapping[str, str]) -> None:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, command + done.stdout[-3000:] + done.stderr[-3000:]
        self.ran.append(command)
