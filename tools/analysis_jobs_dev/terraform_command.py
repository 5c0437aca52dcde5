"""The Terraform commands that the tools run: their environment variables, and how they run."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from analysis_jobs_dev.provider_mirror import terraform_environment

_SETTINGS = {
    # Do not ask a server for a newer version at every start.
    "CHECKPOINT_DISABLE": "1",
    # Less garbage collection: a sixth less processor time for some memory.
    "GOGC": "400",
    "TF_IN_AUTOMATION": "1",
}


def command_environment(own: Mapping[str, str], without: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of a command: the variables of this process, the tools' settings, and `own`.

    Variables of this process with a prefix in `without` are left out. Raises `MirrorError` as `terraform_environment`.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return {**inherited, **_SETTINGS, **terraform_environment(), **own}


def run_in(
    folder: Path,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    quiet: bool = False,
    log: TextIO | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder, whatever its exit status.

    The output of a quiet command is captured. That of any other goes to `log`, or to the terminal.
    """
    return subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        env=environment,
        stdout=subprocess.PIPE if quiet else log,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
