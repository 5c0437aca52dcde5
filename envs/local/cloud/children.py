"""The processes of the local cloud: under a guard, so that none of them outlives this one."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

GUARD = Path(__file__).with_name("guard.py")


class Child:
    """One guarded process.

    Its output goes to `log`, or with `log=None` comes back by `lines()`. `exit_code_file` appears
    when it has ended (guard.py says why that is worth a file); one of an earlier run is removed.
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
                # Ctrl-C must reach this process only: it stops its children in order.
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    def __enter__(self) -> Self:
        """Return the child itself: leaving the block stops it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, if it still runs."""
        self.stop()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._guard.poll()

    def lines(self) -> Iterator[str]:
        """Each line of its output, as it comes, until it ends."""
        if self._guard.stdout is not None:
            for line in self._guard.stdout:
                yield line.decode("utf-8", "replace").rstrip("\n")

    def wait(self) -> int:
        """Return the exit code, once it has ended by itself."""
        return self._guard.wait()

    def stop(self) -> int:
        """Tell it to end, wait until it and all it started are gone, return its exit code."""
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        code = self._guard.wait()
        if self._guard.stdout:
            self._guard.stdout.close()
        return code
