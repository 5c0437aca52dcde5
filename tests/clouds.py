"""A local cloud that is started once a session.

`--cloud FOLDER` keeps its stacks in the folder. The next run then starts in seconds, which helps while writing tests.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.local_cloud import LocalCloud


@contextmanager
def for_session(
    config: pytest.Config, temporary: pytest.TempPathFactory, name: str, examples: Sequence[str]
) -> Iterator[LocalCloud]:
    """Start a cloud with the stacks of these examples, in the folder `name` below `--cloud` or pytest's own."""
    kept = config.getoption("--cloud")
    with LocalCloud(Path(kept) / name if kept else temporary.mktemp(name), examples) as cloud:
        yield cloud
