"""A misspelt setting in a call of a module is found before Terraform drops it silently."""

import re
from pathlib import Path

import pytest

from analysis_jobs_dev.check_call import check, main
from analysis_jobs_dev.init import create
from analysis_jobs_dev.module_interface import Type, read_variables
from analysis_jobs_dev.package import notices, package, refuse_misspelt_settings
from analysis_jobs_dev.packager import PackageError
from analysis_jobs_dev.project import load
from tests.modules.harness import MODULES, REPOSITORY

URL = "git::https://example.com/acme/analysis-jobs.git//modules/analysis-jobs?ref=v1.0.0"
ROOTS = sorted({path.parent for path in REPOSITORY.glob("e*/**/*.tf") if ".terraform" not in path.parts})
PAGES = [
    page
    for page in sorted([*REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("*/*/README.md"), REPOSITORY / "README.md"])
    if "```hcl" in page.read_text(encoding="utf-8")
]


def found(folder: Path, arguments: str, source: str = URL, rest: str = "") -> list[str]:
    """Write a root that calls the module with these arguments; return what `check` says about it."""
    text = f'{rest}module "jobs" {{\n  source = "{source}"\n{arguments}\n}}\n'
    (folder / "main.tf").write_text(text, encoding="utf-8")
    return [finding.message for finding in check(folder)]


@pytest.mark.parametrize(
    ("arguments", "name", "fix"),
    [
        ("worker = { timeout_sec = 900 }", "worker.timeout_sec", "did you mean worker.timeout_s?"),
        ('worker = { "timeout_sec" : 900 }', "worker.timeout_sec", "did you mean worker.timeout_s?"),
        ("api = { cors = { allowed_origins = [] } }", "api.cors.allowed_origins", "api.cors.allow_origins?"),
        ("lanes = { high = { max_concurrency = 5 } }", "lanes.high.max_concurrency", "lanes.high.maximum_concurrency?"),
        ("lanes = { (var.lane) = { teir = 5 } }", "lanes.….teir", "did you mean lanes.….tier?"),
        ("lanes = { for lane in var.lanes : lane => { teir = 5 } }", "lanes[…].teir", "did you mean lanes[…].tier?"),
        ("worker = var.large ? { memory = 10240 } : {}", "worker.memory", "did you mean worker.memory_mb?"),
        ("worker = var.large ? null : ({ memory = 128 })", "worker.memory", "did you mean worker.memory_mb?"),
        ("worker = merge(var.worker, { memory = 1024 })", "worker.memory", "did you mean worker.memory_mb?"),
        ("worker = try(coalesce(var.worker, { memory = 1 }), {})", "worker.memory", "did you mean worker.memory_mb?"),
        ("worker = { vpc = { subnets = [] } }", "worker.vpc.subnets", "did you mean worker.vpc.subnet_ids?"),
        ("logs = { colour = true }", "logs.colour", "it has class, format, key_arn, level, saved_queries"),
        (
            "worker = { statements = { read = { conditions = [{ tests = 1 }] } } }",
            "worker.statements.read.conditions[…].tests",
            "did you mean worker.statements.read.conditions[…].test?",
        ),
    ],
)  # fmt: skip
def test_an_attribute_that_the_module_does_not_have_is_found(
    tmp_path: Path, arguments: str, name: str, fix: str
) -> None:
    [message] = found(tmp_path, arguments)
    assert message.startswith(f"the module analysis-jobs has no setting {name}, and Terraform ignores it silently: ")
    assert message.endswith(fix)


def test_an_argument_that_the_module_does_not_have_is_found(tmp_path: Path) -> None:
    [message] = found(tmp_path, 'nmae = "acme"\ncount = 1\ndepends_on = []\nproviders = {}\nversion = "1.0"')
    assert message == ("the module analysis-jobs has no setting nmae, and Terraform refuses it: did you mean name?")


@pytest.mark.parametrize(
    "arguments",
    [
        "environment = { ANY_NAME = 1 }",
        "tags = merge(var.tags, { any = 1 })",
        "worker = { environment = { ANY = 1 }, secrets = {}, timeout_s = 1 }",
        "worker = var.worker",
        'worker = jsondecode(file("worker.json"))',
        "worker = { (var.setting) = 1 }",
        "worker = null",
        'analyses = ["a"]',
        "package = jsondecode(file(var.manifest))",
    ],
)
def test_what_the_module_has_or_what_is_not_written_here_passes(tmp_path: Path, arguments: str) -> None:
    assert found(tmp_path, arguments) == []


