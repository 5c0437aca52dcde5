"""Changed files of a project go into its package. What a build would refuse is refused at once."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.patched_package import Changed, PatchedPackage, new_declarations
from analysis_jobs_dev.packager import HOST, PackageError, Sources, build, imports
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.project import load

type Edit = Callable[..., Changed | None]


@pytest.fixture
def built(project: Sources, tmp_path: Path) -> Path:
    """Return the folder of the project's built package."""
    (project.project.folder / "rhymes.py").write_text("WORD = 'old'\n", "utf-8")
    build(project, [HOST], out=tmp_path / "package")
    return tmp_path / "package"


@pytest.fixture
def edit(project: Sources, built: Path) -> Edit:
    """Return a function that writes files (text, or None to remove one), and puts them into the package."""
    package = PatchedPackage(project.project, built, lambda what: Sources(what, project.library))

    def run(**files: str | None) -> Changed | None:
        changed = set()
        for name, text in files.items():
            path = project.project.folder / name.replace("__", "/")
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text, "utf-8")
            changed.add(path)
        return package.update(load(project.project.folder), changed)

    return run


def content(changed: Changed | None, name: str) -> str:
    assert changed
    with zipfile.ZipFile(changed.code.path) as zipped:
        return zipped.read(name).decode()


def test_changed_new_and_removed_files_are_those_of_the_package(edit: Edit) -> None:
    changed = edit(**{"rhymes.py": None, "poem.py": "import metre\n", "metre.py": "x = 1\n"})
    assert content(changed, "metre.py") == "x = 1\n"
    assert changed
    with zipfile.ZipFile(changed.code.path) as zipped:
        assert "rhymes.py" not in zipped.namelist()
    assert content(edit(**{"prompts__poem.txt": "Another."}), "prompts/poem.txt") == "Another."
    assert content(edit(**{"rhymes.py": "WORD = 'again'\n"}), "rhymes.py") == "WORD = 'again'\n"


def test_files_that_no_package_contains_change_nothing(edit: Edit) -> None:
    assert edit(**{"README.md": "other", "test_poem.py": "import pytest\n", "documents__poem.pdf": "other"}) is None


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"poem.py": "import rhyme\n"}, "poem: ModuleNotFoundError: No module named 'rhyme'"),
        ({"poem.py": "def write(job):\n    from rhymes import Word\n"}, "poem.py: rhymes.Word"),
        ({"poem.py": "raise ValueError('no')\n"}, "poem: ValueError: no"),
        ({"poem.py": "import rhymes\n", "rhymes.py": None}, "No module named 'rhymes'"),
        ({"poem.py": "def write(job):\n    import pytest\n"}, "poem.py imports pytest, which is development code"),
        ({"poem.py": "def write(job):\n    breakpoint()\n"}, "must not be deployed"),
        ({"fake_poem.py": "x = 1\n"}, "fake_poem.py is by its name not the real thing"),
        ({"poem.py": "def write(\n"}, "poem.py does not compile"),
        ({"library.py": "x = 1\n", "api.py": "x = 1\n"}, "api.py is there twice"),
    ],
)
def test_what_a_build_refuses_is_refused_until_it_is_mended(
    edit: Edit, files: dict[str, str | None], complaint: str
) -> None:
    with pytest.raises((CloudError, PackageError)) as refused:
        edit(**files)
    assert complaint in str(refused.value)
    with pytest.raises((CloudError, PackageError)) as refused:
        edit(**{"prompts__poem.txt": "Another."})
    assert complaint in str(refused.value)
    mended = {name: "WORD = 'new'\n" if text is None else None for name, text in files.items() if name != "poem.py"}
    changed = edit(**{**mended, "poem.py": "from library import answer\n"})
    assert content(changed, "poem.py") == "from library import answer\n"


def test_a_module_that_waits_while_it_is_imported_is_refused(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "TIMEOUT_S", 2.0)
    with pytest.raises(PackageError, match="waits for something while it is imported"):
        edit(**{"poem.py": "import time\ntime.sleep(600)\n"})


def test_a_changed_description_builds_the_whole_package(edit: Edit, project: Sources) -> None:
    described = project.project.file.read_text("utf-8")
    with pytest.raises(CloudError, match="extras names 'wrd', which is not an extra"):
        edit(**{"pyproject.toml": described + 'extras = ["wrd"]\n'})


def test_what_the_stack_does_not_have_yet_is_named() -> None:
    def declared(secrets: list[str], **analysis: object) -> Declarations:
        return Declarations(
            [{"module": "letters", "routes": [], "lanes": [], "model_id": None, **analysis}], secrets, []
        )

    before = declared(["KEY"], routes=["POST /letters"])
    now = declared(["KEY", "CRM"], routes=["POST /letters", "GET /letters/{id}"], lanes=["high"], model_id="gemini-3")
    assert new_declarations(before, now) == [
        "the route GET /letters/{id}",
        "the lane high",
        "the model gemini-3",
        "the secret CRM",
    ]
    assert new_declarations(now, before) == []
