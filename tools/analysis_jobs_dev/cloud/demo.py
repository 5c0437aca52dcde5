"""The demo: a job of an example's documents, from upload to result. The result is shown and kept."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs.client import Client, JobInfo
from analysis_jobs.client.results import whole_answer
from analysis_jobs_dev.cloud import demo_file
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.demo_file import RUN, DemoFile
from analysis_jobs_dev.cloud.previews import excel_rows
from analysis_jobs_dev.cloud.screen import Screen

TIMEOUT_S = 300.0
FIRST_TOKEN_S = 1.0
CHUNK_S = 0.25
SHOWN_ROWS = 12
SHOWN_CHARACTERS = 600


def default_document(example: Path) -> Path:
    """Return the first document of an example's demo.toml."""
    return demo_file.documents_of(example, demo_file.load(example))[0]


@dataclass(frozen=True)
class Demo:
    """A run of an example on these documents; its result and files are kept in `folder`."""

    file: DemoFile
    documents: Sequence[Path]
    folder: Path

    @classmethod
    def of(cls, example: Path, document: Path | None, folder: Path) -> "Demo":
        """Return a new run of an example; `document` replaces its first one. Raises CloudError with what is wrong."""
        file = demo_file.load(example)
        return cls(file, demo_file.documents_of(example, file, document), folder)

    def show(self, connection: Connection, screen: Screen) -> bool:
        """Upload, submit, poll and show the result; return whether the job completed.

        The stand-in answers at the pace of a model, unless scenarios are set already.
        """
        ours = not connection.stand_in.scenarios()
        if ours:
            connection.stand_in.set(first_token_s=FIRST_TOKEN_S, chunk_s=CHUNK_S)
        try:
            return self._run(connection, screen)
        finally:
            if ours:
                connection.stand_in.set()

    def _run(self, connection: Connection, screen: Screen) -> bool:
        run = format(int(time.time()), "x")
        file = DemoFile.model_validate_json(self.file.model_dump_json().replace(RUN, run))
        client = connection.client(connection.token())
        if file.database and file.database.before:
            connection.rows(file.database.before)
        accepted = self._submit(client, connection, file, run, screen)
        if "job_id" not in accepted:
            screen.table(rows(accepted), title="The answer has no job")
            return False
        job = _follow(client, accepted["job_id"], screen)
        _show_job(job, screen)
        self._keep(client, job, screen)
        if file.database:
            found = [{name: _cell(value) for name, value in row.items()} for row in connection.rows(file.database.rows)]
            if len(found) == 1:
                screen.table(found[0].items(), title="In the database")
            else:
                screen.grid(found, title="In the database")
        return bool(job["status"] == "completed")

    def _submit(
        self, client: Client, connection: Connection, file: DemoFile, run: str, screen: Screen
    ) -> dict[str, Any]:
        given = dict(file.submit.input)
        if file.is_json:
            given = demo_file.json_input(self.documents[0], run)
        else:
            with screen.step("upload") as step:
                for each, document in zip(file.documents, self.documents, strict=True):
                    given[str(each.input)] = client.upload(document)
                sizes = (f"{document.name}, {document.stat().st_size:,} bytes" for document in self.documents)
                step.say(f"{'; '.join(sizes)}, by a presigned POST")
        with screen.step("submit") as step:
            if file.submit.route:
                route = file.submit.route
                api = connection.client(connection.token(), connection.url_of(file.submit.api))
                answer = api.request("POST", route.removeprefix("POST "), json=given)
            else:
                route = "POST /jobs"
                analysis = connection.analysis or connection.example
                answer = client.request(
                    "POST", "/jobs", json={"analysis": analysis, "input": given, **file.submit.members()}
                )
            accepted: dict[str, Any] = answer.json()
            step.say(f"{route}: {answer.status} {accepted.get('status', '')}, job {accepted.get('job_id')}")
            return accepted

    def _keep(self, client: Client, job: Mapping[str, Any], screen: Screen) -> None:
        """Replace the last run's files in the folder by the result and the job's files, and show the workbook."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        contents = {name: client.download(job["job_id"], name) for name in job.get("files") or {}}
        if (result := job.get("result")) is not None:
            contents["result.json"] = json.dumps(result, indent=2, ensure_ascii=False).encode()
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)
        if contents:
            screen.table(
                [(name, f"{len(content):,} bytes") for name, content in contents.items()],
                f"Files, in {self._shown_folder()}",
            )
        for name in contents:
            if name.endswith(".xlsx"):
                sheet, found, left = excel_rows(self.folder / name, SHOWN_ROWS)
                more = f", {left} more rows in the file" if left else ""
                screen.grid(found, title=f"{name}, sheet {sheet}{more}")

    def _shown_folder(self) -> str:
        here = Path.cwd()
        return str(self.folder.relative_to(here) if self.folder.is_relative_to(here) else self.folder)


def show_times(screen: Screen, total_s: float) -> None:
    """Print the time of each step. The rest is stopping, and Python itself."""
    parts = {**screen.times, "the rest": total_s - sum(screen.times.values())}
    words = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    screen.say(f"\n{total_s:.1f} s in all: {words}")


def _follow(client: Client, job_id: str, screen: Screen) -> dict[str, Any]:
    with screen.bar("job") as update:

        def take(job: JobInfo) -> None:
            update(job.progress, f"{job.status} {job.stage or ''}")

        return whole_answer(client, client.wait(job_id, timeout_s=TIMEOUT_S, on_status=take))


def _show_job(job: Mapping[str, Any], screen: Screen) -> None:
    if error := job.get("error"):
        screen.table(rows(error), title="Error")
    if isinstance(result := job.get("result"), Mapping):
        plain, lists = _parted(result)
        screen.table([(name, _short(value)) for name, value in rows(plain)], title="Result")
        for name, items in lists.items():
            left = len(items) - SHOWN_ROWS
            more = f", {left} more" if left > 0 else ""
            found = [{key: _short(value) for key, value in rows(item)} for item in items[:SHOWN_ROWS]]
            screen.grid(found, title=f"Result: {name}{more}")
    usage = job.get("usage") or {}
    spent = [(f"{name}", f"{value:,}") for name, value in usage.items() if value is not None]
    cost = job.get("cost_usd")
    spent += [("cost_usd", "unknown" if cost is None else f"{cost:.6f}"), ("attempts", str(job.get("attempt")))]
    spent += [(f"prompt of {stage}", _cell(prompt)) for stage, prompt in (job.get("prompts") or {}).items()]
    screen.table(spent, title="Usage and cost")


def _parted(result: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any], dict[str, list[Mapping[str, Any]]]]:
    """Split a result into its plain values, and its lists of objects by their paths."""
    plain: dict[str, Any] = {}
    lists: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in result.items():
        if isinstance(value, Mapping):
            plain[name], inner = _parted(value, f"{prefix}{name}.")
            lists |= inner
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            lists[f"{prefix}{name}"] = value
        else:
            plain[name] = value
    return plain, lists


def rows(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each leaf of a nested object with its path; a list of plain values is one leaf."""
    for name, item in value.items():
        path = f"{prefix}{name}"
        if isinstance(item, Mapping):
            yield from rows(item, f"{path}.")
        elif isinstance(item, list) and any(isinstance(each, Mapping) for each in item):
            for number, each in enumerate(item, start=1):
                yield from rows({str(number): each}, f"{path}.")
        else:
            yield path, "\n".join(map(str, item)) if isinstance(item, list) else str(item)


def _cell(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} … ({len(text):,} characters)"
