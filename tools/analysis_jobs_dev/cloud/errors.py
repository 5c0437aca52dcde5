"""The one error of the local cloud."""


class CloudError(Exception):
    """The local cloud cannot go on; the message says why, and how to fix it."""
