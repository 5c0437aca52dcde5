"""Exports a job with all that it has, as a folder that people can read and that can be imported again."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_jobs.base.clock import Clock, rfc3339
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.erasing import ErasableFiles, ErasableRows, Scope
from analysis_jobs.jobs.payloads import job_folder, load_json
from analysis_jobs.jobs.ports import ArtifactStore, NotFound, TooLarge
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.views import detail, summary
from analysis_jobs.privacy.findings import Findings, documents_of, find

# Files of a job have up to 50 MB. Documents may be larger by a setting of the stack.
_MAX_OBJECT_BYTES = 1_000_000_000
_PROMPT = re.compile(r"(?P<name>.+)@v(?P<version>\d+)")
_README = """\
# Job {job_id}

Exported on {at} by {by}.

- `job.json`: the job as the API shows it, with its history, its usage of models, and its prompts
- `input.json`, `result.json`: what the job was given, and what it returned
- `objects/`: files, checkpoints, large inputs and results, and uploaded documents, by their keys in the bucket
- `prompts/`: the versions of the prompts that the job's models were asked with
- `related.json`: idempotency keys and pointers that name the job
- `row.json`: the row of the job table, in the JSON of DynamoDB
- `log-query.txt`: the query for CloudWatch Logs Insights that finds the job's log lines
- `manifest.json`: the size and the SHA-256 of each file, and what was missing

To import it again:

    aws dynamodb put-item --table-name TABLE --item file://row.json
    aws s3 cp --recursive objects/ s3://BUCKET/PREFIX
"""


class ExportError(Exception):
    """An export is damaged or incomplete. The message names the file."""


@dataclass(frozen=True)
class Export:
    """Writes exports.

    `row_of` returns a job's row in the JSON of DynamoDB. `prompt` returns a version of a prompt, or None. `log_groups`
    are the names of the functions' log groups.
    """

    rows: ErasableRows
    artifacts: ArtifactStore
    files: ErasableFiles
    row_of: Callable[[JobRecord], Mapping[str, Any]]
    prompt: Callable[[str, int], Mapping[str, Any] | None]
    log_groups: Sequence[str]
    clock: Clock

    def run(self, scope: Scope, target: Path, *, by: str, as_zip: bool = False) -> list[Path]:
        """Export every job of a scope below `target`, oldest first. Return the folder or the zip file of each."""
        found = find(self.rows, scope)
        target.mkdir(parents=True, exist_ok=True)
        return [self._write(job, found, target, by, as_zip=as_zip) for _, job in sorted(_by_id(found))]

    def _write(self, job: JobRecord, found: Findings, target: Path, by: str, *, as_zip: bool) -> Path:
        # Write it elsewhere first: an interrupted export must not look like a whole one.
        with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as made:
            folder = Path(made) / job.job_id
            folder.mkdir()
            missing = list(self._write_parts(job, found, folder, by))
            _write_json(folder / "manifest.json", _manifest(folder, job, missing))
            final = target / (f"{job.job_id}.zip" if as_zip else job.job_id)
            if as_zip:
                packed = shutil.make_archive(str(Path(made) / "packed"), "zip", made, job.job_id)
                Path(packed).replace(final)
            else:
                shutil.rmtree(final, ignore_errors=True)
                folder.replace(final)
        return final

    def _write_parts(self, job: JobRecord, found: Findings, folder: Path, by: str) -> Iterator[str]:
        """Write all files but the manifest. Yield what was missing."""
        text = _README.format(job_id=job.job_id, at=rfc3339(self.clock.now()), by=by)
        (folder / "README.md").write_text(text, encoding="utf-8")
        _write_json(folder / "row.json", self.row_of(job))
        _write_json(folder / "related.json", _related(job, found))
        (folder / "log-query.txt").write_text(self._log_query(job), encoding="utf-8")
        try:
            shown = detail(job, self.artifacts)
        except (NotFound, TooLarge):
            yield "the result"
            shown = summary(job)
        _write_json(folder / "job.json", shown)
        for name, payload in (("input", job.input), ("result", job.result)):
            try:
                if payload is not None:
                    _write_json(folder / f"{name}.json", load_json(self.artifacts, payload))
            except (NotFound, TooLarge):
                yield f"the {name}"
        yield from self._write_objects(job, folder)
        yield from self._write_prompts(job, folder)

    def _write_objects(self, job: JobRecord, folder: Path) -> Iterator[str]:
        keys = {version.key for version in self.files.versions(f"{job_folder(job)}/") if not version.marker}
        wanted: dict[str, str | None] = dict.fromkeys(sorted(keys))
        pinned = self._pinned(job)
        for document in sorted(documents_of(job, self.artifacts)):
            wanted[upload_key(job.tenant, document)] = pinned.get(document)
        for key, version in wanted.items():
            path = folder / "objects" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.write_bytes(self.artifacts.read(key, _MAX_OBJECT_BYTES, version))
            except (NotFound, TooLarge):
                yield key

    def _pinned(self, job: JobRecord) -> Mapping[str, str | None]:
        try:
            found = load_json(self.artifacts, job.documents) if job.documents else {}
        except (NotFound, TooLarge):
            return {}
        return found if isinstance(found, dict) else {}

    def _write_prompts(self, job: JobRecord, folder: Path) -> Iterator[str]:
        used = {name.strip() for names in job.prompts.values() for name in names.split(",")}
        for named in sorted(used):
            match = _PROMPT.fullmatch(named)
            # Version 0 is the default in the code of the analysis. The job's `code_version` names that code.
            if match is None or match["version"] == "0":
                continue
            prompt = self.prompt(match["name"], int(match["version"]))
            if prompt is None:
                yield f"the prompt {named}"
                continue
            (folder / "prompts").mkdir(exist_ok=True)
            _write_json(folder / "prompts" / f"{named.replace('/', '-')}.json", prompt)

    def _log_query(self, job: JobRecord) -> str:
        groups = "".join(f"#   {name}\n" for name in self.log_groups)
        return (
            f"# CloudWatch Logs Insights, from {rfc3339(job.created_at)}, on the log groups\n{groups}"
            "fields @timestamp, @log, level, event, message, attempt, code, step\n"
            f'| filter job_id = "{job.job_id}"\n| sort @timestamp asc\n'
        )


def check_export(folder: Path) -> Mapping[str, Any]:
    """Return the manifest of an export. Raises `ExportError` if a file is missing, changed, or not in the manifest."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{folder} is not an export: it has no readable manifest.json") from error
    there = {entry["path"]: entry for entry in _entries(folder)}
    for entry in manifest["files"]:
        if there.pop(entry["path"], None) != entry:
            raise ExportError(f"{folder / entry['path']} is missing or was changed")
    if there:
        raise ExportError(f"{folder / next(iter(there))} is not in the manifest")
    return manifest


def _by_id(found: Findings) -> Iterator[tuple[str, JobRecord]]:
    yield from ((key.job_id, job) for key, job in found.jobs.items())


def _related(job: JobRecord, found: Findings) -> list[dict[str, Any]]:
    named = [item for item in found.items if job.job_id in item.job_ids]
    return [
        {"kind": item.kind, "key": item.sort_key, "jobs": sorted(item.job_ids)}
        for item in sorted(named, key=lambda item: item.sort_key)
    ]


def _manifest(folder: Path, job: JobRecord, missing: list[str]) -> dict[str, Any]:
    return {
        "document": "analysis-jobs export",
        "version": 1,
        "tenant": job.tenant,
        "job_id": job.job_id,
        "missing": missing,
        "files": _entries(folder),
    }


def _entries(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in paths
    ]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
