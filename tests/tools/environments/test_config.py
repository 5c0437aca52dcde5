"""An environment's configuration: what is refused, with its line and its fix, before anything is built."""

import json
import shutil
from pathlib import Path

import pytest

from analysis_jobs_dev.environments import config
from analysis_jobs_dev.environments.config import ConfigError
from analysis_jobs_dev.init import create
from tests.tools.environments.files import REPOSITORY, SETTINGS, Refused, with_keys, with_settings, write

# What is right


@pytest.mark.parametrize("name", config.names(REPOSITORY))
def test_every_environment_of_this_repository_is_right(name: str) -> None:
    assert config.load(name, REPOSITORY).file == REPOSITORY / "envs" / name / "config.json"


def test_an_environment_has_the_variables_of_its_root(repository: Path) -> None:
    write(repository, with_settings('"maximum_concurrency": 5, "lease": {"lease_s": 60}'))
    found = config.load("dev", repository / "examples")
    authorizer = {"issuer": "https://login.example.com", "audience": ["jobs"]}
    assert found.variables == {
        "name": "rfp-dev",
        "settings": {"authorizer": authorizer, "maximum_concurrency": 5, "lease": {"lease_s": 60}},
    }
    assert (found.stack, found.region, found.package_bucket) == ("rfp-dev", "eu-west-1", None)
    assert (found.state.bucket, found.state.key) == (None, "analysis-jobs/dev.tfstate")
    assert found.package == repository / "dist" / "rfp-analysis-arm64.json"
    assert found.root == repository / "examples" / "rfp-analysis"


def test_variables_beside_an_object_named_settings_are_written_beside_its_attributes(repository: Path) -> None:
    settings = f'{SETTINGS}, "database_secret_arn": "arn:aws:secretsmanager:eu-west-1:1:secret:x"'
    write(
        repository,
        f'{{"project": "examples/book-valuation", "name": "b-dev", "region": "eu-west-1", "settings": {{{settings}}}}}',
    )
    found = config.load("dev", repository).variables
    assert found.keys() == {"name", "settings", "database_secret_arn"}
    assert found["settings"].keys() == {"authorizer"}


@pytest.mark.parametrize("example", sorted(path.parent.name for path in REPOSITORY.glob("examples/*/pyproject.toml")))
def test_every_example_can_be_an_environment_by_one_file(example: str, refused: Refused) -> None:
    project = f'"project": "examples/{example}", "name": "x-dev", "region": "eu-west-1"'
    [problem, *rest] = refused(f"{{{project}}}")
    assert rest == []
    assert problem.startswith("1: settings is missing. Add ")
    proposal = problem.partition("settings is missing. Add ")[2].partition(" (The variables")[0]
    assert refused(f"{{{project}, {proposal}}}") == [], "the proposal is complete"


