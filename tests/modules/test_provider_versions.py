"""The modules work with version 5.100 of the AWS provider and with version 6, and with Terraform 1.9."""

import json
import re

import pytest

from tests.modules.harness import MODULES, REPOSITORY, Terraform

# What version 6 removed or deprecated, of what a module like these could use. One deprecation cannot be avoided: newer
# 6.x versions warn of `hash_key` in a global_secondary_index, and 5.100 does not have its successor `key_schema`.
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/guides/version-6-upgrade
GONE = {
    r"data\.aws_region\.\w+\.name\b": "use .id: .name is deprecated in 6, and .region does not exist in 5",
    r"aws_redshift_service_account": "removed",
    r"compute_environment_name": "renamed to name",
    r"block_duration_minutes": "removed",
    r"resource \"aws_(opsworks|worklink|simpledb)_": "removed",
    r"\bendpoints \{": "some arguments were removed, and a module has no provider block",
    r"resource \"aws_s3_bucket_object\"": "deprecated: aws_s3_object",
    r"managed_policy_arns|inline_policy \{": "deprecated on aws_iam_role",
}
# Features of Terraform after 1.9, outside of tests.
AFTER_1_9 = {
    r"^ephemeral ": "1.10",
    r"\bephemeral = true": "1.10",
    r"_wo(_version)? = ": "1.11, write-only arguments",
    r"^action \"": "1.14",
    r"\bprovider::": "1.8, but needs a provider of its own",
}


def code() -> dict[str, str]:
    """Return the modules' Terraform code by file, without comments."""
    files = sorted(REPOSITORY.glob("modules/*/*.tf"))
    return {str(path.relative_to(REPOSITORY)): re.sub(r"#.*", "", path.read_text("utf-8")) for path in files}


@pytest.mark.parametrize("pattern", [*GONE, *AFTER_1_9])
def test_no_module_uses_what_a_supported_version_lacks(pattern: str) -> None:
    found = [path for path, text in code().items() if re.search(pattern, text, re.MULTILINE)]
    assert found == [], (GONE | AFTER_1_9)[pattern]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_accepts_the_same_versions(module: str) -> None:
    text = (REPOSITORY / "modules" / module / "versions.tf").read_text("utf-8")
    terraform, *provider = re.findall(r'version += "(.*)"', text)
    # A module without resources needs no provider.
    assert terraform == ">= 1.9"
    assert provider in ([], [">= 5.100, < 7"])


def test_a_module_configures_no_provider() -> None:
    """Otherwise it could be used once in a root only, and not with `providers`."""
    assert [path for path, text in code().items() if re.search(r"^provider ", text, re.MULTILINE)] == []


def test_terraform_warns_of_nothing(terraform: Terraform) -> None:
    """A deprecated argument is a warning of `validate`."""
    terraform.prepare("modules/analysis-jobs")
    said = json.loads(terraform.run("modules/analysis-jobs", "validate", "-json").stdout)
    assert (said["valid"], said["diagnostics"]) == (True, [])
