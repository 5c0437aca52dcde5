"""Refuses packages that must not be deployed: those with development code, and those over Lambda's limits.

One production system ran a stub worker for 45 days before anybody noticed. Such a package does not build here.
"""

import ast
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from analysis_jobs_dev.packager.dependencies import distributions
from analysis_jobs_dev.packager.errors import PackageError

# Names of modules and packages, and of distributions.
DEVELOPMENT = frozenset(
    {
        *("analysis_jobs.cli", "analysis_jobs.testing", "analysis_jobs_dev"),
        *("localstack", "ministack", "moto", "responses"),
        *("_pytest", "fpdf", "fpdf2", "hypothesis", "pytest", "tftest", "unittest.mock"),
        *("betamax", "freezegun", "httpretty", "mock", "pytest_mock", "requests_mock", "respx", "time_machine", "vcr"),
        *("IPython", "debugpy", "ipdb", "pdb", "pdbpp", "pudb", "pydevd"),
        *("black", "coverage", "flake8", "isort", "mypy", "nox", "pylint", "ruff", "tox", "uv", "zizmor"),
    }
)
NOT_THE_REAL_THING = re.compile(r"(^|_)(stubs?|mocks?|fakes?|dummy|dummies|stand_?ins?)(_|$)")

# Lambda's quotas in bytes, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. A larger zip than
# the first must come from S3, where only the unzipped size is limited (layers count, and there are none).
DIRECT_UPLOAD_LIMIT = 50 * 2**20
UNZIPPED_LIMIT = 250 * 2**20


def development_code(files: Mapping[str, Path]) -> None:
    """Raise `PackageError` if a source is development code by its name, or imports development code.

    The message names the file.
    """
    for name, path in files.items():
        parts = PurePosixPath(name).with_suffix("").parts
        if any(NOT_THE_REAL_THING.search(part.lower()) for part in parts):
            raise PackageError(f"{name} is by its name not the real thing; it is not packaged.")
        if path.suffix == ".py":
            for module in _imported(path):
                if _is_development(module):
                    raise PackageError(f"{name} imports {module}, which is development code.")


def development_packages(package: Path) -> None:
    """Raise `PackageError` if the finished zip contains a development package."""
    with zipfile.ZipFile(package) as archive:
        parts = [name.removesuffix(".py").split("/") for name in archive.namelist()]
    modules = {".".join(each[:depth]) for each in parts for depth in (1, 2)}
    found = sorted((modules | set(distributions(package))) & DEVELOPMENT)
    if found:
        raise PackageError(f"{package.name} holds development code: {', '.join(found)}.")


def too_large(package: Path, budget_mb: float | None = None) -> None:
    """Refuse the finished zip if Lambda cannot unpack it, or if the zip is over the project's own budget in MB.

    A zip over `DIRECT_UPLOAD_LIMIT` is not refused: it is deployed from S3.
    """
    size = package.stat().st_size
    if budget_mb is not None and size > budget_mb * 2**20:
        raise PackageError(
            f"{package.name} has {_mib(size)}, and size_mb allows {budget_mb:g} MB: leave a dependency or a data file "
            "out, or raise the limit in pyproject.toml."
        )
    with zipfile.ZipFile(package) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    if unzipped > UNZIPPED_LIMIT:
        raise PackageError(
            f"{package.name} has {_mib(unzipped)} unzipped, and Lambda takes at most "
            f"{_mib(UNZIPPED_LIMIT)}: leave a dependency or a data file out."
        )


def _imported(path: Path) -> list[str]:
    """Return every module that a source imports. For `from a import b` this includes `a.b`."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise PackageError(f"{path} does not compile: {error}") from None
    return [module for node in ast.walk(tree) for module in _named_in(node)]


def _named_in(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _is_development(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:depth]) in DEVELOPMENT for depth in (1, 2))


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
