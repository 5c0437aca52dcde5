"""The demo of an example, `examples/<name>/demo.toml`: `make demo` runs it, and the printed curl lines do the same.

```toml
shows = "A certificate is read, and waits for a reviewer in the database"

[[documents]]                    # of the folder documents/; DOCUMENT= replaces the first
file = "certificate.pdf"
input = "document"               # uploaded: this member of the input names it.
                                 # Without it the one file is JSON, and is the input itself.
[submit]
route = "POST /documents/certificate-{run}/extract"   # the body is the input; without a route: POST /jobs
input = { language = "en" }      # further members of the input
                                 # analysis (default: the example's name), subject, client, project, priority,
                                 # tier: members of POST /jobs
                                 # api: output with the URL of the example's own API, which has the route

[database]                       # of an example with a schema.sql
before = "INSERT INTO documents (id) VALUES ('certificate-{run}')"
rows = "SELECT id, status FROM documents WHERE id = 'certificate-{run}'"     # shown in the end
```

`{run}` is replaced by a new text in each run, here and in a JSON document, so that runs do not meet each other's rows.
"""

import json
import mimetypes
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from analysis_jobs_dev.cloud.errors import CloudError

FILE = "demo.toml"
RUN = "{run}"
JSON_SUFFIX = ".json"

type Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(_Strict):
    """A document: its `file` in documents/, and, if it is uploaded, the member of the input that names it."""

    file: Annotated[str, StringConstraints(pattern=r"^[^/\\]+$")]
    input: Text | None = None


class Submission(_Strict):
    """How the job is submitted: by a `route` ("POST /path"), or by POST /jobs with the other fields.

    The route is the module's, or one of the example's own API, at the URL that the Terraform output `api` names.
    """

    api: Text | None = None
    route: Annotated[str, StringConstraints(pattern=r"^POST /\S*$")] | None = None
    input: dict[str, Any] = {}
    analysis: Text | None = None
    subject: Text | None = None
    client: Text | None = None
    project: Text | None = None
    priority: Text | None = None
    tier: Text | None = None

    @model_validator(mode="after")
    def _either_way(self) -> Self:
        if self.route and (said := sorted(self.members())):
            raise ValueError(f"a route takes the input alone: {', '.join(said)} would not be sent")
        if self.api and not self.route:
            raise ValueError("an api needs a route: without one the job goes to POST /jobs of the module's API")
        return self

    def members(self) -> dict[str, str]:
        """Return the members of the body of POST /jobs beside `input`."""
        return self.model_dump(exclude={"api", "route", "input"}, exclude_none=True)


class Database(_Strict):
    """SQL for the example's database: a statement to run `before` the job, and the query of the `rows` to show."""

    before: Text | None = None
    rows: Text


class DemoFile(_Strict):
    """A demo.toml; `shows` says in one line what the demo shows."""

    shows: Text
    documents: Annotated[tuple[Given, ...], Field(min_length=1)]
    submit: Submission = Submission()
    database: Database | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if not self.is_json:
            if missing := [each.file for each in self.documents if each.input is None]:
                raise ValueError(
                    f"`input` is missing, the member of the input that names the document: {', '.join(missing)}"
                )
        elif len(self.documents) > 1 or self.submit.input:
            raise ValueError("a JSON document is the whole input: remove other documents and submit.input")
        return self

    @property
    def is_json(self) -> bool:
        """Whether the document is itself the input."""
        return self.documents[0].input is None and self.documents[0].file.endswith(JSON_SUFFIX)


def load(example: Path) -> DemoFile:
    """Return an example's demo.toml. Raises CloudError with each mistake in it."""
    path = example / FILE
    try:
        demo = DemoFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise CloudError(f"{path} is missing: it describes the demo of the example.") from None
    except tomllib.TOMLDecodeError as error:
        raise CloudError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        wrong = [f"  {'.'.join(map(str, each['loc'])) or 'as a whole'}: {each['msg']}" for each in error.errors()]
        raise CloudError("\n".join([f"{path}:", *wrong])) from error
    if missing := [each.file for each in demo.documents if not (example / "documents" / each.file).is_file()]:
        raise CloudError(f"{path} names documents that are not in documents/: {', '.join(missing)}")
    if demo.database and not (example / "schema.sql").is_file():
        raise CloudError(f"{path} uses a database, but there is no schema.sql beside it.")
    return demo


def documents_of(example: Path, demo: DemoFile, first: Path | None = None) -> list[Path]:
    """Return the demo's documents; `first` replaces the first one. Raises CloudError if it cannot be used."""
    files = [(example / "documents" / each.file) for each in demo.documents]
    if first is None:
        return files
    if not first.is_file():
        raise CloudError(f"There is no document {first}.")
    if demo.is_json:
        _json(first)
    return [first.resolve(), *files[1:]]


def media_type(document: Path) -> str:
    """Return the media type of a document, by its name."""
    return mimetypes.guess_type(document.name)[0] or "application/octet-stream"


def json_input(document: Path, run: str) -> Any:  # noqa: ANN401 - JSON
    """Return the input in a JSON document. Raises CloudError if it is not valid JSON."""
    return json.loads(json.dumps(_json(document)).replace(RUN, run))


def _json(document: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(document.read_text("utf-8"))
    except ValueError as error:
        raise CloudError(f"{document} is not valid JSON, which this example needs: {error}") from error
