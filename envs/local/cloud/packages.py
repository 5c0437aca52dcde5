"""Builds the packages of several examples for this machine."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloud.errors import CloudError
from package import sources
from packager import HOST, Manifest, PackageError, build

# A build mostly waits for another process: two at a time keep two processors busy.
AT_ONCE = 2


def packages(examples: Sequence[str], folder: Path) -> dict[str, Manifest]:
    """Build each example's package into the folder; return the manifests by example.

    Raises CloudError with the error of a build.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return dict(zip(examples, pool.map(lambda example: _package(example, folder), examples), strict=True))
        except PackageError as error:
            raise CloudError(str(error)) from error


def _package(example: str, folder: Path) -> Manifest:
    [package] = build(sources(example), [HOST], out=folder)
    return package
