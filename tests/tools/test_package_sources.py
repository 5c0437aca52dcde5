"""A package contains a project's code and its data, and neither tests nor secrets."""

import dataclasses
from pathlib import Path

import pytest

from analysis_jobs_dev.packager import PackageError, Sources
from analysis_jobs_dev.packager.sources import left_out
from analysis_jobs_dev.project import load


def write(project: Sources, *names: str, table: str = "") -> Sources:
    """Add files to the project, and lines to its table."""
    for name in names:
        path = project.project.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    file = project.project.file
    file.write_text(file.read_text(encoding="utf-8") + table, encoding="utf-8")
    return dataclasses.replace(project, project=load(project.project.folder))


def test_modules_and_packages_beside_the_analysis_are_carried_with_their_data(project: Sources) -> None:
    what = write(
        project,
        *("helpers.py", "letters/__init__.py", "letters/rates.csv", "letters/deep/more.py", "letters/deep/x.sql"),
        *("scripts/once.py", "docs/page.md", "data/rates.csv", "answers.toml", "schema.sql", "conftest.py", "setup.py"),
        *("test_poem.py", "letters/tests/test_it.py", "letters/README.md", "letters/test_more.py", "infra/x.py"),
    )
    assert list(what.project_files()) == [
        "helpers.py",
        "letters/__init__.py",
        "letters/deep/more.py",
        "letters/deep/x.sql",
        "letters/rates.csv",
        "poem.py",
        "prompts/poem.txt",
    ]
    assert what.modules() == ["api", "helpers", "poem"]


def test_data_adds_the_files_that_it_names(project: Sources) -> None:
    names = ("rates.csv", "tables/a.csv", "tables/deep/b.csv", "prompts/README.md")
    what = write(project, *names, table='data = ["rates.csv", "tables/**/*.csv", "prompts/README.md"]\n')
    assert [name for name in what.project_files() if not name.endswith(".py")] == [
        "prompts/README.md",
        "prompts/poem.txt",
        "rates.csv",
        "tables/a.csv",
        "tables/deep/b.csv",
    ]


def test_packages_narrows_the_code(project: Sources) -> None:
    what = write(project, "helpers.py", "letters/x.py", "other/__init__.py", table='packages = ["letters", "poem"]\n')
    assert list(what.project_files()) == ["letters/x.py", "poem.py", "prompts/poem.txt"]


def test_code_in_a_source_folder_is_carried_from_there(project: Sources) -> None:
    project.project.file.write_text(
        '[project]\nname = "odes"\n[tool.analysis-jobs]\nanalyses = ["odes.sea"]\nsource = "src"\n', encoding="utf-8"
    )
    what = write(project, "src/odes/sea.py", "src/odes/sea.txt")
    assert list(what.project_files()) == ["odes/sea.py", "odes/sea.txt"]
    assert "odes.sea" in what.modules()


@pytest.mark.parametrize(
    "name",
    [".env", "letters/.env.local", "letters/key.pem", "letters/prod.tfvars", "letters/x.tfstate", "letters/a.key"],
)
def test_a_file_that_may_be_a_secret_is_not_carried(name: str, project: Sources) -> None:
    assert name not in write(project, name, "letters/__init__.py").project_files()


@pytest.mark.parametrize("name", [".env", "prod.tfvars", "secrets.json", "key.pem"])
def test_data_that_may_be_a_secret_is_refused(name: str, project: Sources) -> None:
    what = write(project, name, table=f'data = ["{name}"]\n')
    (project.project.folder / name).write_text("-----BEGIN PRIVATE KEY-----\n", encoding="utf-8")
    with pytest.raises(PackageError, match=rf"data takes {name} with '{name}', which may hold secrets"):
        what.project_files()


def test_a_public_certificate_may_be_named(project: Sources) -> None:
    what = write(project, "ca.pem", table='data = ["ca.pem"]\n')
    assert "ca.pem" in what.project_files()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('data = ["rates.cvs"]\n', r"pyproject\.toml: data names 'rates\.cvs', and no file in .* has such a name"),
        ('packages = ["leters"]\n', r"pyproject\.toml: packages names 'leters', and .* has no such module or package"),
    ],
)
def test_a_name_without_a_file_is_refused(table: str, message: str, project: Sources) -> None:
    with pytest.raises(PackageError, match=message):
        write(project, "rates.csv", table=table).project_files()


def test_a_file_that_the_code_names_and_the_package_lacks_is_reported(project: Sources) -> None:
    what = write(project, "rates.csv", "other.csv", "demo.toml")
    path = project.project.folder / "poem.py"
    path.write_text("from pathlib import Path\n\nRATES = Path(__file__).parent / 'rates.csv'\n", encoding="utf-8")
    assert left_out(what.project) == {"rates.csv": "poem.py:3"}
    assert left_out(write(project, table='data = ["rates.csv"]\n').project) == {}


def test_a_file_of_the_library_cannot_be_replaced(project: Sources) -> None:
    with pytest.raises(PackageError, match=r"library/__init__\.py is there twice: .* Rename .*project/library"):
        write(project, "library/__init__.py").files()


def test_a_missing_part_of_the_library_is_reported(project: Sources, tmp_path: Path) -> None:
    broken = dataclasses.replace(project.library, code=tmp_path / "nowhere")
    with pytest.raises(PackageError, match=r"There is no folder .*nowhere/analysis_jobs: the library is incomplete"):
        broken.files()
