"""`analysis-jobs bootstrap`: what it derives from the settings, what it prints, and what it refuses."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.cli.main import main
from analysis_jobs_dev import commands_bootstrap
from analysis_jobs_dev.bootstrap import report
from analysis_jobs_dev.bootstrap.account import github_provider
from analysis_jobs_dev.bootstrap.extra import extra_of, prefixes_of
from analysis_jobs_dev.bootstrap.root import PACKAGES, PROVIDER, BootstrapRoot
from analysis_jobs_dev.environments.config import load
from analysis_jobs_dev.init import create

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f7a"
LAYER = "arn:aws:lambda:eu-west-1:901920570463:layer:telemetry:2"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:database-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:111122223333:parameter/gemini-key"
SIGNING = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0123456789abcdefg"
PROVIDER_ARN = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
OUTPUTS: dict[str, Any] = {
    "deploy_role_arn": "arn:aws:iam::111122223333:role/analysis-jobs/eu-west-1/letters-deploy",
    "functions_boundary_arn": "arn:aws:iam::111122223333:policy/analysis-jobs/eu-west-1/letters-functions",
    "package_bucket": None,
    "plan_role_arn": "arn:aws:iam::111122223333:role/analysis-jobs/eu-west-1/letters-plan",
    "region": "eu-west-1",
    "state": {
        "bucket": "tfstate-letters",
        "key": "letters/staging.tfstate",
        "bootstrap_key": "bootstrap/letters.tfstate",
    },
    "subjects": {"deploy": ["repo:acme/letters:environment:staging"], "plan": ["repo:acme/letters:pull_request"]},
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"alarm_emails": ["ops@example.com"], "maximum_concurrency": 5}, {}),
        ({"encryption": {"key_arn": KEY}}, {"kms_key_arns": [KEY]}),
        ({"functions": {"layers": [LAYER, LAYER]}}, {"layer_arns": [LAYER]}),
        ({"functions": {"code_signing_config_arn": SIGNING}}, {"code_signing_config_arns": [SIGNING]}),
        ({"secrets": {"A": SECRET, "B": PARAMETER}}, {"secret_arns": [SECRET, PARAMETER]}),
        ({"worker": {"vpc": {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}}}, {"vpc": True}),
        ({"vpc": None}, {}),
        (
            {"api": {"domain": {"name": "jobs.example.com", "route53": {"zone_id": "Z1"}}}},
            {"domains": ["jobs.example.com"], "hosted_zone_ids": ["Z1"]},
        ),
        (
            {"domain": {"name": "jobs.example.com", "mutual_tls": {"truststore_uri": "s3://acme/clients.pem"}}},
            {"domains": ["jobs.example.com"], "truststores": ["arn:aws-cn:s3:::acme/clients.pem"]},
        ),
        (
            {"events": {"topic": {"arn": "arn:aws:sns:eu-west-1:111122223333:ended"}}},
            {"topic_arns": ["arn:aws:sns:eu-west-1:111122223333:ended"]},
        ),
        (
            {"worker": {"statements": {"customers": {"actions": ["dynamodb:GetItem"], "resources": ["*"]}}}},
            {"function_statements": [{"actions": ["dynamodb:GetItem"], "resources": ["*"]}]},
        ),
    ],
)
def test_the_rights_follow_the_settings(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    assert extra_of(settings, "aws-cn") == expected


def test_files_in_a_bucket_of_others_are_the_functions_alone() -> None:
    [statement] = extra_of({"bucket": {"name": "acme-shared", "prefix": "analysis/"}})["function_statements"]
    assert statement["resources"] == ["arn:aws:s3:::acme-shared/analysis/*"]
    assert "s3:PutObject" in statement["actions"]


def test_names_that_do_not_begin_with_the_stacks_are_prefixes_too() -> None:
    names = {"table": "letters-rows", "functions": {"worker": "acme-worker"}, "queues": {"medium": "acme-queue"}}
    assert prefixes_of({"names": names}, "letters") == ["acme-queue", "acme-worker"]
    assert prefixes_of({}, "letters") == []


def test_the_environment_on_github_gets_its_variables_and_its_branches() -> None:
    first, *others = report.commands("acme@1/letters@2", "staging", OUTPUTS)
    assert first == (
        "gh api --method PUT repos/acme/letters/environments/staging "
        "-F 'deployment_branch_policy[protected_branches]=true' "
        "-F 'deployment_branch_policy[custom_branch_policies]=false'"
    )
    assert [line.split()[3] for line in others] == [
        "AWS_DEPLOY_ROLE_ARN",
        "AWS_PLAN_ROLE_ARN",
        "AWS_REGION",
        "TF_STATE_BUCKET",
    ]
    assert all("--repo acme/letters --env staging --body " in line for line in others)


def test_the_text_has_the_variables_the_subjects_and_the_keys_of_the_configuration() -> None:
    text = report.text(
        "acme/letters", "staging", {**OUTPUTS, "package_bucket": "packages-letters"}, "envs/staging.json"
    )
    assert "AWS_PLAN_ROLE_ARN = arn:aws:iam::111122223333:role/analysis-jobs/eu-west-1/letters-plan" in text
    assert "deploy: repo:acme/letters:environment:staging" in text
    assert '"permissions_boundary_arn": "arn:aws:iam::111122223333:policy/' in text
    assert '"package_bucket": "packages-letters"' in text
    assert f'"plan": "{OUTPUTS["plan_role_arn"]}"' in text, "the workflows take the roles from the file"


class Iam:
    """An account with these OIDC providers."""

    def __init__(self, *arns: str) -> None:
        self.arns = arns

    def list_open_id_connect_providers(self) -> dict[str, Any]:
        return {"OpenIDConnectProviderList": [{"Arn": arn} for arn in self.arns]}


def test_the_provider_for_github_is_found_among_others() -> None:
    assert github_provider(Iam("arn:aws:iam::111122223333:oidc-provider/gitlab.com", PROVIDER_ARN)) == PROVIDER_ARN
    assert github_provider(Iam("arn:aws:iam::111122223333:oidc-provider/gitlab.com")) is None


@pytest.mark.parametrize(
    ("in_state", "provider", "packages"),
    [
        ("", PROVIDER_ARN, None),  # somebody else has made it
        (PROVIDER, None, None),  # an earlier run has made it: it must stay in the state
        (f"{PROVIDER}\n{PACKAGES}aws_s3_bucket.this", None, {"create": True}),
    ],
)
def test_a_later_run_keeps_what_an_earlier_one_has_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_state: str, provider: str | None, packages: object
) -> None:
    variables = {"name": "letters", "github": {"environment": "staging", "repository": "acme/letters"}}
    root = BootstrapRoot(tmp_path, "eu-west-1", variables)
    monkeypatch.setattr(BootstrapRoot, "_text", lambda *_, **__: in_state)
    monkeypatch.setattr(BootstrapRoot, "client", lambda *_: Iam(PROVIDER_ARN))
    found = root.as_it_is()
    assert found["github"].get("oidc_provider_arn") == provider
    assert found.get("packages") == packages


def test_texts_of_the_settings_are_no_templates(tmp_path: Path) -> None:
    statement = {"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::home/${aws:username}"]}
    root = BootstrapRoot(tmp_path, "eu-west-1", {"name": "letters", "extra": {"function_statements": [statement]}})
    root.write_main(root.variables)
    main_file = json.loads((tmp_path / "main.tf.json").read_text("utf-8"))
    [written] = main_file["module"]["bootstrap"]["extra"]["function_statements"]
    assert written["resources"] == ["arn:aws:s3:::home/$${aws:username}"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a project, and work in its folder."""
    folder = create("letters", within=tmp_path)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("project")
def test_it_needs_to_know_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bootstrap", "staging"]) == 1
    assert "--repository OWNER/NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "origin",
    ["https://github.com/acme/letters.git", "git@github.com:acme/letters.git", "ssh://git@github.com/acme/letters"],
)
def test_the_repository_is_that_of_the_remote_origin(tmp_path: Path, origin: str) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert commands_bootstrap.origin(tmp_path) == "acme/letters"


def test_a_stack_that_the_patterns_of_another_one_match_is_found(project: Path) -> None:
    staging, production = (project / "envs" / f"{name}.json" for name in ("staging", "production"))
    for file, name in ((staging, "letters"), (production, "letters-production")):
        content = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({**content, "name": name}), "utf-8")
    assert commands_bootstrap.reached_too(load("staging", project)) == ["letters-production"]
    assert commands_bootstrap.reached_too(load("production", project)) == []


@pytest.mark.usefixtures("project")
def test_an_unknown_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bootstrap", "stagin", "--repository", "acme/letters"]) == 1
    assert "Did you mean staging?" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_without_a_local_cloud_there_is_nothing_to_prepare(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bootstrap", "local", "--repository", "acme/letters"]) == 1
    assert "No local cloud runs" in capsys.readouterr().err
