"""The shell lines that run an example's demo with curl alone, for people to read and copy."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from analysis_jobs_dev.cloud.demo_file import RUN, DemoFile, media_type

BEGIN = """\
auth="Authorization: Bearer $TOKEN" json='Content-Type: application/json'
"""
BEFORE = """\
# The rows that the job needs in the database
psql "$DATABASE_URL" -q -c "{statement}"
"""
# For another document only the lines that begin with DOCUMENT change.
UPLOAD = """\
# Upload: ask for a form for this one file, send it, and print the document's name for the input
upload() {
  curl -fsS "$API/uploads" -H "$auth" -H "$json" -o upload.json \\
    -d "{\\"filename\\": \\"$(basename "$1")\\", \\"content_type\\": \\"$2\\", \\"size\\": $(wc -c < "$1" | tr -d ' ')}"
  python3 -c 'import json; form = json.load(open("upload.json"))["upload"]
print("url =", json.dumps(form["url"]))
for field in form["fields"].items(): print("form-string =", json.dumps("=".join(field)))' > upload.curl
  curl -fsS -K upload.curl -F "file=@$1;type=$2" > /dev/null
  sed -n 's/.*"document": *"\\([^"]*\\)".*/\\1/p' upload.json
}
"""
SUBMIT = """\
# Submit: 202, and the job's id
JOB=$(curl -fsS "{api}{path}" -H "$auth" -H "$json" \\
  -d "{body}" |
  sed -n 's/.*"job_id": *"\\([^"]*\\)".*/\\1/p')
"""
POLL = """\
# Poll until the job has ended
until curl -fsS "$API/jobs/$JOB" -H "$auth" -o job.json &&
  grep -Eq '"status": *"(completed|failed|cancelled)"' job.json; do sleep 1; done
cat job.json
"""


def variable(demo: DemoFile) -> str:
    """Return the shell variable with the URL of the API that the demo submits to."""
    return demo.submit.api.upper() if demo.submit.api else "API"


def lines(analysis: str, demo: DemoFile, documents: Sequence[Path]) -> str:
    """Return the lines that submit the demo's documents as a job of the analysis, and poll it."""
    names = ["DOCUMENT", *(f"DOCUMENT{number}" for number in range(2, len(documents) + 1))]
    given = [f"{name}={shlex.quote(str(path))}" for name, path in zip(names, documents, strict=False)]
    said = demo.model_dump_json() + (documents[0].read_text("utf-8") if demo.is_json else "")
    parts = ["\n".join(given) + "\n" + ("RUN=$(date +%s)\n" if RUN in said else "") + BEGIN]
    if demo.database and demo.database.before:
        parts.append(BEFORE.format(statement=_quoted(" ".join(demo.database.before.split()))))
    if demo.is_json:
        content = f'$(sed "s/{RUN}/$RUN/g" "$DOCUMENT")' if RUN in said else '$(cat "$DOCUMENT")'
    else:
        parts.append(UPLOAD)
        uploads = {
            str(each.input): f'$(upload "${name}" {media_type(path)})'
            for each, name, path in zip(demo.documents, names, documents, strict=False)
        }
        content = _object(demo.submit.input, uploads)
    if demo.submit.route:
        path, body = demo.submit.route.removeprefix("POST "), content
    else:
        path, body = "/jobs", _object({"analysis": analysis, **demo.submit.members()}, {}, input=content)
    parts += [SUBMIT.format(api=f"${variable(demo)}", path=path.replace(RUN, "$RUN"), body=body), POLL]
    return "\n".join(parts)


def _object(members: dict[str, object], uploads: dict[str, str], **ready: str) -> str:
    """Return a JSON object for double quotes of the shell; the `ready` members are quoted already."""
    said = [f"{_quoted(json.dumps(name))}: {_quoted(json.dumps(value))}" for name, value in members.items()]
    said += [f'{_quoted(json.dumps(name))}: \\"{command}\\"' for name, command in uploads.items()]
    said += [f"{_quoted(json.dumps(name))}: {text}" for name, text in ready.items()]
    return "{" + ", ".join(said) + "}"


def _quoted(text: str) -> str:
    """Return a text escaped for double quotes of the shell, with the shell's variable for `{run}`."""
    return re.sub(r'([\\"$`])', r"\\\1", text).replace(RUN, "$RUN")
