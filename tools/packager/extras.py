"""What a package carries beside what all carry: `package.toml` names it, `requirements/extras` locks it."""

from pathlib import Path

from packager import package_file
from packager.errors import PackageError


def chosen(analyses: Path, locks: Path) -> dict[str, Path]:
    """Return extra -> lock, as `package.toml` in the folder `analyses` says: without the file, none.

    Raises PackageError for a file that says it wrongly, and for an extra without a lock.
    """
    extras = package_file.names(analyses, "extras")
    there = sorted(lock.stem for lock in locks.glob("*.txt"))
    if missing := sorted(set(extras) - set(there)):
        path = analyses / package_file.NAME
        raise PackageError(f"{path} names {', '.join(missing)}; there is {', '.join(there) or 'no extra'}.")
    return {extra: locks / f"{extra}.txt" for extra in extras}
