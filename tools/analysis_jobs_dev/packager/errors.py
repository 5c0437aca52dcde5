"""The error of a failed build."""


class PackageError(Exception):
    """The package cannot be built, or must not be deployed. The message says why."""
