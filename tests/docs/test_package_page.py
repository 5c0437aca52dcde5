"""The page about packages: its project builds, and its tables are complete."""

import re
import shutil
import tomllib
import zipfile
from pathlib import Path

from analysis_jobs_dev import package
from analysis_jobs_dev.packager import HOST, build
from analysis_jobs_dev.project import Table, load
from tests.docs.pages import REPOSITORY, files_of, text_of

PAGE = "docs/write/package.md"


def rows(heading: str) -> list[str]:
    """Return the first cells of the table below a heading, without backticks."""
    section = text_of(PAGE).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_table_of_keys_has_all_of_them() -> None:
    assert sorted(rows("Describe the project")) == sorted(Table.model_fields)


def test_the_table_of_extras_has_all_of_them() -> None:
    assert [*rows("Extras"), "word"] == package.library().known_extras


def test_the_table_of_the_manifest_has_all_of_its_fields(tmp_path: Path) -> None:
    [manifest] = build(package.sources(package.example("minimal")), [HOST], out=tmp_path)
    assert sorted(rows("The manifest")) == sorted(vars(manifest))


def test_the_project_of_the_page_is_packaged_with_its_own_dependency(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    described = files_of(PAGE)["pyproject.toml"]
    # The dependency is one that the locks of this repository have, so that the test resolves nothing.
    (folder / "pyproject.toml").write_text(described.replace("httpx>=0.28", "jmespath"), encoding="utf-8")
    locked = (REPOSITORY / "requirements" / "package.txt").read_text(encoding="utf-8")
    [lines] = re.findall(r"^jmespath==(?:.*\\\n)+.*\n", locked, re.MULTILINE)
    (folder / "requirements.txt").write_text(lines, encoding="utf-8")
    (folder / "rates.csv").write_text("1", encoding="utf-8")
    minimal = REPOSITORY / "examples/minimal"
    (folder / "letter_summary.py").write_bytes((minimal / "letter_summary.py").read_bytes())
    # The canary of the analysis submits one of them.
    shutil.copytree(minimal / "documents", folder / "documents")
    [manifest] = package.package(load(folder), ["host"])
    with zipfile.ZipFile(folder / "dist" / manifest.path) as archive:
        names = archive.namelist()
    assert {"letter_summary.py", "rates.csv", "openpyxl/__init__.py"} <= set(names)
    assert "rekognition" in manifest.aws_services
    assert manifest.project.version == tomllib.loads(described)["project"]["version"]
