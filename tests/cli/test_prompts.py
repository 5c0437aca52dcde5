"""The `prompts` commands: their output for people, their JSON for programs, and their errors."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.cli.main import main
from analysis_jobs.prompts import DynamoPromptStore
from tests.handlers.deployment import create_prompt_table

type Run = Callable[..., tuple[int, str, str]]

TABLE = "prompts"
NAME = "writer/step-1"
FILE = """
section = "writer"
sub_section = "step-1"
categories = ["Grant", "Tender"]
user_prompt_template = '''
Read this.
<document>
{rfp_text}
</document>'''
"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of a DynamoDB with an empty table of prompts. The environment names the table."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "ANALYSIS_JOBS_PROMPT_TABLE": TABLE,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANALYSIS_JOBS_TOKEN", raising=False)  # none is needed
    with mock_aws():
        client = boto3.client("dynamodb")
        create_prompt_table(client, TABLE)
        yield client


@pytest.fixture
def prompts(aws: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `prompts` with arguments; it returns exit status, output and error output."""
    assert aws

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["prompts", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a prompt file with another first line of its template."""

    def write(line: str = "Read this.", more: str = "") -> Path:
        path = tmp_path / "step-1.toml"
        path.write_text(FILE.replace("Read this.", line) + more, encoding="utf-8")
        return path

    return write


def active(aws: Any, category: str = "Grant") -> int | None:
    found = DynamoPromptStore(aws, TABLE).active("writer", "step-1", category)
    return found.version if found else None


def test_a_prompt_is_put_and_activated_in_one_go(aws: Any, prompts: Run, file: Callable[..., Path]) -> None:
    status, out, err = prompts("put", file(), "--activate")
    assert (status, err) == (0, "")
    assert out == "writer/step-1 v1 is stored; active for Grant, Tender; placeholders: rfp_text\n"
    assert active(aws, "Tender") == 1


def test_a_version_that_is_put_waits_to_be_activated(aws: Any, prompts: Run, file: Callable[..., Path]) -> None:
    prompts("put", file())
    assert active(aws) is None
    assert prompts("activate", NAME, 1)[:2] == (0, "writer/step-1 v1 is active for Grant, Tender\n")
    assert prompts("activate", NAME, 1)[1] == "writer/step-1 v1 was already active for Grant, Tender\n"
    assert active(aws) == 1


def test_rollback_puts_back_what_was_active(aws: Any, prompts: Run, file: Callable[..., Path]) -> None:
    prompts("put", file("One."), "--activate")
    prompts("put", file("Two."), "--activate")
    status, out, _ = prompts("rollback", NAME)
    assert (status, out.splitlines()[0]) == (0, "writer/step-1 Grant: changed from v2 to v1")
    assert active(aws) == 1
    assert prompts("deactivate", NAME)[1].splitlines()[1] == "writer/step-1 Tender: changed from v1 to the default"
    assert active(aws) is None
    assert prompts("deactivate", NAME)[1] == "writer/step-1: nothing to change\n"


def test_a_dry_run_shows_the_difference_and_changes_nothing(aws: Any, prompts: Run, file: Callable[..., Path]) -> None:
    prompts("put", file("One."), "--activate")
    before = aws.scan(TableName=TABLE)["Items"]
    status, out, _ = prompts("put", file("Two."), "--activate", "--dry-run")
    assert status == 0
    assert out.splitlines()[:5] == [
        "--- user_prompt_template v1",
        "+++ user_prompt_template v2",
        "@@ -1,4 +1,4 @@",
        "-One.",
        "+Two.",
    ]
    assert out.splitlines()[-1].startswith("writer/step-1 v2 would be stored; active for")
    assert prompts("rollback", NAME, "--dry-run")[1].startswith(
        "writer/step-1 Grant: would change from v1 to the default"
    )
    assert prompts("deactivate", NAME, "--dry-run")[1].startswith("writer/step-1 Grant: would change from v1 to")
    assert prompts("activate", NAME, 1, "--dry-run")[1] == "writer/step-1 v1 would be active for Grant, Tender\n"
    assert aws.scan(TableName=TABLE)["Items"] == before


def test_a_dry_run_of_the_first_version_shows_all_of_it(prompts: Run, file: Callable[..., Path]) -> None:
    lines = prompts("put", file(), "--dry-run")[1].splitlines()
    assert lines[:2] == ["--- nothing", "+++ categories v1"]
    assert lines[-1] == "writer/step-1 v1 would be stored; not activated; placeholders: rfp_text"


def test_the_same_file_again_is_the_same_version(prompts: Run, file: Callable[..., Path]) -> None:
    prompts("put", file())
    assert prompts("put", file())[1].startswith("writer/step-1 v1 is already stored; not activated")


def test_list_show_and_history_are_for_people(prompts: Run, file: Callable[..., Path]) -> None:
    prompts("put", file("One."), "--activate")
    prompts("put", file("Two."))
    assert [line.split() for line in prompts("list")[1].splitlines()[1:]] == [
        ["writer/step-1", "Grant", "v1", "2"],
        ["writer/step-1", "Tender", "v1", "2"],
    ]
    shown = prompts("show", NAME)[1]
    assert shown.startswith("writer/step-1 v1\ncategories    Grant, Tender\nactive for    Grant, Tender\n")
    assert "One." in shown
    assert "active for    none" in prompts("show", NAME, "--version", 2)[1]
    (row, _) = prompts("history", NAME)[1].splitlines()[1:]
    assert row.split()[1:] == ["activate", "Grant", "the", "default", "v1", "arn:aws:sts::123456789012:user/moto"]


def test_every_answer_is_one_json_document_where_that_is_asked_for(prompts: Run, file: Callable[..., Path]) -> None:
    def said(*arguments: object) -> Any:
        status, out, _ = prompts(*arguments, "--json")
        assert status == 0
        return json.loads(out)

    assert said("put", file("One."), "--activate") == {
        "name": NAME,
        "version": 1,
        "changed": True,
        "dry_run": False,
        "placeholders": ["rfp_text"],
        "doubts": [],
    }
    assert said("list") == {"prompts": [{"name": NAME, "latest": 1, "active": {"Grant": 1, "Tender": 1}}]}
    (shown,) = said("show", NAME)["versions"]
    assert (shown["version"], shown["is_active"], shown["active_for"]) == (1, True, ["Grant", "Tender"])
    assert said("put", file("Two."), "--dry-run")["diff"][3:5] == ["-One.", "+Two."]
    said("put", file("Two."))
    assert said("activate", NAME, 2)["changed"] is True
    (newest, oldest) = said("history", NAME)["changes"]
    assert (newest["action"], newest["before"]) == ("activate", {"Grant": 1, "Tender": 1})
    assert oldest["after"] == {"Grant": 1, "Tender": 1}
    assert said("rollback", NAME)["change"]["after"] == {"Grant": 1, "Tender": 1}
    assert said("deactivate", NAME, "--dry-run")["change"]["after"] == {"Grant": 0, "Tender": 0}
    assert len(said("history", NAME, "--limit", 1)["changes"]) == 1


def test_what_is_probably_not_meant_is_said_and_not_refused(prompts: Run, file: Callable[..., Path]) -> None:
    status, _, err = prompts("put", file("Read {Title}."))
    assert (status, err) == (
        0,
        "step-1.toml: {Title} is not a placeholder, and stays as it is: write {title} if you mean one\n",
    )


def test_a_placeholder_that_the_active_version_does_not_have_gets_a_warning(
    prompts: Run, file: Callable[..., Path]
) -> None:
    prompts("put", file("One."), "--activate")
    status, out, err = prompts("put", file("Two. <client>{client}</client>"), "--dry-run", "--json")
    assert status == 0
    [doubt] = json.loads(out)["doubts"]
    assert doubt.startswith("the active version v1 does not have {client}")
    assert f"step-1.toml: {doubt}\n" in err
    prompts("put", file("Two. <client>{client}</client>"))
    _, _, err = prompts("activate", NAME, 2)
    assert err == f"{NAME} v2: {doubt}\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("show", NAME), "there is no prompt 'writer/step-1': `analysis-jobs prompts list` shows all names"),
        (("activate", NAME, 1), "there is no prompt 'writer/step-1'"),
        (("rollback", NAME), "there is no prompt 'writer/step-1'"),
        (("put", "missing.toml"), "No such file or directory: 'missing.toml'"),
        (("list", "--table", "other"), "ResourceNotFoundException"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(prompts: Run, arguments: tuple[object, ...], why: str) -> None:
    status, out, err = prompts(*arguments)
    assert (status, out) == (1, "")
    assert why in err


def test_a_file_that_is_wrong_is_refused_by_its_field(prompts: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(FILE.replace('"writer"', '"a/b"'), encoding="utf-8")
    status, _, err = prompts("put", path)
    assert status == 1
    assert err.startswith("prompt bad.toml: section: ")


def test_a_version_that_says_something_else_is_refused_with_what_to_give(
    prompts: Run, file: Callable[..., Path]
) -> None:
    prompts("put", file("One.", "version = 4\n"))
    status, _, err = prompts("put", file("Two.", "version = 4\n"))
    assert (status, "Give version = 5, or leave version out" in err) == (1, True)


def test_without_a_table_the_way_to_name_one_is_said(prompts: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYSIS_JOBS_PROMPT_TABLE")
    status, _, err = prompts("list")
    assert status == 2
    assert err.startswith("ANALYSIS_JOBS_PROMPT_TABLE is not set: set it to")


@pytest.mark.parametrize("table", [TABLE, "another"])
def test_changes_are_in_the_audit_trail_of_the_stack_with_the_table(
    prompts: Run, file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, table: str
) -> None:
    arns = {"audit_log": "arn:aws:logs:eu-west-1:1:log-group:trail"}
    output = {"table_name": "jobs", "bucket_name": "bucket", "prompt_table_name": table, "arns": arns}
    stack = tmp_path / "stack.json"
    stack.write_text(json.dumps(output), encoding="utf-8")
    monkeypatch.setenv("ANALYSIS_JOBS_STACK", str(stack))
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="trail")
    prompts("put", file())
    prompts("activate", NAME, 1, "--dry-run")
    prompts("activate", NAME, 1)
    prompts("activate", NAME, 1)
    prompts("put", file("Read that."), "--activate")
    prompts("rollback", NAME)
    prompts("deactivate", NAME)
    lines = [json.loads(each["message"]) for each in logs.filter_log_events(logGroupName="trail")["events"]]
    found = [(line["event"].removeprefix("audit.prompt."), line["versions"]["Grant"]) for line in lines]
    expected = [
        ("stored", 1),
        ("activated", 1),
        ("stored", 2),
        ("activated", 2),
        ("rolled_back", 1),
        ("deactivated", 0),
    ]
    assert found == (expected if table == TABLE else [])
    assert all(line["actor"].startswith("arn:aws:") and line["prompt"] == NAME for line in lines)
