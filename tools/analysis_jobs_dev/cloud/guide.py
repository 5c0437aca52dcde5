"""The commands that `make local` and `make demo` print for a person."""

import datetime as dt
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from analysis_jobs_dev.cloud import curl
from analysis_jobs_dev.cloud.connection import TENANT, Connection
from analysis_jobs_dev.cloud.demo import Demo
from analysis_jobs_dev.cloud.local_cloud import DEFAULT_EXAMPLE, known_examples
from analysis_jobs_dev.cloud.postgres import Login
from analysis_jobs_dev.cloud.screen import Screen

# As in the Makefile.
COMMAND = "PYTHONPATH=tools:handlers .venv/bin/python -m analysis_jobs_dev.cloud"
STAND_IN = "{url} (a stand-in: it fills answers from the document)"
FOLLOW_EVERY_S = 1.0

type Event = tuple[int, str, str]  # time (epoch ms), function, message


def exports(connection: Connection, token: str, demo: Demo | None) -> list[str]:
    """Return shell lines that point curl, analysis-jobs, the AWS CLI, boto3, Terraform and psql to this cloud."""
    variables = {
        "API": connection.api_url,
        **({curl.variable(demo.file): connection.url_of(demo.file.submit.api)} if demo else {}),
        "TOKEN": token,
        "ANALYSIS_JOBS_URL": connection.api_url,
        "ANALYSIS_JOBS_TOKEN": token,
        "CURL_CA_BUNDLE": connection.ca_bundle,
        **({"DATABASE_URL": Login(**connection.database).url} if connection.database else {}),
        **connection.environment(),
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def show(
    connection: Connection,
    demo: Demo | None,
    screen: Screen,
    *,
    commands: Sequence[tuple[str, str]],
    models: str | None = None,
) -> None:
    """Print the addresses of the running cloud, the `commands` for it with their purposes, and the demo's job.

    `models` says what answers in place of the models.
    """
    screen.heading("The local cloud")
    screen.table(
        [
            *([("API", connection.api_url)] if connection.api_url else []),
            ("AWS endpoint", connection.aws_url),
            ("Models", models or STAND_IN.format(url=connection.stand_in_url)),
            *([("PostgreSQL", _where(connection.database))] if connection.database else []),
        ]
    )
    screen.heading(f"For curl, analysis-jobs, the AWS CLI, boto3 and Terraform, as tenant {TENANT}")
    for line in exports(connection, connection.token(), demo):
        screen.say(line)
    screen.heading("Commands for this cloud")
    for command, purpose in commands:
        screen.say(f"{command}  # {purpose}")
    if demo:
        screen.heading("A job with curl alone")
        screen.say(curl.lines(connection.analysis or connection.example, demo.file, demo.documents))


def next_steps(example: str, demo: Demo, screen: Screen) -> None:
    """Print what to try after the demo."""
    named = "" if example == DEFAULT_EXAMPLE else f" EXAMPLE={example}"
    others = ", ".join(each for each in known_examples() if each != example)
    own = f"DOCUMENT=your{demo.documents[0].suffix}"
    screen.heading("Next steps")
    screen.commands(
        [
            (f"make demo{named} {own}", "the same with a document of your own"),
            ("make demo EXAMPLE=…", f"another one: {others}"),
            (f"make local{named}", "keep everything running; prints the variables for curl, and a job with curl alone"),
            (f"examples/{example}/README.md", "what the example shows, and how it works"),
        ]
    )


def _where(login: Mapping[str, Any]) -> str:
    return f"{login['host']}:{login['port']}, database {login['database']}"


def show_logs(connection: Connection, screen: Screen, *, follow: bool = False) -> None:
    """Print the logs of the functions, oldest first; with `follow` keep printing new lines."""
    shown: set[Event] = set()
    while True:
        fresh = _logged(connection) - shown
        for at_ms, name, message in sorted(fresh):
            at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
            screen.say(f"{at:%H:%M:%S.%f} {name} {message.rstrip()}")
        if not follow:
            return
        shown |= fresh
        time.sleep(FOLLOW_EVERY_S)


def _logged(connection: Connection) -> set[Event]:
    pages = connection.boto3("logs").get_paginator("filter_log_events").paginate
    return {
        (event["timestamp"], name, event["message"])
        for name in connection.outputs["function_names"].values()
        for page in pages(logGroupName=f"/aws/lambda/{name}")
        for event in page["events"]
    }
