"""A Terraform root and its state, which the real Terraform applies to the local cloud."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis_jobs.testing.processes import Child
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.state import TERRAFORM_STATE
from analysis_jobs_dev.provider_mirror import terraform_environment
from analysis_jobs_dev.terraform_command import command_environment

# Time for Terraform to save its state before it is killed.
STOP_GRACE_S = 30.0
# Most of an apply is waits for queues and buckets that are compiled into the provider: let them run in parallel.
PARALLELISM = "-parallelism=60"
DATA_FOLDER = "terraform"
COMMAND = "terraform.sh"
VARIABLES_FILE = "terraform.tfvars.json"

type Event = dict[str, Any]


@dataclass
class Progress:
    """The progress of an apply or a destroy: resources done, their total, and the active ones."""

    done: int = 0
    total: int = 0
    active: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the progress in words."""
        if not self.active:
            return f"{self.done} of {self.total}"
        # The path through the modules is long; its end is enough.
        name = self.active[0].rpartition("module.")[2]
        more = f" and {len(self.active) - 1} more" if len(self.active) > 1 else ""
        return f"{self.done} of {self.total}, {name}{more}"

    def take(self, event: Event) -> None:
        """Take in one event of Terraform's machine-readable output."""
        kind = event.get("type")
        address = event.get("hook", {}).get("resource", {}).get("addr", "")
        if kind == "planned_change" and event["change"]["action"] != "read":
            self.total += 2 if event["change"]["action"] == "replace" else 1
        elif kind == "apply_start" and event["hook"]["action"] != "read":
            self.active.append(address)
        elif kind in {"apply_complete", "apply_errored"} and address in self.active:
            self.active.remove(address)
            self.done += 1


@dataclass(frozen=True)
class Stack:
    """One state of the root module; Terraform's files are in `folder`.

    `environment` points to an AWS endpoint; `variables` are those of the root module. With `lock_is_complete`,
    `terraform init` must not change the root's lock file. `after_init` is called between init and apply.
    """

    root: Path
    folder: Path
    environment: Mapping[str, str]
    variables: Mapping[str, object]
    lock_is_complete: bool = True
    after_init: Callable[[], None] = lambda: None

    def init(self) -> None:
        """Install the provider and the modules. Raises CloudError like `apply`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._text("init", "-input=false", "-no-color", *(["-lockfile=readonly"] if self.lock_is_complete else []))
        self.after_init()

    def apply(self, on_progress: Callable[[Progress], None] = lambda _: None) -> Progress:
        """Apply the root module; return the final progress.

        Raises CloudError with Terraform's diagnostics.
        """
        self.init()
        progress = Progress()
        self._run("apply", progress, on_progress, "-auto-approve", PARALLELISM, *self._input())
        return progress

    def destroy(self, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
        """Destroy everything in the state. Raises CloudError like `apply`."""
        self._run("destroy", Progress(), on_progress, "-auto-approve", PARALLELISM, *self._input())

    def plan(self) -> list[Event]:
        """Return the changes of another apply: their addresses and actions. It needs `init` or `apply` before."""
        events = self._run("plan", Progress(), lambda _: None, *self._input())
        return [event["change"] for event in events if event.get("type") == "planned_change"]

    def write_command(self) -> Path:
        """Write a program that runs Terraform on this stack, and return its path: `terraform plan`, for example."""
        environment = {
            **terraform_environment(),
            **self.environment,
            "CHECKPOINT_DISABLE": "1",
            "TF_DATA_DIR": str(self.folder / DATA_FOLDER),
        }
        exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
        path = self.folder / COMMAND
        command = f'exec terraform -chdir={shlex.quote(str(self.root))} "$@"'
        lines = ["#!/bin/sh", "# Runs Terraform on the local cloud.", "unset AWS_PROFILE AWS_SESSION_TOKEN"]
        path.write_text("\n".join([*lines, *exports, command, ""]), "utf-8")
        path.chmod(0o700)
        return path

    def resources(self) -> list[str]:
        """Return the addresses of the resources in the state."""
        return self._text("state", "list", f"-state={self.folder / TERRAFORM_STATE}").split()

    def outputs(self) -> dict[str, Any]:
        """Return the root's outputs by name."""
        text = self._text("output", "-json", f"-state={self.folder / TERRAFORM_STATE}")
        return {name: output["value"] for name, output in json.loads(text).items()}

    def _input(self) -> list[str]:
        file = self.folder / VARIABLES_FILE
        file.write_text(json.dumps(self.variables, indent=2) + "\n", encoding="utf-8")
        return ["-input=false", f"-state={self.folder / TERRAFORM_STATE}", f"-var-file={file}"]

    def _run(
        self,
        command: str,
        progress: Progress,
        on_progress: Callable[[Progress], None],
        *options: str,
    ) -> list[Event]:
        events = []
        with (
            (self.folder / "terraform.log").open("a", encoding="utf-8") as log,
            self._terraform(command, "-json", *options) as terraform,
        ):
            for line in terraform.lines():
                print(line, file=log)
                event = _event(line)
                events.append(event)
                progress.take(event)
                on_progress(progress)
            code = terraform.wait()
        if code:
            raise CloudError(f"terraform {command} failed:\n{_complaints(events)}")
        return events

    def _text(self, *arguments: str) -> str:
        with self._terraform(*arguments) as terraform:
            text = "\n".join(terraform.lines())
            code = terraform.wait()
        if code:
            raise CloudError(f"terraform {arguments[0]} failed:\n{text}")
        return text

    def _terraform(self, *arguments: str) -> Child:
        return Child(
            ["terraform", *arguments],
            environment=command_environment(
                {**self.environment, "TF_DATA_DIR": str(self.folder / DATA_FOLDER)},
                without=("AWS_",),  # never reach the AWS account that this user works with
            ),
            exit_code_file=self.folder / "terraform.exit",
            grace_s=STOP_GRACE_S,
            folder=self.root,
        )


def _event(line: str) -> Event:
    """Return the event in a line; a line that is not JSON (a crash of a plugin) becomes a diagnostic."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict):
        return event
    return {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": line}}


def _complaints(events: list[Event]) -> str:
    found = [
        event["diagnostic"]
        for event in events
        if event.get("type") == "diagnostic" and event["diagnostic"]["severity"] == "error"
    ]
    return "\n\n".join(
        "\n".join(filter(None, (each.get("address"), each["summary"], each.get("detail")))) for each in found
    )
