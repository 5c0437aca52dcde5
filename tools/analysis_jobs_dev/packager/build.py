"""The steps of a build."""

import tempfile
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import archive, dependencies, refusals, services, sources
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.imports import require_importable
from analysis_jobs_dev.packager.manifest import Manifest, describe
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.packager.targets import HOST, Target, require_runtime


def build(what: Sources, targets: list[Target], *, out: Path, cache: Path | None = None) -> list[Manifest]:
    """Build `out/<name>-<architecture>.zip` and its manifest for each target.

    The installed dependencies are cached in `cache` (default: the folder `packages` of `places.cache()`). A failed
    build leaves nothing in `out`.
    Raises `PackageError`; its message names the fix.
    """
    require_runtime()
    cache = cache or places.cache() / "packages"
    files = what.files()
    refusals.development_code(files)
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        sources.copy(files, tree)
        archive.compile_tree(tree)
        own = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
        # Imports can be tested only with a package for this machine. The others contain the same sources.
        built = {
            target: _assemble(what, own, target, Path(temporary), cache) for target in dict.fromkeys([HOST, *targets])
        }
        services.require_carried(built[HOST], what.aws_services, files)
        require_importable(built[HOST], what, files)
        out.mkdir(parents=True, exist_ok=True)
        manifests = []
        for target in targets:
            package = out / built[target].name
            # Copied, not moved: the temporary folder may be on another disk.
            package.write_bytes(built[target].read_bytes())
            manifests.append(describe(package, target.name))
        for manifest in manifests:
            manifest.write()
    return manifests


def _assemble(what: Sources, own: dict[str, Path], target: Target, temporary: Path, cache: Path) -> Path:
    base = dependencies.zipped(what.locks, target, cache, what.aws_services)
    clashes = archive.names(base) & own.keys()
    if clashes:
        raise PackageError(f"Both ours and a dependency's: {', '.join(sorted(clashes))}.")
    package = temporary / f"{what.name}-{target.name}.zip"
    archive.write(package, own, base=base)
    refusals.development_packages(package)
    refusals.too_large(package)
    return package
