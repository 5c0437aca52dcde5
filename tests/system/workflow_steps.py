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
    """The steps of one job. `not_run` and `ran` list the commands, and `printed` has what each of them printed.

    `outputs` has what the steps gave to each other.
    """

    folder: Path
    environment: Mapping[str, str]
    ran: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    def run(self, workflow: str, job: str, roles: Mapping[str, Mapping[str, str]]) -> None:
        """Run a job of a workflow of the project. `roles` are the credentials of the roles, by their ARNs."""
        output, summary = self.folder / "github-output", self.folder / "github-summary"
        output.write_text("", "utf-8")
        summary.write_text("", "utf-8")
        credentials: Mapping[str, str] = {}
        for step in self._jobs(workflow)[job]["steps"]:
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

    def left_out(self, *workflows: str) -> list[str]:
        """Return the commands of these workflows that did not run here, and that are none of `NOT_RUN`."""
        jobs = (job for workflow in workflows for job in self._jobs(workflow).values())
        commands = {step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step}
        return sorted(each for each in commands - set(self.ran) if not each.startswith(NOT_RUN))

    def _jobs(self, workflow: str) -> dict[str, Any]:
        path = self.folder / ".github" / "workflows" / f"{workflow}.yml"
        found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))["jobs"]
        return found

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
        self.printed[command] = done.stdout
