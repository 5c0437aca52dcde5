"""Plans and applies an environment: the steps of the commands `plan` and `deploy`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.environments import summary
from analysis_jobs_dev.environments.check import ARCHITECTURES
from analysis_jobs_dev.environments.config import load
from analysis_jobs_dev.environments.model import ConfigError, Environment
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.package_bucket import UploadError
from analysis_jobs_dev.environments.root import TerraformError, TerraformRoot, prepare
from analysis_jobs_dev.package import package as build_packages
from analysis_jobs_dev.packager import PackageError
from analysis_jobs_dev.provider_mirror import MirrorError

__all__ = ["ERRORS", "build_package", "check_plan", "plan", "prepared"]

# What a command reports without a traceback.
ERRORS = (CloudError, ConfigError, MirrorError, PackageError, TerraformError, UploadError)


@contextmanager
def prepared(
    name: str, *, build: bool = False, upload: bool = True, quiet: bool = False, start: Path = Path()
) -> Iterator[TerraformRoot]:
    """Check the environment, and yield its root after `terraform init`, with the package to deploy.

    `build` builds the package first. If the environment has a package bucket, the package is uploaded, unless `upload`
    is false: a plan needs no upload. The environment `local` always gets a new package, and a local cloud if none runs.
    With `quiet`, Terraform prints only errors. Raises one of `ERRORS`.
    """
    environment = load(name, start)
    if environment.is_local:
        from analysis_jobs_dev.environments import local  # noqa: PLC0415 - the local cloud takes long to import

        with local.prepared(environment, Screen.silent() if quiet else None) as found:
            root = replace(found, is_quiet=quiet)
            root.init()
            yield root
        return
    if build:
        build_package(environment)
    package = Package.of(environment)
    root = replace(prepare(environment, package), is_quiet=quiet)
    root.init()
    if environment.package_bucket:
        bucket = environment.package_bucket
        root.use(package.uploaded(bucket, environment.region) if upload else package.located(bucket))
    yield root


def plan(root: TerraformRoot, file: Path, *, lock: bool = True) -> bool:
    """Write the plan to a file, print it, and write its summary to `<file>.md`. Return whether it has changes."""
    has_changes = root.plan(file, lock=lock)
    text = summary.markdown(root.environment, root.package, root.show(file))
    file.with_name(f"{file.name}.md").write_text(text, "utf-8")
    return has_changes


def check_plan(root: TerraformRoot, file: Path) -> dict[str, Any]:
    """Return a written plan, as `TerraformRoot.show` does.

    Raises `ConfigError` if there is no such plan, or if it is that of another package.
    """
    if not file.is_file():
        raise ConfigError(f"There is no plan {file}: write it with `analysis-jobs plan {root.environment.name} --out`.")
    shown = root.show(file)
    if root.package.sha256_base64 not in (hashes := summary.code_hashes(shown)) and hashes:
        raise ConfigError(
            f"{file} is the plan of another package than {root.package.manifest}: plan again, or take the package that "
            "was planned."
        )
    return shown


def build_package(environment: Environment) -> None:
    """Build the package that the environment deploys, for the architecture in the name of its manifest.

    Raises `ConfigError` for another name, `PackageError` if the build refuses the package.
    """
    architecture = environment.package.stem.removeprefix(f"{environment.project.name}-")
    if architecture not in ARCHITECTURES:
        raise ConfigError(
            f"A build does not write {environment.package.name}. Leave `package` out of {environment.file}, or deploy "
            "without a build."
        )
    build_packages(environment.project, [architecture], out=environment.package.parent)
