"""Changes that could lose jobs are refused: destroying a protected stack, and deleting a queue that is not retired."""

import dataclasses
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.modules.harness import REPOSITORY, Terraform

MODULE = REPOSITORY / "modules" / "analysis-jobs"
# The guard needs the queues and their mappings. Here both are stand-ins without a provider, which a test can watch.
AROUND_THE_GUARD = """
variable "deletion_protection" {
  type    = bool
  default = true
}
variable "queue" {
  type    = object({ retired = list(string) })
  default = { retired = [] }
}
variable "queues" {
  type    = map(object({ name = string }))
  default = { high = { name = "jobs-high" }, medium = { name = "jobs" } }
}
locals { queues = var.queues }
module "queue" {
  source   = "./queue"
  for_each = local.queues
  name     = each.value.name
}
resource "terraform_data" "mapping" {
  for_each         = local.queues
  triggers_replace = each.value.name
}
"""
QUEUE = """
variable "name" {}
resource "terraform_data" "queue" { triggers_replace = var.name }
output "url" { value = terraform_data.queue.id }
output "dead_letter_url" { value = "dlq" }
"""


def configuration() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(MODULE.glob("*.tf")))


def test_a_destroy_begins_with_the_protected_table() -> None:
    """DynamoDB refuses to delete it, and Terraform deletes nothing that the table depends on before the table."""
    text = configuration()
    resources = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)" \{', text, re.MULTILINE)}
    calls = dict(re.findall(r'^module "(\w+)" \{\n  source += "\.\./([\w-]+)"', text, re.MULTILINE))
    creating = {name for name, module in calls.items() if creates(module)}
    table = re.search(r'^resource "aws_dynamodb_table" "prompts" \{.*?^\}', text, re.MULTILINE | re.DOTALL)
    assert table
    listed = re.search(r"  depends_on = \[\n(.*?)\n  \]", table[0], re.DOTALL)
    assert listed
    assert "deletion_protection_enabled = var.deletion_protection" in table[0]
    assert set(re.findall(r"[\w.]+", listed[1])) == resources - {"aws_dynamodb_table.prompts"} | {
        f"module.{name}" for name in creating
    }


def creates(module: str) -> bool:
    folder = REPOSITORY / "modules" / module
    return any(re.search(r"^resource ", path.read_text("utf-8"), re.MULTILINE) for path in folder.glob("*.tf"))


def test_only_outputs_refer_to_that_table() -> None:
    """Anything else would have to be deleted before it."""
    users = [
        path.name
        for path in sorted(MODULE.glob("*.tf"))
        if "aws_dynamodb_table.prompts" in re.sub(r"#.*", "", path.read_text("utf-8"))
    ]
    assert users == ["outputs.tf"]


@dataclass(frozen=True)
class Guarded:
    """The guard of the module around stand-ins for the queues, applied by a real Terraform."""

    terraform: Terraform
    folder: Path

    def apply(self, command: str = "apply", **variables: object) -> subprocess.CompletedProcess[str]:
        """Apply a change, or destroy everything, and return the finished command."""
        arguments = [f"-var={name}={json.dumps(value)}" for name, value in variables.items()]
        return self.terraform.run(self.folder, command, "-auto-approve", "-no-color", *arguments)

    @property
    def resources(self) -> set[str]:
        """The addresses in the state, of the queues and the mappings."""
        listed = self.terraform.run(self.folder, "state", "list").stdout.split()
        return {address for address in listed if "guard" not in address}


@pytest.fixture
def guarded(tmp_path: Path, terraform: Terraform) -> Guarded:
    [guard] = re.findall(
        r'^resource "terraform_data" "queue_guard" \{\n.*?^\}$', configuration(), re.MULTILINE | re.DOTALL
    )
    guard = guard.replace("aws_lambda_event_source_mapping.lane", "terraform_data.mapping")
    (tmp_path / "queue").mkdir()
    (tmp_path / "main.tf").write_text(AROUND_THE_GUARD + guard, encoding="utf-8")
    (tmp_path / "queue" / "main.tf").write_text(QUEUE, encoding="utf-8")
    made = Guarded(terraform, tmp_path)
    assert terraform.run(tmp_path, "init").returncode == 0
    assert made.apply().returncode == 0
    return made


