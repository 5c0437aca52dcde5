"""What a function does after Lambda has restored it from a snapshot (SnapStart)."""

import random
from importlib import import_module


def reseed_after_restore() -> None:
    """Give each restored execution its own random numbers.

    All executions of a snapshot would otherwise begin with the same state of `random`: their jitter would be the same,
    and throttled workers would retry together. The module of the hook exists on Lambda only.
    https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
    """
    try:
        hooks = import_module("snapshot_restore_py")
    except ImportError:
        return
    hooks.register_after_restore(random.seed)
