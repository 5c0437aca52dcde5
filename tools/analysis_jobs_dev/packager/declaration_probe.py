"""Prints what the analyses in a package declare: `declaration_probe.py TREE`, with import paths on standard input.

Runs in a bare interpreter. The result is JSON. A problem is printed on standard error, and the exit status is 1.
"""

import contextlib
import json
import sys


def main() -> int:
    """Import the modules and print their declarations. Return the exit status."""
    sys.path.insert(0, sys.argv[1])
    modules = json.load(sys.stdin)
    try:
        # Not to standard output: a module may print while it is imported.
        with contextlib.redirect_stdout(sys.stderr):
            from analysis_jobs.authoring.declarations import declared  # noqa: PLC0415 - of the package

            found = declared(modules)
    except Exception as error:  # noqa: BLE001 - a module may raise any error while it is imported
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
