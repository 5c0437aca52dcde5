"""Processes of a test or of the local cloud. Each runs under a guard, so that none of them outlives this process."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

GUARD = Path(__file__).with_name("guard.py")


class Child:
    """One guarded process.

    Its output goes to `log`; with `log=None` it is read with `lines()`. The guard writes `exit_code_file` when the
    process has ended, even if this process has died meanwhile. The file of an earlier run is removed.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of one process
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        exit_code_file: Path,
        grace_s: float,
        log: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        exit_code_file.unlink(missing_ok=True)
        arguments = [sys.executable, "-I", GUARD, str(grace_s), exit_code_file, *command]
        output = log.open("ab") if log else None
        try:
            self._guard = subprocess.Popen(
                [str(argument) for argument in arguments],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Ctrl-C must reach this process only, which stops its children in order.
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    def __enter__(self) -> Self:
        """Return the child; leaving the block stops it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process if it still runs."""
        self.stop()

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self._guard.poll()

    def lines(self) -> Iterator[str]:
        """Yield each line of the output as it arrives."""
        if self._guard.stdout is not None:
            for line in self._guard.stdout:
                yield line.decode("utf-8", "replace").rstrip("\n")

    def wait(self) -> int:
        """Wait until the process ends by itself, and return the exit code."""
        return self._guard.wait()

    def stop(self) -> int:
        """Stop the process and all that it started, and return its exit code."""
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        code = self._guard.wait()
        if self._guard.stdout:
            self._guard.stdout.close()
        return code
