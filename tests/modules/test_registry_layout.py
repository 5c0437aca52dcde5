"""The modules in the layout of a registry: a repository with one module in its root."""

import re
from pathlib import Path

import pytest

import registry_layout
from tests.modules.harness import MODULES, REPOSITORY, Terraform


@pytest.fixture(scope="module")
def tree(terraform: Terraform) -> Path:
    """Return the folder of the tree, in the workspace."""
    folder = terraform.root / registry_layout.NAME
    registry_layout.write(folder)
    return folder


def test_the_root_is_the_module_and_its_parts_are_below(tree: Path) -> None:
    assert {"main.tf", "README.md", "LICENSE", "CHANGELOG.md"} - {path.name for path in tree.iterdir()} == {"main.tf"}
    assert sorted(path.name for path in (tree / "modules").iterdir()) == [
        name for name in MODULES if name != "analysis-jobs"
    ]
    roots = {path.parent.relative_to(REPOSITORY / "examples").parts[0] for path in terraform_roots()}
    assert {path.name for path in (tree / "examples").iterdir()} == roots


def terraform_roots() -> list[Path]:
    return sorted(path for path in REPOSITORY.glob("examples/**/versions.tf") if ".terraform" not in path.parts)


def test_every_file_of_a_module_is_in_the_tree(tree: Path) -> None:
    for path in REPOSITORY.glob("modules/*/*.tf"):
        module = path.parent.name
        folder = tree if module == "analysis-jobs" else tree / "modules" / module
        code = re.sub(r"source +=.*", "", path.read_text("utf-8"))
        assert re.sub(r"source +=.*", "", (folder / path.name).read_text("utf-8")) == code


def test_terraform_accepts_the_root(tree: Path, terraform: Terraform) -> None:
    terraform.prepare(tree.name)
    done = terraform.run(tree.name, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", ["minimal", "existing-api"])
def test_terraform_accepts_an_example(example: str, tree: Path, terraform: Terraform) -> None:
    folder = f"{tree.name}/examples/{example}"
    terraform.prepare(folder)
    done = terraform.run(folder, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_link_leads_to_a_file_of_the_tree(tree: Path) -> None:
    links = {
        (path.relative_to(tree).as_posix(), link)
        for path in tree.rglob("*.md")
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text("utf-8"))
    }
    assert links
    assert [(page, link) for page, link in links if not (tree / page).parent.joinpath(link).exists()] == []


def test_the_examples_of_the_pages_name_the_registry(tree: Path) -> None:
    readme = (tree / "README.md").read_text("utf-8")
    assert 'source = "NAMESPACE/analysis-jobs/aws"' in readme
    assert 'source = "NAMESPACE/analysis-jobs/aws//modules/queue"' in (tree / "modules/queue/README.md").read_text(
        "utf-8"
    )


def test_the_archive_has_the_same_bytes_each_time() -> None:
    assert registry_layout.archive("1.2.3") == registry_layout.archive("1.2.3")


def test_a_folder_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        registry_layout.write(tmp_path)
