"""Marks the imports of optional dependencies ("extras"). A package contains an extra only if its analyses need it.

    with extra("excel"):
        import openpyxl

The packager reads these blocks. It requires their imports only in a package that contains the extra.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from analysis_jobs.base.errors import ConfigurationError


class MissingExtraError(ConfigurationError):
    """The job needs an extra that the package does not contain."""

    def __init__(self, extra: str, module: str | None) -> None:
        super().__init__(
            f'{module} is not in the package: add "{extra}" to `extras` in [tool.analysis-jobs] of pyproject.toml, '
            "and build the package again"
        )
        self.extra = extra


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Mark the imports of the block as part of the extra `name`. Raises `MissingExtraError` if one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(name, error.name) from error
