"""Files of environments: right and wrong configurations of the project rfp-analysis."""

from collections.abc import Callable
from pathlib import Path

from analysis_jobs_dev import places

REPOSITORY = places.repository() or Path()
SETTINGS = '"authorizer": {"issuer": "https://login.example.com", "audience": ["jobs"]}'
ROOT = '"project": "examples/rfp-analysis", "name": "rfp-dev", "region": "eu-west-1"'
type Refused = Callable[[str], list[str]]


def write(repository: Path, text: str, name: str = "dev") -> Path:
    """Write the configuration of an environment. Return its path."""
    path = repository / "envs" / name / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def with_settings(text: str) -> str:
    """Return a configuration with these settings in its second line."""
    return f'{{{ROOT}, "settings": {{{SETTINGS},\n{text}}}}}'


def with_keys(text: str) -> str:
    """Return a configuration with these keys in its second line, beside `settings`."""
    return f'{{"project": "examples/rfp-analysis", "settings": {{{SETTINGS}}},\n{text}}}'