def test_a_project_without_a_root_has_the_modules_settings(tmp_path: Path) -> None:
    project = create("letters", within=tmp_path)
    shutil.rmtree(project / "infra")
    path = project / "envs" / "staging.json"
    module = '"bedrock_model_ids": ["anthropic.*"], "api": {"authorizer": {"issuer": "https://x", "audience": ["a"]}}'
    text = f'{{"name": "letters-x", "region": "eu-west-1", "lanes": {{"high": {{}}}}, "settings": {{{module}}}}}'
    path.write_text(text, "utf-8")
    found = config.load("staging", project)
    assert found.variables["analyses"] == ["letters"], "those of the project, if the file names none"
    assert found.variables["lanes"] == {"high": {}}
    path.write_text(text.replace('"high"', '"hihg"').replace('"issuer"', '"isuer"'), "utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load("staging", project)
    said = str(caught.value)
    assert "the key lanes.hihg is unknown. Allowed are high, medium, low. Did you mean high?" in said
    assert "Did you mean settings.api.authorizer.issuer?" in said


@pytest.mark.parametrize("example", [None, "minimal", "book-valuation"])
def test_the_environments_of_a_new_project_are_right(example: str | None, tmp_path: Path) -> None:
    found = {each.name: each for each in config.load_all(create("meeting-notes", example=example, within=tmp_path))}
    assert found.keys() == {"local", "production", "staging"}
    assert found["staging"].state.key == "meeting-notes/staging.tfstate"
    assert found["staging"].package == tmp_path / "meeting-notes" / "dist" / "meeting-notes-arm64.json"


# What is wrong


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            '"lease": {"lease_secs": 60}',
            "settings.lease.lease_secs is unknown, and Terraform would ignore it. Did you mean settings.lease.lease_s?",
        ),
        (
            '"alarm_email": []',
            "is unknown: the Terraform root has no such variable. Did you mean settings.alarm_emails?",
        ),
        ('"lease_s": 60', "It belongs in settings.lease.lease_s."),
        ('"WebOrigins": []', "Did you mean settings.web_origins?"),
        ('"region": "x"', "It belongs at the top of the file."),
        (
            '"lease": null, "environment": {"A": null}',
            "settings.environment.A must be a text, and is null. Give a value",
        ),
        ('"zzz": 1', "Remove it, or use one of: alarm_emails, authorizer, "),
        ('"lease": {"lease_s": "60"}', 'must be a number, and is the text "60". Write 60 without quotes.'),
        ('"deletion_protection": "false"', 'must be true or false, and is the text "false". Write false without'),
        (
            '"alarm_emails": "a@example.com"',
            'must be a list, and is the text "a@example.com". Write ["a@example.com"].',
        ),
        ('"web_origins": ["https://a", 5]', 'settings.web_origins[1] must be a text, and is the number 5. Write "5".'),
        ('"environment": {"LEVEL": 5}', 'settings.environment.LEVEL must be a text, and is the number 5. Write "5".'),
        ('"lease": 60', "settings.lease must be an object, and is the number 60."),
        ('"alarm_emails": {}', "settings.alarm_emails must be a list, and is an object."),
        ('"name": "x"', "settings.name belongs at the top of the file: move it out of `settings`."),
        ('"environment": {"A": "b", "A": "c"}', "the key settings.environment.A is there twice, and only the last"),
        ('"environment": {"A": "${var.x}"}', "nothing replaces the expression here. Write the value."),
        ('"environment": {"A": "${{ secrets.X }}"}', "nothing replaces the expression here. Write the value."),
    ],
)
def test_a_wrong_setting_is_refused_with_its_line_and_its_fix(settings: str, message: str, refused: Refused) -> None:
    [problem] = refused(with_settings(settings))
    assert problem.startswith("2: ")
    assert message in problem


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('"name": "rfp-dev", "regoin": "eu-west-1"', "the key regoin is unknown. Did you mean region?"),
        ('"name": "rfp-dev", "region": "eu-west1"', "AWS has no such Region. Did you mean eu-west-1?"),
        ('"name": "rfp-dev", "region": "eu-wset-1"', "AWS has no such Region. Did you mean eu-west-1?"),
        ('"name": "rfp-dev", "region": 1', 'region must be a text, and is the number 1. Write "1".'),
        ('"name": "Rfp_dev", "region": "eu-west-1"', 'name is "Rfp_dev"; give 2 to 50 small letters, digits and'),
        ('"name": " rfp", "region": "eu-west-1"', "name begins or ends with a space: ' rfp'. Remove it."),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "package_bucket": "s3://bucket/x"',
            "give the name of an S3 bucket",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "authorizer": {}',
            "the key authorizer is unknown. It belongs in settings.authorizer.",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "state": {"bukcet": "x"}',
            "the key state.bukcet is unknown. Did you mean state.bucket?",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "lanes": {"high": {}}',
            "the Terraform root examples/rfp-analysis has no variable lanes, so that lanes would be ignored. Add the",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "package": "dist/rfp-anlysis-arm64.json"',
            "there is no package dist/rfp-anlysis-arm64.json. Did you mean dist/rfp-analysis-arm64.json?",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "package": "dist/rfp-analysis-arm64.zip"',
            "Name the manifest beside the zip: dist/rfp-analysis-arm64.json.",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "$schema": "../schema.json"',
            "there is no such file, so that no editor checks this one. Write ../../schemas/environment.schema.json.",
        ),
        (
            '"name": "rfp-dev", "region": "eu-west-1", "deployment": {"step": []}',
            "the key deployment.step is unknown. Did you mean deployment.steps?",
        ),
    ],
)
def test_a_wrong_key_is_refused_with_its_line_and_its_fix(keys: str, message: str, refused: Refused) -> None:
    problems = refused(with_keys(keys))
    assert any(message in each for each in problems), problems
    assert {each.partition(":")[0] for each in problems if "is missing" not in each} == {"2"}


