"""Functions to run: sources written in the test, and the real package."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from analysis_jobs_dev.package import example, sources
from analysis_jobs_dev.packager import HOST, build
from tests.runtime.lambda_runtime import Function, LambdaRuntime

Start = Callable[[Function], LambdaRuntime]
StartSource = Callable[..., LambdaRuntime]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a Function, and stop it at the end of the test."""
    with ExitStack() as stack:
        yield lambda function: stack.enter_context(LambdaRuntime(function, tmp_path_factory.mktemp("lambda")))


@pytest.fixture
def start_source(tmp_path: Path, start: Start) -> StartSource:
    """Start a function from source code that defines `handler`."""

    def of(source: str, timeout_s: float = 10, memory_mb: int = 512) -> LambdaRuntime:
        task_root = tmp_path / "task"
        task_root.mkdir()
        (task_root / "main.py").write_text(source, encoding="utf-8")
        return start(Function(task_root, "main.handler", timeout_s, memory_mb))

    return of


@pytest.fixture(scope="session")
def real_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of the example for this machine and return the zip."""
    out = tmp_path_factory.mktemp("dist")
    return out / build(sources(example("rfp-analysis")), [HOST], out=out)[0].path


@pytest.fixture(scope="session")
def task_root(real_package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the real package once, with `greedy` beside it, for tests that do not change it."""
    root = _unpacked(real_package, tmp_path_factory.mktemp("package"))
    shutil.copy(Path(__file__).with_name("greedy.py"), root)
    return root


@pytest.fixture
def own_task_root(real_package: Path, tmp_path: Path) -> Path:
    """Unpack the real package for a test that changes it."""
    return _unpacked(real_package, tmp_path / "package")


def _unpacked(package: Path, root: Path) -> Path:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(root)
    return root
