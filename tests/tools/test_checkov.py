"""`make lint` runs checkov on the Terraform modules. It refuses a weak resource, and each exception has its reason."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOV = REPOSITORY / ".venv-checkov/bin/checkov"
SKIP = re.compile(r"#\s*(?:checkov|bridgecrew|cortex):skip=([A-Z0-9_]+)(?::(.*))?")

WEAK = """
resource "aws_sqs_queue" "plain" {
  name                    = "plain"
  sqs_managed_sse_enabled = false
}

resource "aws_iam_role_policy" "everything" {
  name = "everything"
  role = "worker"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }]
  })
}
"""
EXCUSED = """
resource "aws_sqs_queue" "excused" {
  #checkov:skip=CKV_AWS_27:This queue is for a test.
  name                    = "excused"
  sqs_managed_sse_enabled = false
}
"""


def lint_command() -> list[str]:
    """Return the command of `make lint`, as words."""
    [line] = re.findall(
        r"^\t(?:LOG_LEVEL=ERROR )?(\.venv-checkov/bin/checkov .*)$",
        (REPOSITORY / "Makefile").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return shlex.split(line)


@pytest.mark.skipif(not CHECKOV.exists(), reason="`make lint` makes the environment of checkov")
def test_lint_refuses_a_weak_resource_and_accepts_one_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "weak.tf").write_text(WEAK, encoding="utf-8")
    (tmp_path / "excused.tf").write_text(EXCUSED, encoding="utf-8")
    command = [str(tmp_path) if word == "modules" else word for word in lint_command()]
    assert str(tmp_path) in command
    said = subprocess.run(
        [str(CHECKOV), *command[1:]],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stdout + said.stderr
    refused = set(re.findall(r"FAILED for resource: (\S+)", said.stdout))
    assert refused == {"aws_sqs_queue.plain", "aws_iam_role_policy.everything"}
    assert "Skipped checks: 1" in said.stdout


def test_lint_leaves_out_no_check_and_no_folder() -> None:
    options = {word for word in lint_command() if word.startswith("-")}
    assert options == {"--directory", "--framework", "--compact", "--quiet", "--skip-download"}
    assert lint_command()[lint_command().index("--directory") + 1] == "modules"
    # checkov reads its options from these files too.
    assert [name for name in (".checkov.yaml", ".checkov.yml") if (REPOSITORY / name).exists()] == []


def test_each_exception_in_the_modules_has_a_reason() -> None:
    skips = {
        (path.relative_to(REPOSITORY).as_posix(), name): reason or ""
        for path in sorted((REPOSITORY / "modules").rglob("*.tf"))
        for name, reason in SKIP.findall(path.read_text(encoding="utf-8"))
    }
    assert ("modules/artifact-bucket/bucket.tf", "CKV_AWS_144") in skips
    assert {where: reason for where, reason in skips.items() if len(reason.split()) < 5} == {}
