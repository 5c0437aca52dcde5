"""What `make local` and `make demo` tell a person to type."""

import datetime as dt
import shlex
import time
from pathlib import Path

from cloud.connection import TENANT, Connection
from cloud.screen import Screen

# As the Makefile calls it.
COMMAND = "PYTHONPATH=envs/local:tools:handlers .venv/bin/python -m cloud"
FOLLOW_EVERY_S = 1.0

type Event = tuple[int, str, str]  # when (epoch ms), which function, what

# A document of another name needs no change below: only these two lines depend on it.
CURL = """\
DOCUMENT={document}
NAME=$(basename "$DOCUMENT") SIZE=$(wc -c < "$DOCUMENT" | tr -d ' ')
auth="Authorization: Bearer $TOKEN" json='Content-Type: application/json'

# Upload: ask for a form, which allows this one file, and send it
curl -fsS "$API/uploads" -H "$auth" -H "$json" -o upload.json \\
  -d "{{\\"filename\\": \\"$NAME\\", \\"content_type\\": \\"application/pdf\\", \\"size\\": $SIZE}}"
python3 -c 'import json; form = json.load(open("upload.json"))["upload"]
print("url =", json.dumps(form["url"]))
for field in form["fields"].items(): print("form-string =", json.dumps("=".join(field)))' > upload.curl
curl -fsS -K upload.curl -F "file=@$DOCUMENT;type=application/pdf"

# Submit: 202, and the job's id
UPLOADED=$(sed -n 's/.*"document": *"\\([^"]*\\)".*/\\1/p' upload.json)
JOB=$(curl -fsS "$API/jobs" -H "$auth" -H "$json" \\
  -d "{{\\"analysis\\": \\"{analysis}\\", \\"input\\": {{\\"document\\": \\"$UPLOADED\\"}}}}" |
  sed -n 's/.*"job_id": *"\\([^"]*\\)".*/\\1/p')

# Poll until it has ended
until curl -fsS "$API/jobs/$JOB" -H "$auth" -o job.json &&
  grep -Eq '"status": *"(completed|failed|cancelled)"' job.json; do sleep 1; done
cat job.json
"""


def exports(connection: Connection, token: str) -> list[str]:
    """Return the shell lines by which curl, the AWS CLI, boto3 and Terraform use this cloud."""
    variables = {
        "API": connection.api_url,
        "TOKEN": token,
        "CURL_CA_BUNDLE": connection.ca_bundle,
        **connection.environment(),
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def curl_lines(analysis: str, document: Path) -> str:
    """Return the shell lines that upload a document, submit a job and poll it."""
    return CURL.format(document=shlex.quote(str(document)), analysis=analysis)


def show(connection: Connection, document: Path, screen: Screen, *, options: str = "") -> None:
    """Print all that a person needs to work with the cloud that runs.

    `options` are what the person's own command has to say to mean this cloud.
    """
    screen.heading("The local cloud")
    screen.table(
        [
            ("API", connection.api_url),
            ("AWS endpoint", connection.aws_url),
            ("Bedrock", f"{connection.stand_in_url} (a stand-in: its answers are made up)"),
        ]
    )
    screen.heading(f"For curl, the AWS CLI, boto3 and Terraform, as tenant {TENANT}")
    for line in exports(connection, connection.token()):
        screen.say(line)
    screen.heading("Another tenant's token; what the functions log")
    screen.say(f"{COMMAND} token --tenant globex{options}")
    screen.say(f"{COMMAND} logs --follow{options}")
    screen.heading("A job with curl alone")
    screen.say(curl_lines(connection.example, document))


def next_steps(example: str, document: Path, screen: Screen) -> None:
    """Print how to go on after the demo."""
    screen.heading("How to go on")
    screen.say("make local                   keep it all running; it prints the variables for curl")
    screen.say("make demo DOCUMENT=your.pdf  the same with a document of your own")
    screen.say("README.md, docs/             how it works, and how to use it in a stack of your own")
    screen.heading("The same job with curl, while `make local` runs and with its variables")
    screen.say(curl_lines(example, document))


def show_logs(connection: Connection, screen: Screen, *, follow: bool = False) -> None:
    """Print what the functions have logged, oldest first; go on with what they log next if told to follow."""
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
