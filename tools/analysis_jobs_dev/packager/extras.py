"""The extras of a package: `package.toml` names them, and `requirements/extras` has a lock for each."""

from pathlib import Path

from analysis_jobs_dev.packager import package_file
from analysis_jobs_dev.packager.errors import PackageError


def chosen(analyses: Path, locks: Path) -> dict[str, Path]:
    """Return the extras in the `package.toml` of the folder `analyses` (extra -> lock). Without the file: {}.

    Raises `PackageError` for an invalid file, and for an extra without a lock.
    """
    extras = package_file.names(analyses, "extras")
    there = sorted(lock.stem for lock in locks.glob("*.txt"))
    if missing := sorted(set(extras) - set(there)):
        path = analyses / package_file.NAME
        raise PackageError(
            f"{path} names unknown extras: {', '.join(missing)}. Known extras: {', '.join(there) or 'none'}."
        )
    return {extra: locks / f"{extra}.txt" for extra in extras}
