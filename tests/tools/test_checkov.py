"""`make lint` runs checkov on the Terraform modules. It refuses a weak resource, and each exception has its reason."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKOV = REPOSITORY / ".venv-checkov/bin/checkov"
needs_checkov = pytest.mark.skipif(not CHECKOV.exists(), reason="There is no .venv-checkov: `make lint` makes it.")
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


BROKEN = 'resource "aws_sqs_queue" "broken" {'


def lint_command() -> str:
    """Return the command of `make lint` as a shell command, with the variables of the Makefile."""
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    [command] = re.findall(r"^\t(\$\(CHECKOV\) .*)$", text, re.MULTILINE)
    variables = dict(re.findall(r"^(\w+) := (.*)$", text, re.MULTILINE))
    return re.sub(r"\$\((\w+)\)", lambda name: variables[name[1]], command)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command of `make lint` on another folder, as make does."""
    command = lint_command().replace(".venv-checkov/bin/checkov", str(CHECKOV))
    assert "--directory modules " in command
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace("--directory modules ", f"--directory {folder} ")],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_checkov
def test_lint_refuses_a_weak_resource_and_accepts_one_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "weak.tf").write_text(WEAK, encoding="utf-8")
    (tmp_path / "excused.tf").write_text(EXCUSED, encoding="utf-8")
    said = lint(tmp_path)
    assert said.returncode == 1, said.stdout + said.stderr
    refused = set(re.findall(r"FAILED for resource: (\S+)", said.stdout))
    assert refused == {"aws_sqs_queue.plain", "aws_iam_role_policy.everything"}
    assert "Skipped checks: 1" in said.stdout
    assert "Parsing errors" not in said.stdout


@needs_checkov
def test_lint_refuses_a_file_that_cannot_be_parsed(tmp_path: Path) -> None:
    (tmp_path / "excused.tf").write_text(EXCUSED, encoding="utf-8")
    (tmp_path / "broken.tf").write_text(BROKEN, encoding="utf-8")
    said = lint(tmp_path)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "Parsing errors: 1" in said.stdout


def test_lint_leaves_out_no_check_and_no_folder() -> None:
    command = lint_command().partition(" | ")[0]
    options = {word for word in shlex.split(command) if word.startswith("-")}
    assert options == {"--directory", "--framework", "--compact", "--quiet", "--skip-download", "--skip-path"}
    assert "--directory modules" in command
    assert "--skip-path /tests/" in command
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
