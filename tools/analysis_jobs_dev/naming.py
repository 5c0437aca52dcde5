"""The rule for the argument `name` of the Terraform module, which is the prefix of all names in a stack."""

import re

__all__ = ["MAX_NAME", "NAME", "stack_name"]

MAX_NAME = 50
# The same rule as in modules/analysis-jobs/variables-names.tf. A test compares them.
NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_NAME - 2}}}[a-z0-9]")


def stack_name(project: str, environment: str = "") -> str:
    """Return a valid `name` of the module for a project in an environment."""
    end = f"-{environment}" if environment else ""
    words = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")
    start = words[: MAX_NAME - len(end)].strip("-")
    return start + end if NAME.fullmatch(start + end) else f"stack-{start}"[: MAX_NAME - len(end)].strip("-") + end
