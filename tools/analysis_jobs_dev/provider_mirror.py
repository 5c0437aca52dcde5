"""Finds a filesystem mirror with the AWS provider for Terraform. Without one, Terraform uses the public registry.

A machine without access to the registry can have providers in a folder, in the layout of `terraform providers mirror`.
These folders are searched in order. The first with the locked version for this platform is used:

1. the folder in `TF_PLUGIN_MIRROR`;
2. the folders in which Terraform itself searches for local providers;
3. each `registry.terraform.io/hashicorp/aws` up to two levels below /opt, /usr/share and /usr/local/share.

A Terraform CLI configuration with its own `provider_installation` is not changed, unless `TF_PLUGIN_MIRROR` is set.
As a program, `python -m analysis_jobs_dev.provider_mirror` prints `export` lines for a shell.
"""

import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis_jobs_dev import places

__all__ = ["MirrorError", "locked_version", "terraform_environment", "terraform_platform"]

PROVIDER = Path("registry.terraform.io/hashicorp/aws")
LOCK = places.local_root() / ".terraform.lock.hcl"
SEARCHED = (Path("/opt"), Path("/usr/share"), Path("/usr/local/share"))
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class MirrorError(Exception):
    """`TF_PLUGIN_MIRROR` names a folder without the locked provider."""


def terraform_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    searched: tuple[Path, ...] = SEARCHED,
    state: Path | None = None,
) -> dict[str, str]:
    """Return the environment variables that Terraform needs on this machine in addition to `environ`.

    If a CLI configuration is needed, it is written into the folder `state` (default: `places.state()`). It repeats the
    user's own configuration, except for a `provider_installation` that `TF_PLUGIN_MIRROR` overrides. If Terraform works
    without it, the result is empty. Raises `MirrorError` if `TF_PLUGIN_MIRROR` names a folder without the locked
    provider.
    """
    inherited = _inherited_configuration(environ)
    decided = "provider_installation" in inherited
    mirror = _named_mirror(environ)
    if mirror is None and decided:
        return {}
    mirror = mirror or next(filter(_holds_provider, _candidates(environ, searched)), None)
    missing_file = "TF_CLI_CONFIG_FILE" in environ and not _configuration_file(environ).exists()
    if mirror is None and not missing_file:
        return {}
    path = (state or places.state()) / "terraform.tfrc"
    _write(path, ("" if decided else inherited) + (_installation(mirror) if mirror else ""))
    return {"TF_CLI_CONFIG_FILE": str(path)}


def _configuration_file(environ: Mapping[str, str]) -> Path:
    default = Path(environ.get("HOME", "~")).expanduser() / ".terraformrc"
    return Path(environ.get("TF_CLI_CONFIG_FILE") or default)


def _inherited_configuration(environ: Mapping[str, str]) -> str:
    """Return the text of the user's own CLI configuration, or "" without one."""
    try:
        return _configuration_file(environ).read_text(encoding="utf-8")
    except OSError:
        return ""


def _named_mirror(environ: Mapping[str, str]) -> Path | None:
    name = environ.get("TF_PLUGIN_MIRROR")
    if not name:
        return None
    mirror = Path(name).expanduser().resolve()
    if not _holds_provider(mirror):
        wanted = f"{PROVIDER} {locked_version()} for {terraform_platform()}"
        raise MirrorError(
            f"TF_PLUGIN_MIRROR={name} has no {wanted}. Fill it with `terraform providers mirror`, or unset it."
        )
    return mirror


def _candidates(environ: Mapping[str, str], searched: tuple[Path, ...]) -> Iterator[Path]:
    home = Path(environ.get("HOME", "~")).expanduser()
    yield home / ".terraform.d" / "plugins"
    yield home / "Library" / "Application Support" / "io.terraform" / "plugins"
    data_home = environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in [data_home, *data_dirs.split(os.pathsep)]:
        yield Path(folder) / "terraform" / "plugins"
    for root in searched:
        for above in ("", "*/", "*/*/"):
            for found in sorted(root.glob(above + str(PROVIDER))):
                yield found.parents[len(PROVIDER.parts) - 1]


def _holds_provider(mirror: Path) -> bool:
    """Tell whether the folder has the locked version for this platform, unpacked or as a zip."""
    folder = mirror / PROVIDER
    version = locked_version() or "*"
    unpacked = folder.glob(f"{version}/{terraform_platform()}/terraform-provider-aws*")
    packed = folder.glob(f"terraform-provider-aws_{version}_{terraform_platform()}.zip")
    return any(unpacked) or any(packed)


def locked_version() -> str | None:
    """Return the version in the committed lock file. None (any version) without a lock file."""
    if not LOCK.exists():
        return None
    found = re.search(r'hashicorp/aws" \{\s*version\s*=\s*"([^"]+)"', LOCK.read_text("utf-8"))
    return found[1] if found else None


def terraform_platform() -> str:
    """Return Terraform's name of this platform, for example `linux_amd64`."""
    machine = platform.machine()
    return f"{sys.platform}_{ARCHITECTURES.get(machine, machine)}"


def _installation(mirror: Path) -> str:
    provider = json.dumps([str(PROVIDER)])
    return (
        "\nprovider_installation {\n"
        "  filesystem_mirror {\n"
        f"    path    = {json.dumps(str(mirror))}\n"
        f"    include = {provider}\n"
        "  }\n"
        f"  direct {{\n    exclude = {provider}\n  }}\n"
        "}\n"
    )


def _write(path: Path, text: str) -> None:
    """Write `text`, readable only by its owner: the user's configuration may contain credentials."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def main() -> int:
    """Print the variables as `export` lines. Return the exit status."""
    try:
        environment = terraform_environment()
    except MirrorError as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
