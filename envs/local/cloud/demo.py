"""The shown run: a document of an example goes the whole way, and its result comes back."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cloud.client import Client
from cloud.connection import Connection
from cloud.errors import CloudError
from cloud.screen import Screen

TIMEOUT_S = 300.0
POLL_S = 0.5
FIRST_TOKEN_S = 1.0
CHUNK_S = 0.25


def default_document(example: Path) -> Path:
    """Return the document that an example is shown with: the first of its folder."""
    found = sorted((example / "documents").glob("*.pdf"))
    if not found:
        raise CloudError(f"{example / 'documents'} has no PDF: name one with --document.")
    return found[0]


def show(connection: Connection, document: Path, screen: Screen) -> bool:
    """Upload, submit, poll, show what came of it; return whether the job completed.

    The stand-in is told to take its time as a model does, unless somebody has told it how to answer already.
    """
    ours = not connection.stand_in.scenarios()
    if ours:
        connection.stand_in.set(first_token_s=FIRST_TOKEN_S, chunk_s=CHUNK_S)
    try:
        return _run(connection.client(connection.token()), connection.example, document, screen)
    finally:
        if ours:
            connection.stand_in.set()


def _run(client: Client, analysis: str, document: Path, screen: Screen) -> bool:
    with screen.step("upload") as step:
        uploaded = client.upload(document)
        step.say(f"{document.name}, {document.stat().st_size:,} bytes, by a presigned POST")
    with screen.step("submit") as step:
        accepted = client.submit(analysis, {"document": uploaded})
        step.say(f"202 {accepted['status']}, job {accepted['job_id']}")
    job = _follow(client, accepted["job_id"], screen)
    _show_job(job, screen)
    return bool(job["status"] == "completed")


def show_times(screen: Screen, total_s: float) -> None:
    """Print where the time went; what is left of the total is stopping, and Python itself."""
    parts = {**screen.times, "the rest": total_s - sum(screen.times.values())}
    words = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    screen.say(f"\n{total_s:.1f} s in all: {words}")


def _follow(client: Client, job_id: str, screen: Screen) -> dict[str, Any]:
    with screen.bar("job") as update:

        def take(job: dict[str, Any]) -> None:
            update(job.get("progress") or 0, f"{job['status']} {job.get('stage') or ''}")

        return client.ended(job_id, timeout_s=TIMEOUT_S, poll_s=POLL_S, on_status=take)


def _show_job(job: Mapping[str, Any], screen: Screen) -> None:
    if error := job.get("error"):
        screen.table(rows(error), title="Error")
        return
    screen.table(rows(job.get("result") or {}), title="Result")
    usage = job.get("usage") or {}
    spent = [(f"{name}", f"{value:,}") for name, value in usage.items() if value is not None]
    cost = job.get("cost_usd")
    screen.table([*spent, ("cost_usd", "unknown" if cost is None else f"{cost}")], title="Model usage")


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
