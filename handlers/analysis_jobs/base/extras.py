"""What a package carries only where its analyses need it: the imports of an extra say which one they are of.

    with extra("excel"):
        import openpyxl

The packager reads these blocks too: it asks for their imports where the package carries the extra, and only there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from analysis_jobs.base.errors import ConfigurationError


class MissingExtraError(ConfigurationError):
    """The package does not carry the extra of this name, and the job needs it."""

    def __init__(self, extra: str, module: str | None) -> None:
        super().__init__(
            f'{module} is not in the package: put "{extra}" into `extras` in the package.toml beside the analyses, '
            "and build it again"
        )
        self.extra = extra


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say that what is imported within comes with the extra `name`; else raise `MissingExtraError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(name, error.name) from error
