"""Builds the deployment package of the functions: `package.py --example rfp-analysis --out dist`.

`packager` documents what a package contains, and what is refused. A manifest (JSON) is written beside each zip.
"""

import argparse
import sys
import time
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import ARM64, HOST, X86_64, Manifest, PackageError, Sources, build, extras, services
from analysis_jobs_dev.packager.refusals import DIRECT_UPLOAD_LIMIT

DEFAULT_OUT = (places.repository() or Path()) / "dist"
TARGETS = {"arm64": ARM64, "x86_64": X86_64, "host": HOST}


def sources(example: str, analyses: Path | None = None) -> Sources:
    """Return the sources of an example's package. `analyses` replaces the example's folder.

    Raises `PackageError` if the `package.toml` beside the analyses is wrong.
    """
    folder = analyses or (places.examples() or Path("examples")) / example
    requirements = places.requirements()
    return Sources(
        name=example,
        handlers=places.handlers(),
        analyses=folder,
        lock=requirements / "package.txt",
        extras=extras.chosen(folder, requirements / "extras"),
        named_services=services.chosen(folder),
    )


def main(arguments: list[str] | None = None) -> int:
    """Build the packages, print a line for each, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", type=Path, nargs="?", help="folder of the analyses; its name is that of the zip")
    parser.add_argument("--example", help="name of a folder in examples/, instead of a project")
    parser.add_argument("--analyses", type=Path, help="folder of the analyses (default: the example's)")
    parser.add_argument(
        "--architecture",
        action="append",
        choices=TARGETS,
        help="architecture to build for; repeatable (default: arm64 and x86_64)",
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default: dist, in the project if there is one)")
    options = parser.parse_args(arguments)
    folder = options.analyses or (None if options.example else options.project or Path())
    out = options.out or (DEFAULT_OUT if options.example else folder / "dist")
    targets = [TARGETS[name] for name in options.architecture or ["arm64", "x86_64"]]
    started = time.monotonic()
    try:
        manifests = build(sources(options.example or folder.resolve().name, folder), targets, out=out)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    for manifest in manifests:
        print(_line(manifest))
    print(f"Built in {time.monotonic() - started:.1f} s")
    return 0


def _line(manifest: Manifest) -> str:
    files = manifest.files
    zipped_mb, unzipped_mb = manifest.size_bytes / 1e6, files.unzipped_bytes / 1e6
    size = f"{zipped_mb:.1f} MB, {unzipped_mb:.1f} MB unzipped, {files.count} files"
    from_s3 = "; over 50 MB, so it must be deployed from S3" if manifest.size_bytes > DIRECT_UPLOAD_LIMIT else ""
    return f"{manifest.path}  {size}, version {manifest.version}{from_s3}"


if __name__ == "__main__":
    sys.exit(main())
