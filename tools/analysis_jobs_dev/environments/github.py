"""What the jobs of GitHub Actions need to know of an environment, and how they build its package."""

from pathlib import Path

from analysis_jobs_dev.environments.config import load_all
from analysis_jobs_dev.environments.deploy import build_package
from analysis_jobs_dev.environments.model import ConfigError, Environment

__all__ = ["build_packages", "outputs"]


def outputs(environment: Environment) -> list[str]:
    """Return the lines for `$GITHUB_OUTPUT`: the Region and the roles that a job takes.

    Raises `ConfigError` if the configuration does not name the roles.
    """
    missing = [name for name in ("plan", "deploy") if name not in environment.roles]
    if missing:
        raise ConfigError(
            f"{environment.file} names no role to {' and to '.join(missing)}: add "
            '"roles": {"plan": "arn:…", "deploy": "arn:…"}. `analysis-jobs bootstrap` prints them.'
        )
    return [
        f"region={environment.region}",
        f"plan_role={environment.roles['plan']}",
        f"deploy_role={environment.roles['deploy']}",
    ]


def build_packages(start: Path = Path()) -> list[Path]:
    """Build the packages of all environments, each once. Return the paths of their manifests.

    The local environment gets its own package, for this machine. Raises `ConfigError` and `PackageError`.
    """
    built: dict[Path, None] = {}
    for environment in load_all(start):
        if environment.is_local or environment.package in built:
            continue
        build_package(environment)
        built[environment.package] = None
    return list(built)
