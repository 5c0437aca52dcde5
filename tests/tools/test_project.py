"""A project is read from its `pyproject.toml`. An error names the field and the fix."""

from pathlib import Path

import pytest

from analysis_jobs_dev.project import ProjectError, load

BASE = '[project]\nname = "letters"\n'
TABLE = '[tool.analysis-jobs]\nanalyses = ["letter_summary"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter_summary.py").touch()
    (folder / "pyproject.toml").write_text(BASE + TABLE, encoding="utf-8")
    return folder


def test_a_name_and_the_analyses_are_enough(folder: Path) -> None:
    project = load(folder)
    assert (project.name, project.version) == ("letters", None)
    assert project.analyses == ("letter_summary",)
    assert project.source == project.folder == folder.resolve()
    assert (project.extras, project.aws_services, project.requirements) == ((), (), ())
    assert (project.packages, project.data) == (None, None)
    assert (project.infra, project.prompts, project.documents, project.answers) == (None, None, None, None)


def test_the_usual_folders_are_found_without_being_named(folder: Path) -> None:
    for name in ("infra", "prompts", "documents"):
        (folder / name).mkdir()
    (folder / "answers.toml").touch()
    project = load(folder)
    assert [project.infra, project.prompts, project.documents, project.answers] == [
        project.folder / name for name in ("infra", "prompts", "documents", "answers.toml")
    ]


def test_every_key_is_read(folder: Path) -> None:
    text = """
    [project]
    name = "Letters"
    version = "1.2.0"
    requires-python = ">=3.12"
    dependencies = ["analysis-jobs[ocr,cli]", "httpx>=0.28"]
    [tool.analysis-jobs]
    analyses = ["letters.summary"]
    answers = "tests/answers.toml"
    aws_services = ["rekognition"]
    data = ["letters/rates.csv"]
    documents = "samples"
    extras = ["postgres"]
    infra = "."
    packages = ["letters"]
    prompts = "texts"
    source = "src"
    """
    for name in ("samples", "texts", "tests", "src/letters"):
        (folder / name).mkdir(parents=True)
    (folder / "tests/answers.toml").touch()
    (folder / "src/letters/summary.py").touch()
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    project = load(folder)
    assert project.version == "1.2.0"
    assert project.extras == ("ocr", "postgres"), "also those of the dependency; `cli` is for people"
    assert [str(each) for each in project.requirements] == ["httpx>=0.28"]
    assert project.aws_services == ("rekognition",)
    assert (project.packages, project.data) == (("letters",), ("letters/rates.csv",))
    assert project.infra == project.folder
    assert project.source == project.folder / "src"
    assert (project.prompts, project.documents) == (project.folder / "texts", project.folder / "samples")
    assert project.answers == project.folder / "tests/answers.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", r"letters/pyproject\.toml is not TOML"),
        (TABLE, r'\[project\] needs a name, such as name = "letters"'),
        ('[project]\nname = "../x"\n' + TABLE, r"project\.name is '\.\./x'; give letters"),
        (BASE + "version = 1\n" + TABLE, r'project\.version must be a text, such as "1\.0\.0"'),
        (
            BASE + 'requires-python = ">=3.14"\n' + TABLE,
            r"requires-python is '>=3\.14', and the functions run on Python 3",
        ),
        (BASE + 'requires-python = "new"\n' + TABLE, r"project\.requires-python is 'new'; give versions"),
        (BASE + 'dependencies = "httpx"\n' + TABLE, r"project\.dependencies must be a list"),
        (
            BASE + 'dependencies = ["httpx =="]\n' + TABLE,
            r"project\.dependencies has an entry that is not a requirement",
        ),
        (BASE, r"the table \[tool\.analysis-jobs\] is missing. Add it with .* analyses = \[\"letter_summary\"\]"),
        (BASE + "[tool.analysis-jobs]\n", r"tool\.analysis-jobs lacks analyses: name the modules"),
        (BASE + "[tool]\nanalysis-jobs = 1\n", r"\[tool\.analysis-jobs\] must be a table with analyses"),
        (
            BASE + TABLE + 'extra = ["ocr"]',
            r"unknown key 'extra'\. Its keys are .*; did you mean 'extras'\?$",
        ),
        (
            BASE + TABLE + 'extras = "ocr"',
            r'tool\.analysis-jobs\.extras must be a list of texts, such as extras = \["ocr"\]',
        ),
        (BASE + TABLE + "extras = [1]", r"tool\.analysis-jobs\.extras must be a list of texts"),
        (BASE + TABLE + "source = 1", r'tool\.analysis-jobs\.source must be a text, such as source = "src"'),
        (BASE + TABLE + 'source = "scr"', r"source is 'scr', and there is no such folder; did you mean 'src'\?"),
        (BASE + TABLE + 'infra = "../other"', r"tool\.analysis-jobs\.infra: give a path within the project"),
        (
            BASE + TABLE + 'prompts = "promts"',
            r"prompts is 'promts', and there is no such folder; did you mean 'prompts'\?",
        ),
        (BASE + TABLE + 'answers = "a.toml"', r"answers is 'a\.toml', and there is no such file"),
        (
            BASE + "[tool.analysis-jobs]\nanalyses = []",
            r"tool\.analysis-jobs\.analyses must be a list of texts, such as",
        ),
        (
            BASE + '[tool.analysis-jobs]\nanalyses = ["letter_summary.py"]',
            r"names 'letter_summary\.py', and the project's folder has no such module; did you mean 'letter_summary'\?",
        ),
        (
            BASE + '[tool.analysis-jobs]\nanalyses = ["letter-summary"]',
            r"'letter-summary' is not the import path of a mod",
        ),
        (
            BASE + '[tool.analysis-jobs]\nanalyses = ["leter_summary"]',
            r"names 'leter_summary', and the project's folder has no such module; did you mean 'letter_summary'\?",
        ),
        (
            BASE + '[tool.analysis-jobs]\nanalyses = ["deep"]',
            r"names 'deep', and the project's folder has no such module; it is in src: add source = \"src\"",
        ),
    ],
)
def test_a_wrong_description_is_refused_naming_the_field_and_the_fix(text: str, message: str, folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src/deep.py").touch()
    (folder / "prompts").mkdir()
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError, match=message):
        load(folder)


def test_a_folder_that_is_not_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ProjectError, match=r"is not a project: it has no pyproject\.toml\. Create .*`analysis-jobs init"
    ):
        load(tmp_path)
    with pytest.raises(ProjectError, match=r"There is no folder .*/nowhere"):
        load(tmp_path / "nowhere")