MEDIUM = {"medium": {"name": "jobs"}}
HIGH = {"high": {"name": "jobs-high"}}
OF_MEDIUM = {'module.queue["medium"].terraform_data.queue', 'terraform_data.mapping["medium"]'}
OF_HIGH = {'module.queue["high"].terraform_data.queue', 'terraform_data.mapping["high"]'}


@pytest.mark.parametrize(
    "queues",
    [MEDIUM, MEDIUM | {"high.fifo": {"name": "jobs-high.fifo"}}, MEDIUM | {"high": {"name": "renamed"}}],
    ids=["lane removed", "fifo", "renamed"],
)
def test_a_change_that_would_delete_a_queue_is_refused_and_keeps_it(guarded: Guarded, queues: dict[str, Any]) -> None:
    refused = guarded.apply(queues=queues)
    assert refused.returncode == 1
    said = " ".join(refused.stderr.split())
    assert "The queue jobs-high is protected" in said
    assert "Put the key high into queue.retired and apply" in said
    assert guarded.resources >= OF_HIGH | OF_MEDIUM


def test_a_retired_queue_is_kept_until_it_is_removed_from_the_list(guarded: Guarded) -> None:
    kept = guarded.apply(queues=MEDIUM | HIGH, queue={"retired": ["high"]})
    assert kept.returncode == 0
    assert guarded.resources >= OF_HIGH
    assert guarded.apply(queues=MEDIUM).returncode == 0
    assert guarded.resources == OF_MEDIUM


def test_an_unprotected_stack_can_be_destroyed_after_one_apply(guarded: Guarded) -> None:
    refused = guarded.apply("destroy", deletion_protection=False)
    assert (refused.returncode, guarded.resources) == (1, OF_HIGH | OF_MEDIUM)
    assert guarded.apply(deletion_protection=False).returncode == 0
    assert guarded.apply("destroy", deletion_protection=False).returncode == 0
    assert guarded.resources == set()


EARLIER = """
module "jobs" {
  source   = "./modules/analysis-jobs"
  name     = "acme"
  analyses = ["rfp_analysis"]
  package  = { path = "package.zip", sha256_base64 = filebase64sha256("package.zip") }
  api      = { authorizer = { issuer = "https://login.example.com", audience = ["acme"] } }
}
"""
# Resources of a stack from before a change of addresses: module and resource then, and now.
MOVED = {
    "module.jobs.module.api.aws_apigatewayv2_api.this": "module.jobs.module.api[0].aws_apigatewayv2_api.this",
    "module.jobs.module.api.aws_apigatewayv2_authorizer.jwt": (
        'module.jobs.module.api[0].aws_apigatewayv2_authorizer.jwt["jwt"]'
    ),
    "module.jobs.module.api_function.aws_iam_role.this": "module.jobs.module.api_function[0].aws_iam_role.this",
    "module.jobs.module.artifact_bucket.aws_s3_bucket.this": "module.jobs.module.artifact_bucket[0].aws_s3_bucket.this",
}


def test_an_earlier_stack_finds_its_resources_at_their_new_addresses(terraform: Terraform, account_url: str) -> None:
    root = terraform.root / "earlier"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    (root / "main.tf").write_text(EARLIER, encoding="utf-8")
    (root / "package.zip").write_bytes(b"stands for a built zip")
    (root / "terraform.tfstate").write_text(json.dumps({"version": 4, "resources": list(map(stored, MOVED))}), "utf-8")
    here = dataclasses.replace(terraform, environment=terraform.environment | {"AWS_ENDPOINT_URL_STS": account_url})
    here.prepare(root.name)
    for command in (["init"], ["plan", "-refresh=false", "-out=plan"]):
        done = here.run(root.name, *command, "-no-color")
        assert done.returncode == 0, done.stderr
    changes = json.loads(here.run(root.name, "show", "-json", "plan").stdout)["resource_changes"]
    moved = {change["previous_address"]: change["address"] for change in changes if "previous_address" in change}
    assert moved == MOVED


def stored(address: str) -> dict[str, Any]:
    """Return a resource as a state file has it, with its ID only."""
    module, kind, name = re.fullmatch(r"(.+)\.(\w+)\.(\w+)", address).groups()  # type: ignore[union-attr]
    instance = {"schema_version": 0, "attributes": {"id": "x"}}
    provider = 'provider["registry.terraform.io/hashicorp/aws"]'
    managed = {"mode": "managed", "provider": provider, "instances": [instance]}
    return {"module": module, "type": kind, "name": name, **managed}
