"""Runs the command line: `analysis-jobs`, or `python -m analysis_jobs.cli`."""

import sys


def main() -> int:
    """Run the command line. Return its exit status, or 2 if the extra `cli` is not installed."""
    try:
        from analysis_jobs.cli.main import main as run  # noqa: PLC0415 - its imports may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.stderr.write(f"{error.name} is not installed. Install the command line: pip install 'analysis-jobs[cli]'\n")
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
