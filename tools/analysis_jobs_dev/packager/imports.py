"""Finds missing imports at build time: imports the modules of the unpacked zip.

The test runs in a process that sees only the zip: no site-packages, no environment. Imports inside functions are tested
too. Imports inside `try … except ImportError` (or ModuleNotFoundError) are not. An import of the library inside
`with extra("name")` is tested only in a package with that extra. Imports of the analyses are always tested.
"""

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.sources import Sources, top_level

PROBE = Path(__file__).with_name("import_probe.py")
# A function has 10 s for its imports. This leaves time for a slow machine.
TIMEOUT_S = 300.0


def require_importable(tree: Path, what: Sources, files: Mapping[str, Path]) -> None:
    """Import the modules of `what` from `tree`, the unpacked zip, and resolve every import in `files`.

    `files` maps names in the zip to files. Raises `PackageError`; its message names everything that is missing.
    """
    library = what.library.files()
    ours = {name: path for name, path in files.items() if name not in library}
    _require(tree, what, what.modules(), ours, {name: library[name] for name in files.keys() & library.keys()})


def require_project_importable(tree: Path, what: Sources) -> None:
    """Do the same for the project's own modules and sources: the library of a built package has been tested."""
    files = what.project_files()
    _require(tree, what, sorted({*top_level(files), *what.project.analyses}), files, {})


def _require(
    tree: Path, what: Sources, modules: list[str], files: Mapping[str, Path], library: Mapping[str, Path]
) -> None:
    extras = set(what.extras)
    wanted = {
        "modules": modules,
        "imports": [[name, *found] for name, path in _python(files) for found in _imports(path, name, None)],
        "library_imports": [
            [name, *found] for name, path in _python(library) for found in _imports(path, name, extras)
        ],
        "extras": list(what.extras),
    }
    result = run_probe(PROBE, tree, wanted)
    if result.returncode:
        problems = result.stdout.strip() or result.stderr.strip()
        raise PackageError(f"The package of {what.name} does not import:\n{problems}")


def require_same_modules(tested: Path, other: Path, sources: Mapping[str, Path]) -> None:
    """Raise `PackageError` if the zip `other` lacks a module that a source imports, and that the zip `tested` has.

    Imports are tested with the package for this machine. A dependency can have a marker for one architecture only.
    """
    only_tested = _top_level(tested) - _top_level(other)
    for name, path in sources.items():
        if path.suffix != ".py" or not only_tested:
            continue
        imported = {module.partition(".")[0] for module, _ in _imports(path, name, None)}
        if missing := sorted(imported & only_tested):
            raise PackageError(
                f"{other.name} lacks {', '.join(missing)}, which {name} imports: a dependency of "
                "another architecture only. Remove its marker, or guard the import with `except ImportError`."
            )


def _top_level(package: Path) -> set[str]:
    """Return the names of the modules and packages at the top of a zip."""
    with zipfile.ZipFile(package) as archive:
        return {name.partition("/")[0].partition(".")[0] for name in archive.namelist()}


def run_probe(program: Path, tree: Path, wanted: object) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python that sees only the unpacked zip `tree`. It gets `wanted` as JSON on standard input.

    Raises `PackageError` if it does not end within `TIMEOUT_S`.
    """
    try:
        return subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(program), str(tree)],
            input=json.dumps(wanted),
            cwd=tree,
            env={},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise PackageError(
            f"The modules are not imported within {TIMEOUT_S:.0f} s: one of them waits for something while it is "
            "imported."
        ) from None


def _python(files: Mapping[str, Path]) -> list[tuple[str, Path]]:
    return [(name, path) for name, path in files.items() if path.suffix == ".py"]


def _imports(path: Path, name: str, extras: AbstractSet[str] | None) -> Iterator[tuple[str, str]]:
    """Yield (module, name in it or "") for each import of a source. Relative imports are resolved.

    With `extras`, imports that need another extra are left out.
    """
    package = name.removesuffix(".py").replace("/", ".").split(".")[:-1]
    for node in _reached(ast.parse(path.read_bytes()), extras):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name.replace("*", "")) for alias in node.names)


def _reached(node: ast.AST, extras: AbstractSet[str] | None) -> Iterator[ast.AST]:
    """Yield the nodes to test. Skip code for the type checker, for other extras, and guarded by ImportError."""
    if isinstance(node, ast.With) and extras is not None and not _extras_of(node) <= extras:
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    guarded: list[ast.stmt] = []
    if isinstance(node, ast.Try) and any(_catches_missing(handler) for handler in node.handlers):
        guarded = node.body
    yield node
    for child in ast.iter_child_nodes(node):
        if child not in guarded:
            yield from _reached(child, extras)


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    text = ast.dump(handler.type) if handler.type else ""
    return "ImportError" in text or "ModuleNotFoundError" in text


def _extras_of(block: ast.With) -> set[str]:
    """Return the names of the extras in a statement `with extra("name")`."""
    return {
        str(call.args[0].value)
        for item in block.items
        if isinstance(call := item.context_expr, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "extra"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