def test_local_values_are_followed_to_the_line_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "settings.tf").write_text(
        "locals {\n  worker = merge(local.defaults, {\n    memory_gb = 1\n  })\n  defaults = { lease = 1 }\n}\n",
        "utf-8",
    )
    found(tmp_path, "worker = local.worker")
    assert [(finding.file.name, finding.line, finding.message.split(",")[0][-16:]) for finding in check(tmp_path)] == [
        ("settings.tf", 3, "worker.memory_gb"),
        ("settings.tf", 5, "ing worker.lease"),
    ]


def test_local_values_that_refer_to_each_other_end(tmp_path: Path) -> None:
    assert found(tmp_path, "worker = local.a", rest="locals {\n  a = local.b\n  b = merge(local.a, {})\n}\n") == []


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("acme/analysis-jobs/aws", "analysis-jobs"),
        ("acme/analysis-jobs/aws//modules/queue", "queue"),
        ("git::ssh://git@example.com/acme/terraform-aws-analysis-jobs.git?ref=v1", "analysis-jobs"),
        ("git::file:///clone/analysis-jobs//modules/function", "function"),
        (str(Path("own") / ".." / ".." / "own").replace("own/../..", ".."), "own"),
    ],
)
def test_the_module_is_found_by_every_kind_of_source(tmp_path: Path, source: str, module: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "variables.tf").write_text('variable "known" {\n  type = string\n}\n', encoding="utf-8")
    root = tmp_path / "root"
    root.mkdir()
    [message] = found(root, "unknown_to_it = 1", source)
    assert message.startswith(f"the module {module} has no setting unknown_to_it")


def test_modules_of_others_are_not_checked(tmp_path: Path) -> None:
    assert found(tmp_path, "worker = { timeout_sec = 1 }", "terraform-aws-modules/lambda/aws") == []
    assert found(tmp_path, "worker = { timeout_sec = 1 }", "./missing") == []
    (tmp_path / "main.tf").write_text('module "jobs" {\n  worker = {}\n}\n', encoding="utf-8")
    assert check(tmp_path) == []


def test_a_file_that_is_not_hcl_is_named_and_the_others_are_checked(tmp_path: Path) -> None:
    found(tmp_path, "worker = { timeout_sec = 1 }")
    (tmp_path / "broken.tf").write_text("\n}\n", encoding="utf-8")
    first, second = check(tmp_path)
    assert (first.file.name, first.line) == ("broken.tf", 2)
    assert "not valid HCL" in first.message
    assert (first.is_certain, second.is_certain) == (False, True)
    assert "worker.timeout_sec" in second.message


def test_the_command_prints_the_place_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found(tmp_path, "worker = { timeout_sec = 1 }")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'main.tf'}:3: the module analysis-jobs has no setting")
    found(tmp_path, "worker = { timeout_s = 1 }")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("module", MODULES)
def test_every_variable_of_a_module_is_read(module: str) -> None:
    folder = REPOSITORY / "modules" / module
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("variables*.tf"))
    assert read_variables(folder).keys() == set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))


def test_the_type_of_a_nested_object_is_read() -> None:
    lanes = read_variables(REPOSITORY / "modules" / "analysis-jobs")["lanes"]
    assert lanes.elements
    assert lanes.elements.attributes
    assert lanes.elements.attributes["tier"] == Type()
    pollers = lanes.elements.attributes["provisioned_pollers"].attributes
    assert pollers
    assert pollers.keys() == {"maximum", "minimum"}


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.relative_to(REPOSITORY).as_posix())
def test_the_roots_of_this_repository_have_no_misspelt_setting(root: Path) -> None:
    assert check(root) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_what_a_page_shows_has_no_misspelt_setting(page: Path, tmp_path: Path) -> None:
    for shown in re.findall(r"^```hcl\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        text = re.sub(r'"(?:\./|\.\./)*modules/', '"acme/analysis-jobs/aws//modules/', shown)
        (tmp_path / "main.tf").write_text(text, encoding="utf-8")
        assert check(tmp_path) == []


def test_a_project_with_a_misspelt_setting_is_not_packaged(tmp_path: Path) -> None:
    folder = create("letters", within=tmp_path)
    root = folder / "infra" / "main.tf"
    text = root.read_text(encoding="utf-8")
    root.write_text(text.replace("{ email = var.alarm_emails }", "{ emails = var.alarm_emails }"), encoding="utf-8")
    with pytest.raises(PackageError, match=r"infra/main\.tf:\d+: .* no setting alarms\.emails.* alarms\.email\?$"):
        package(load(folder))


def test_terraform_that_cannot_be_checked_is_a_notice(tmp_path: Path) -> None:
    project = load(create("letters", within=tmp_path))
    (tmp_path / "letters" / "infra" / "new.tf").write_text("}\n", encoding="utf-8")
    refuse_misspelt_settings(project)
    [notice] = notices(project)
    assert "new.tf:1: this is not valid HCL" in notice
