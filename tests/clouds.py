"""A local cloud for a session of tests: its stacks are applied once, and forgotten with it.

`--cloud FOLDER` keeps them there instead. The next run then starts in seconds, which helps while writing a test.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.local_cloud import LocalCloud


@contextmanager
def for_session(
    config: pytest.Config, temporary: pytest.TempPathFactory, name: str, examples: Sequence[str]
) -> Iterator[LocalCloud]:
    """Give a cloud with the stacks of these examples, in the folder `name` below that of `--cloud` or of pytest."""
    kept = config.getoption("--cloud")
    with LocalCloud(Path(kept) / name if kept else temporary.mktemp(name), examples) as cloud:
        yield cloud
