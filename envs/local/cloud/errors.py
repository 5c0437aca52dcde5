"""The one error of the local cloud."""


class CloudError(Exception):
    """The local cloud cannot do what it was asked to; the message says how to mend that."""
