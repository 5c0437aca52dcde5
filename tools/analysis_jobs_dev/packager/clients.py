"""Finds what a project's lock contains only for the library's HTTP client.

The base of the library's distribution includes the client, so a `requirements.txt` with `analysis-jobs` locks its
libraries. A function needs them only if the project chooses the extra `client`, or if another dependency needs them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from analysis_jobs_dev.packager import locks
from analysis_jobs_dev.packager.locks import Lock, Pins
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.packager.targets import Target
from analysis_jobs_dev.project import LIBRARY

EXTRA = "client"


def candidates(what: Sources, lock: Lock | None, target: Target) -> set[NormalizedName]:
    """Return the distributions that the project's lock may contain only because it contains the library."""
    brought = what.library.extras / f"{EXTRA}.txt"
    # The export of a uv.lock has neither the library nor what only the library needs.
    if lock is None or LIBRARY not in lock.pins(target) or EXTRA in what.extras or not brought.is_file():
        return set()
    kept = {name for each in map(locks.read, map(Path, what.library_locks)) for name in each.pins(target)}
    return set(locks.read(brought).pins(target)) - kept


def unneeded(
    among: set[NormalizedName],
    pins: Pins,
    required: Mapping[str, Iterable[Requirement]],
    roots: Iterable[Requirement],
    target: Target,
) -> set[NormalizedName]:
    """Return those of the distributions `among` that nothing else in the package requires.

    `required` has the requirements of each distribution by its name. `roots` are those of the project.
    """
    here = locks.environment(target) | {"extra": ""}

    def names(requirements: Iterable[Requirement]) -> set[NormalizedName]:
        # An extra of a distribution may be wanted by anybody: then its marker counts.
        return {
            canonicalize_name(each.name)
            for each in requirements
            if not each.marker or "extra" in str(each.marker) or each.marker.evaluate(here)
        }

    needs = {canonicalize_name(name): names(each) for name, each in required.items()}
    needed = names(roots)
    reached = (set(pins) - among) | (needed & among)
    while fresh := set().union(*(needs.get(name, set()) for name in reached)) & among - reached:
        reached |= fresh
    return among - reached
