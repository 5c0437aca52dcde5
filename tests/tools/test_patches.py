"""Changed files in a built package: the zip runs the new code, and a source that does not compile is refused."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.patches import code_of, patch


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("letters.py", "WORD = 'old'\n")
        zipped.writestr("__pycache__/letters.cpython-313.pyc", b"stale")
        zipped.writestr("prompts/a.toml", "old")
        zipped.writestr("other.py", "import letters\nprint(letters.WORD)\n")
    return path


def test_the_zip_has_the_new_files_with_their_bytecode(package: Path, tmp_path: Path) -> None:
    source, prompt, new = tmp_path / "letters.py", tmp_path / "a.toml", tmp_path / "added.py"
    source.write_text("import added\nWORD = added.WORD\n", "utf-8")
    new.write_text("WORD = 'new'\n", "utf-8")
    prompt.write_text("changed", "utf-8")
    target = tmp_path / "patched.zip"
    patch(package, {"letters.py": source, "added.py": new, "prompts/a.toml": prompt}, target)
    with zipfile.ZipFile(target) as zipped:
        assert zipped.testzip() is None
        assert len(zipped.namelist()) == len(set(zipped.namelist()))
        assert zipped.read("prompts/a.toml") == b"changed"
        zipped.extractall(tmp_path / "tree")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import other"
    run = [sys.executable, "-I", "-c", program, str(tmp_path / "tree")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "new"
    assert (tmp_path / "tree" / "__pycache__" / "added.cpython-313.pyc").exists()


def test_a_removed_file_is_gone_with_its_bytecode(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "patched.zip"
    patch(package, {"letters.py": None}, target)
    with zipfile.ZipFile(target) as zipped:
        assert sorted(zipped.namelist()) == ["other.py", "prompts/a.toml"]


def test_a_source_that_does_not_compile_is_refused(package: Path, tmp_path: Path) -> None:
    source = tmp_path / "letters.py"
    source.write_text("def broken(\n", "utf-8")
    with pytest.raises(CloudError, match=r"letters\.py does not compile: .*never closed"):
        patch(package, {"letters.py": source}, tmp_path / "patched.zip")


def test_the_version_has_the_projects_version_and_the_hash(package: Path) -> None:
    code = code_of(package, "1.2.0")
    assert code.version == f"1.2.0+{code.sha256[:12]}"
    assert len(code.sha256_base64) == 44
    assert code_of(package, None).version.startswith("0+")
