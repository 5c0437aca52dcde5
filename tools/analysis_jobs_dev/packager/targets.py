"""The platforms that packages are built for."""

import platform
import sys
from dataclasses import dataclass

from analysis_jobs_dev.packager.errors import PackageError

RUNTIME = (3, 13)


@dataclass(frozen=True)
class Target:
    """A platform. `name` is used in file names. `wheels` is uv's name of the platform; None means this machine."""

    name: str
    wheels: str | None


# Lambda's python3.13 runs on Amazon Linux 2023, with glibc 2.34.
ARM64 = Target("arm64", "aarch64-manylinux_2_34")
X86_64 = Target("x86_64", "x86_64-manylinux_2_34")


def _host() -> Target:
    machine = {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    for target in (ARM64, X86_64):
        if sys.platform == "linux" and target.name == machine:
            return target
    return Target(f"{sys.platform}-{machine}", None)


# The platform of this machine. If it is not one of the two above, Lambda cannot run its package.
HOST = _host()


def require_runtime(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raise `PackageError` unless this is the functions' version of Python: they can use only its bytecode."""
    if version != RUNTIME:
        wanted, found = (".".join(map(str, each)) for each in (RUNTIME, version))
        raise PackageError(
            f"Packages are compiled by Python {wanted}, and this is {found}: install analysis-jobs[dev] into an "
            f"environment with Python {wanted}. With uv: `uv run --python {wanted} analysis-jobs package`."
        )
