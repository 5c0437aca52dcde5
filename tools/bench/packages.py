"""The size of the packages in `dist/`."""

import json

from bench.figures import Figure
from bench.processes import REPOSITORY


def measure() -> list[Figure]:
    """Return the sizes of each package, zipped and unzipped."""
    figures = []
    for path in sorted((REPOSITORY / "dist").glob("*.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = manifest["files"]
        sizes = (("zipped", manifest["size_bytes"], ""), ("unzipped", files["unzipped_bytes"], f"{files['count']}"))
        figures += [
            Figure("package", f"`{manifest['path']}`, {kind}", round(size / 1e6, 1), "MB", counted=True, detail=detail)
            for kind, size, detail in sizes
        ]
    return figures
