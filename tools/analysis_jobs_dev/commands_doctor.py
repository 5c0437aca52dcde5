"""The command `doctor`: what would stop the jobs of an environment, found before a job meets it."""

import json as json_
from collections.abc import Callable
from typing import Annotated, Any

import typer

_MARKS = {"ok": "ok      ", "unknown": "unknown ", "warning": "warning ", "problem": "PROBLEM "}


def doctor(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, such as staging.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Print also what is in order.")] = False,
) -> None:
    """Check models, quotas, rights, secrets, prompts, databases and versions of an environment. It changes nothing.

    The exit status is 1 if there is a problem.
    """
    from analysis_jobs_dev.doctor.environment import subject_of  # noqa: PLC0415 - see the module `commands`
    from analysis_jobs_dev.doctor.run import blocks, examine  # noqa: PLC0415 - as above
    from analysis_jobs_dev.doctor.subject import NotReadableError  # noqa: PLC0415 - as above
    from analysis_jobs_dev.environments import config as configs  # noqa: PLC0415 - as above

    try:
        subject = subject_of(configs.load(environment))
    except (configs.ConfigError, NotReadableError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from error
    findings = list(examine(subject))
    if json:
        typer.echo(json_.dumps({"findings": [each.as_json() for each in findings]}, indent=2))
    else:
        for each in findings:
            if every or each.level != "ok":
                typer.echo(f"{_MARKS[each.level]} {each.check}: {each.message}")
                if each.fix:
                    typer.echo(f"         {each.fix}")
        counted = {level: sum(each.level == level for each in findings) for level in _MARKS}
        typer.echo(", ".join(f"{number} {level}" for level, number in counted.items()))
    if blocks(findings):
        raise typer.Exit(1)


COMMANDS: dict[str, Callable[..., Any]] = {"doctor": doctor}
