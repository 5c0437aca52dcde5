"""What somebody has to set after a bootstrap: on GitHub, and in the environment's configuration."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["commands", "configuration", "text", "variables"]


def variables(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of the environment on GitHub. None of them is secret."""
    return {
        "AWS_DEPLOY_ROLE_ARN": outputs["deploy_role_arn"],
        "AWS_PLAN_ROLE_ARN": outputs["plan_role_arn"],
        "AWS_REGION": outputs["region"],
        "TF_STATE_BUCKET": outputs["state"]["bucket"],
    }


def configuration(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys to set in the configuration of the environment."""
    found = {
        "permissions_boundary_arn": outputs["functions_boundary_arn"],
        "roles": {"deploy": outputs["deploy_role_arn"], "plan": outputs["plan_role_arn"]},
        "state": {"bucket": outputs["state"]["bucket"], "key": outputs["state"]["key"]},
    }
    return {**found, **({"package_bucket": outputs["package_bucket"]} if outputs.get("package_bucket") else {})}


def commands(repository: str, environment: str, outputs: Mapping[str, Any]) -> list[str]:
    """Return the commands of GitHub's command line that make the environment and set its variables.

    The environment accepts protected branches only.
    """
    named = "/".join(part.partition("@")[0] for part in repository.split("/"))
    place = f"repos/{named}/environments/{environment}"
    policy = "deployment_branch_policy"
    fields = [f"-F {policy}[protected_branches]=true", f"-F {policy}[custom_branch_policies]=false"]
    made = f"gh api --method PUT {place} {' '.join(map(_quoted, fields))}"
    options = f"--repo {named} --env {environment}"
    return [
        made,
        *(
            f"gh variable set {name} {options} --body {shlex.quote(value)}"
            for name, value in variables(outputs).items()
        ),
    ]


def _quoted(option: str) -> str:
    """Return an option with its value quoted, because shells read brackets as patterns."""
    name, _, value = option.partition(" ")
    return f"{name} {shlex.quote(value)}"


def text(repository: str, environment: str, outputs: Mapping[str, Any], file: str) -> str:
    """Return the settings in words."""
    lines = [
        f"Settings of the environment {environment!r} of {repository} on GitHub:",
        "",
        *(f"  {name} = {value}" for name, value in variables(outputs).items()),
        "",
        "Protection rules: accept protected branches only. For production, name the people who must approve.",
        "Only jobs with these subjects can take the roles:",
        "",
        *(f"  {role}: {', '.join(subjects)}" for role, subjects in sorted(outputs["subjects"].items())),
        "",
        "The same as commands:",
        "",
        *(f"  {command}" for command in commands(repository, environment, outputs)),
        "",
        f"Set in {file}:",
        "",
        *(f"  {line}" for line in json.dumps(configuration(outputs), indent=2).splitlines()[1:-1]),
    ]
    return "\n".join(lines)