def test_every_problem_of_a_file_is_reported(refused: Refused) -> None:
    """All problems of a file are reported at once, in the order of their lines."""
    problems = refused(
        '{\n"project": "examples/rfp-analysis",\n"nmae": "rfp",\n"region": "mars",\n'
        '"settings": {\n"authorizer": {"isuer": "x"},\n"lease": {"lease_secs": 4}\n}\n}'
    )
    assert [int(each.partition(":")[0]) for each in problems] == [1, 3, 4, 6, 6, 6, 7]


def test_a_missing_value_is_named_with_what_to_write(refused: Refused) -> None:
    assert refused('{"project": "examples/rfp-analysis"}') == [
        '1: name is missing. Add "name": "…" (Prefix of all names in the stack).',
        '1: region is missing. Add "region": "eu-west-1" (Region of the stack).',
        (
            '1: settings is missing. Add "settings": {"authorizer": {"audience": ["…"], "issuer": "…"}}'
            " (The variables of the Terraform root)."
        ),
    ]


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ("examples/rfp-anlysis", "there is no folder examples/rfp-anlysis. Did you mean examples/rfp-analysis?"),
        ("/srv/x", "project is '/srv/x'. Give a path relative to "),
        ("modules/queue", "is not a project"),
    ],
)
def test_a_missing_project_is_refused(project: str, message: str, refused: Refused) -> None:
    problems = refused(f'{{\n"project": "{project}", "name": "x-y", "region": "eu-west-1", "settings": {{}}}}')
    assert len(problems) == 1
    assert problems[0].startswith("2: ")
    assert message in problems[0]


def test_a_missing_folder_or_document_of_the_project_is_refused(tmp_path: Path) -> None:
    project = create("letters", within=tmp_path)
    (project / "documents" / "letter.txt").unlink()
    with pytest.raises(ConfigError, match=r"demo\.toml:1: .*letter\.txt"):
        config.load("staging", project)
    described = project / "pyproject.toml"
    described.write_text(
        described.read_text("utf-8").replace("[tool.analysis-jobs]", '[tool.analysis-jobs]\nprompts = "promts"')
    )
    with pytest.raises(ConfigError, match=r"prompts is 'promts', and there is no such folder; did you mean 'prompts'"):
        config.load("staging", project)


def test_a_misspelt_setting_in_the_root_is_a_problem_of_the_root(tmp_path: Path) -> None:
    project = create("letters", within=tmp_path)
    main_tf = project / "infra" / "main.tf"
    main_tf.write_text(main_tf.read_text("utf-8").replace("alarms              = { email", "alarms = { emial"), "utf-8")
    with pytest.raises(ConfigError, match=r"main\.tf:\d+: .*alarms\.emial.*did you mean alarms\.email\?"):
        config.load("staging", project)


def test_an_analysis_that_the_project_does_not_declare_is_refused(tmp_path: Path) -> None:
    project = create("letters", within=tmp_path)
    variables = project / "infra" / "variables.tf"
    variables.write_text(variables.read_text("utf-8") + 'variable "analyses" {\n  type = list(string)\n}\n', "utf-8")
    path = project / "envs" / "staging.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, "analyses": ["leters"]}), "utf-8")
    with pytest.raises(
        ConfigError, match=r"analyses names 'leters', which pyproject\.toml does not\. Did you mean letters\?"
    ):
        config.load("staging", project)
    path.write_text(json.dumps({**content, "analyses": ["letters"]}), "utf-8")
    assert config.load("staging", project).variables["analyses"] == ["letters"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: the file is empty."),
        ("[]", "1: the file must have an object"),
        ('{\n"a": 1,\n}', "2: remove the comma before the closing bracket."),
        ("{\n// why\n}", "2: JSON has no comments: remove it."),
        ("{\n'a': 1}", "2: this is not JSON: .* Texts and names need double quotes."),
        ('{"a":\nTrue}', "2: write true, false and null in small letters."),
        ('{\n"a": NaN}', "2: NaN is not JSON."),
        ('{\n"a": 1e999}', "2: 1e999 is not JSON."),
        ("\ufeff{}", "1: the file begins with a byte order mark: save it as UTF-8 without one."),
    ],
)
def test_a_file_that_is_not_json_is_refused_at_its_line(text: str, message: str, repository: Path) -> None:
    write(repository, text)
    with pytest.raises(ConfigError, match=rf"config\.json:{message}"):
        config.load("dev", repository)


def test_a_file_in_another_encoding_is_refused(repository: Path) -> None:
    write(repository, "{}").write_bytes('{"name": "ü"}'.encode("latin-1"))
    with pytest.raises(ConfigError, match="this is not UTF-8"):
        config.load("dev", repository)
