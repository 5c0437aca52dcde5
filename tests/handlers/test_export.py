"""An export has all that a job has, people can read it, and it can be imported again."""

import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.ids import new_id
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.erasing import Scope
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.privacy.export import Export, ExportError, check_export
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.items import to_item
from tests.handlers.aws import client, create_job_table
from tests.handlers.builders import START
from tests.handlers.erasures import DAY, Place, an_ended_job, in_memory, on_aws


@pytest.fixture
def place(clock: Any) -> Iterator[Place]:
    with mock_aws():
        yield on_aws(clock, "exports")


def an_export(place: Place) -> Export:
    prompts = {("writer/step-1", 3): {"user_prompt_template": "Read {isbn}."}}
    return Export(
        place.rows,
        place.artifacts,
        place.files,
        to_item,
        lambda name, version: prompts.get((name, version)),
        ["/aws/lambda/acme-worker"],
        place.clock,
    )


def exported(place: Place, target: Path, scope: Scope | None = None, **options: Any) -> list[Path]:
    return an_export(place).run(scope or Scope("acme"), target, by="an operator", **options)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_an_export_has_everything_and_can_be_imported_again(place: Place, tmp_path: Path) -> None:
    document = f"{new_id(START - DAY)}/scan.pdf"
    job = an_ended_job(
        place,
        documents=[document],
        input=Payload('{"isbn":"42"}'),
        result=Payload('{"pounds":7}'),
        usage=Usage(2, 30, 4),
        models={"some.model": Usage(2, 30, 4)},
        cost_usd=Decimal("0.25"),
        prompts={"read": "writer/step-1@v3, writer/step-1@v0"},
    )
    [folder] = exported(place, tmp_path / "out")
    assert folder == tmp_path / "out" / job.job_id
    assert read(folder / "input.json") == {"isbn": "42"}
    assert read(folder / "result.json") == {"pounds": 7}
    shown = read(folder / "job.json")
    assert (shown["status"], shown["cost_usd"], shown["history"][1]["transition"]) == ("completed", 0.25, "claim")
    assert shown["usage"]["input_tokens"] == 30
    assert shown["models"]
    assert read(folder / "prompts/writer-step-1@v3.json") == {"user_prompt_template": "Read {isbn}."}
    assert {each["kind"] for each in read(folder / "related.json")} == {"idempotency_key", "subject_pointer"}
    assert f'filter job_id = "{job.job_id}"' in (folder / "log-query.txt").read_text(encoding="utf-8")
    assert job.job_id in (folder / "README.md").read_text(encoding="utf-8")
    # The version that the submission recorded does not exist, so the upload is reported.
    assert check_export(folder)["missing"] == [upload_key("acme", document)]
    # Import it into another stack.
    create_job_table(client("dynamodb"), "imported")
    client("dynamodb").put_item(TableName="imported", Item=read(folder / "row.json"))
    assert DynamoJobStore(client("dynamodb"), "imported", place.clock).get(job.key) == job
    objects = folder / "objects"
    paths = [path.relative_to(objects).as_posix() for path in objects.rglob("*") if path.is_file()]
    assert sorted(paths) == place.stored(job_folder(job))
    for key in paths:
        assert (objects / key).read_bytes() == place.artifacts.read(key, 1_000)


def test_the_recorded_version_of_a_document_is_exported(place: Place, tmp_path: Path) -> None:
    key = f"{new_id(START - DAY)}/scan.pdf"
    place.artifacts.write(upload_key("acme", key), b"as submitted", "application/pdf")
    version = place.artifacts.current_version(upload_key("acme", key))
    place.artifacts.write(upload_key("acme", key), b"replaced later", "application/pdf")
    an_ended_job(place, input=Payload("{}"), documents=[key])
    [job] = [item for item in place.rows.items("acme") if isinstance(item, JobRecord)]
    item = to_item(job) | {"documents": {"M": {"text": {"S": json.dumps({key: version})}}}}
    client("dynamodb").put_item(TableName="exports", Item=item)
    [folder] = exported(place, tmp_path)
    assert (folder / "objects" / upload_key("acme", key)).read_bytes() == b"as submitted"


def test_a_subject_is_exported_job_by_job_as_zip_files(clock: Any, tmp_path: Path) -> None:
    place = in_memory(clock)
    jobs = [an_ended_job(place), an_ended_job(place)]
    an_ended_job(place, "users/8")
    made = exported(place, tmp_path, Scope("acme", subject="users/7"), as_zip=True)
    assert [path.name for path in made] == sorted(f"{job.job_id}.zip" for job in jobs)
    assert sorted(tmp_path.iterdir()) == made
    with zipfile.ZipFile(made[0]) as packed:
        packed.extractall(tmp_path / "again")
    assert check_export(tmp_path / "again" / made[0].stem)["missing"] == []


def test_a_second_export_replaces_the_first(clock: Any, tmp_path: Path) -> None:
    place = in_memory(clock)
    an_ended_job(place)
    [folder] = exported(place, tmp_path)
    (folder / "stale").touch()
    assert exported(place, tmp_path) == [folder]
    check_export(folder)


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no manifest"])
def test_a_damaged_export_is_noticed(clock: Any, tmp_path: Path, damage: str) -> None:
    place = in_memory(clock)
    an_ended_job(place)
    [folder] = exported(place, tmp_path)
    match damage:
        case "changed":
            (folder / "row.json").write_text("{}", encoding="utf-8")
        case "missing":
            (folder / "row.json").unlink()
        case "added":
            (folder / "more").touch()
        case _:
            (folder / "manifest.json").unlink()
    with pytest.raises(ExportError, match=r"row\.json|more|manifest\.json"):
        check_export(folder)
