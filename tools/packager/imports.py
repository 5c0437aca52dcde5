"""Finds a missing import before Lambda does: the finished zip is unpacked and really imported.

In a process with nothing but the zip: no site-packages, no environment. Imports inside functions
are resolved too; those that a `try` guards with ImportError are the author's business.
"""

import ast
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packager.errors import PackageError

PROBE = Path(__file__).with_name("import_probe.py")


def require_importable(package: Path, modules: Iterable[str], sources: Mapping[str, Path]) -> None:
    """Import `modules` from the zip `package` and resolve every import of `sources` in it.

    `sources`: name in the zip -> file. Raises PackageError with everything that is missing.
    """
    wanted = {
        "modules": list(modules),
        "imports": [
            [name, *imported]
            for name, path in sources.items()
            if path.suffix == ".py"
            for imported in _imports(path, name)
        ],
    }
    with tempfile.TemporaryDirectory() as tree:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(tree)
        said = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(PROBE), tree],
            input=json.dumps(wanted),
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
    if said.returncode:
        problems = said.stdout.strip() or said.stderr.strip()
        raise PackageError(f"{package.name} does not import:\n{problems}")


def _imports(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name in it or "") for each import of a source, relative ones resolved."""
    package = name.removesuffix(".py").replace("/", ".").split(".")[:-1]
    for node in _reached(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name.replace("*", "")) for alias in node.names)


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the nodes that run: not what is for the type checker, not what ImportError guards."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        return
    guarded: list[ast.stmt] = []
    if isinstance(node, ast.Try) and any("ImportError" in ast.dump(h) for h in node.handlers):
        guarded = node.body
    yield node
    for child in ast.iter_child_nodes(node):
        if child not in guarded:
            yield from _reached(child)
