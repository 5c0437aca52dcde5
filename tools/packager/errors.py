"""The one way in which building a package fails."""


class PackageError(Exception):
    """The package cannot be built as it is, or must not be deployed; the message says why."""
