"""Where the tools find the library and the files that they use. No other module knows it.

In a checkout of the repository these are the repository's own folders. In an installed wheel they are in the folder
`data` of this package, in the same places relative to each other, so that relative paths between them stay valid.
pyproject.toml (`tool.hatch.build.targets.wheel`) says what the wheel contains.
"""

import os
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

__all__ = [
    "cache",
    "commit",
    "commit_of",
    "examples",
    "handlers",
    "library",
    "local_root",
    "modules",
    "repository",
    "requirements",
    "schemas",
    "state",
    "templates",
    "version",
    "workflows",
]

DISTRIBUTION = "analysis-jobs"
# The wheel and the source distribution contain this file: neither has a git repository.
COMMIT_FILE = "commit.txt"

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "data"


def repository() -> Path | None:
    """Return the checkout that this module is in, or None in an installed wheel."""
    return None if _INSTALLED.is_dir() else _PACKAGE.parents[1]


def library() -> Path:
    """Return the folder with the packages `analysis_jobs` and `document_reader`.

    In a wheel this is `site-packages`, which contains other packages too: copy only these two.
    """
    checkout = repository()
    return checkout / "handlers" if checkout else _PACKAGE.parent


def handlers() -> Path:
    """Return the folder with the entry points of the functions: `api.py`, `events.py`, `sweeper.py`, `worker.py`.

    In a checkout it also contains the library.
    """
    return _root() / "handlers"


def modules() -> Path:
    """Return the folder of the Terraform modules."""
    return _root() / "modules"


def local_root() -> Path:
    """Return the Terraform root of the local cloud. It has the lock file of the provider."""
    return _root() / "envs" / "local"


def requirements() -> Path:
    """Return the folder of the locks: `package.txt`, and `extras/<extra>.txt`."""
    return _root() / "requirements"


def schemas() -> Path:
    """Return the folder of the published JSON schemas."""
    return _root() / "schemas"


def workflows() -> Path:
    """Return the folder of the workflows that a new project gets a copy of."""
    return _root() / ".github" / "workflows"


def templates() -> Path:
    """Return the folder of the templates of new projects."""
    return _root() / "templates"


def examples() -> Path | None:
    """Return the folder of the examples, or None if this installation has none."""
    folder = _root() / "examples"
    return folder if folder.is_dir() else None


def state() -> Path:
    """Return the folder for files that belong to this installation. It may not exist yet.

    In a checkout this is `.local`, else the user's folder for the state of programs.
    """
    checkout = repository()
    if checkout:
        return checkout / ".local"
    import platformdirs  # noqa: PLC0415 - only the extra `dev` installs it

    return platformdirs.user_state_path(DISTRIBUTION)


def cache() -> Path:
    """Return the folder for files that can be made again. It may not exist yet.

    In a checkout this is `.local/cache`, else the user's cache folder.
    """
    if repository():
        return state() / "cache"
    import platformdirs  # noqa: PLC0415 - only the extra `dev` installs it

    return platformdirs.user_cache_path(DISTRIBUTION)


def version() -> str:
    """Return the version of this distribution."""
    checkout = repository()
    if not checkout:
        return metadata.version(DISTRIBUTION)
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    found: str = project["project"]["version"]
    return found


def commit() -> str | None:
    """Return the commit that this distribution was built from, as `commit_of` says. None if nobody knows it."""
    checkout = repository()
    # An unpacked source distribution may be inside another repository.
    if checkout and (checkout / ".git").exists():
        return commit_of(checkout)
    try:
        written = ((checkout or _INSTALLED) / COMMIT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return written.strip() or None


def commit_of(folder: Path) -> str | None:
    """Return the commit of the git repository around `folder`, or None outside of git.

    It ends in "-dirty" if the repository has uncommitted changes.
    """
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    return head + ("-dirty" if _git(folder, "status", "--porcelain") else "")


def _root() -> Path:
    return repository() or _INSTALLED


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints. Empty without git, or outside of a repository."""
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # `status` must not write to the index
    try:
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()
