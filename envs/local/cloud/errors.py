"""The one error of the local cloud."""


class CloudError(Exception):
    """The local cloud cannot do what it was asked; the message says what to do about it."""
