"""Writes `schemas/environment.schema.json`, the published schema of the environments' configuration.

    python tools/environment_schema.py           writes the file
    python tools/environment_schema.py --check   says whether it is current, and exits with 1 if it is not

It is made from the variables of the module and of the examples.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from analysis_jobs_dev import places
from analysis_jobs_dev import project as projects
from analysis_jobs_dev.environments import config, schema

FILE = places.schemas() / "environment.schema.json"


def text() -> str:
    """Return the content of the file."""
    examples = places.examples()
    found = [path.parent for path in sorted(examples.glob("*/pyproject.toml"))] if examples else []
    roots = {f"examples/{folder.name}": config.interface_of(projects.load(folder)) for folder in found}
    module = schema.RootInterface.read(places.modules() / "analysis-jobs")
    return json.dumps(schema.published(module, roots), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or check it; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is not current")
    check = parser.parse_args(arguments).check
    new = text()
    if FILE.exists() and FILE.read_text("utf-8") == new:
        return 0
    if check:
        print(f"{FILE} does not match the module. Run `make reference`.", file=sys.stderr)
        return 1
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
