"""`terraform destroy` of a protected stack is refused as a whole, by a real Terraform and the emulator's DynamoDB."""

import zipfile
from pathlib import Path

import pytest

from tests.system import roots

pytestmark = pytest.mark.system

# Without the parts that take minutes to make or do not matter here. The bucket exists already: its rules take a minute.
STACK = """
provider "aws" {
  region = "eu-west-1"
}
module "jobs" {
  source   = "./modules/analysis-jobs"
  name     = "protected"
  analyses = ["letters"]
  package  = { path = "package.zip", sha256_base64 = filebase64sha256("package.zip") }
  bucket   = { name = "a-bucket-of-ours" }
  alarms   = { enabled = false }
  events   = { enabled = false }

  deletion_protection = %s
}
"""


def test_a_protected_stack_is_left_as_it_is(tmp_path: Path) -> None:
    with roots.made(tmp_path) as root:
        with zipfile.ZipFile(root.folder / "package.zip", "w") as archive:
            archive.writestr("worker.py", "def handler(event, context):\n    pass\n")
        root.apply(STACK % "true")
        before = root.run("state", "list").stdout

        refused = root.run("destroy", "-auto-approve", "-no-color")
        assert refused.returncode == 1
        assert "protected-prompts" in refused.stderr
        assert "rotect" in refused.stderr
        assert root.run("state", "list").stdout == before
        assert "Destruction complete" not in refused.stdout

        root.apply(STACK % "false")
        done = root.run("destroy", "-auto-approve", "-no-color")
        assert done.returncode == 0, done.stderr
        assert root.run("state", "list").stdout == ""
