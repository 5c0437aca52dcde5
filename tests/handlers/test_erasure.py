"""An erasure removes all that belongs to a job, a subject or a tenant, and nothing else. Late writes change nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.erasing import Scope, Tombstone
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.ports import ConditionFailed, Created
from analysis_jobs.jobs.record import Changes, HistoryEntry, IdempotencyKey, Listing
from analysis_jobs.jobs.transitions import ALL, Status
from analysis_jobs.stores.items import to_item
from analysis_jobs.stores.memory_erasing import MemoryRows
from analysis_jobs.stores.streams import read_change
from analysis_jobs.stores.tombstones import tombstone_item
from analysis_jobs.worker.message import Message
from tests.handlers.aws import client
from tests.handlers.builders import MINUTE, QUEUE_ARN, START, Shop, Value, a_job, a_processing_job
from tests.handlers.erasures import DAY, Place, an_ended_job, in_memory, on_aws

_numbers = count(1)


@pytest.fixture(params=["memory", "aws"])
def place(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Place]:
    """Return a stack. A test that uses it runs once in memory and once on moto."""
    if request.param == "memory":
        yield in_memory(clock)
        return
    with mock_aws():
        yield on_aws(clock, f"erasing-{next(_numbers)}")


def a_document() -> str:
    return f"{new_id(START - DAY)}/jane-doe.pdf"


def test_a_subject_is_erased_with_everything_and_others_stay(place: Place) -> None:
    document = a_document()
    job = an_ended_job(place, documents=[document])
    second = an_ended_job(place)
    other = an_ended_job(place, "users/8")
    receipt = place.erase(subject="users/7")
    assert receipt.complete
    shown = receipt.as_json()
    counts = {kind: found["count"] for kind, found in shown["removed"].items()}
    assert counts == {
        "dead_letters": 2,
        "idempotency_keys": 2,
        "job_files": 6,
        "jobs": 2,
        "rate_pointers": 1,
        "subject_pointers": 1,
        "uploads": 1,
    }
    assert shown["removed"]["jobs"]["ids"] == sorted([job.job_id, second.job_id])
    assert "jane-doe" not in json.dumps(shown)
    assert {each["where"] for each in shown["out_of_reach"]} >= {"the vendor of the model"}
    assert place.store.get(job.key) is None
    assert place.store.latest("acme", job.analysis, "users/7") is None
    assert place.store.get(other.key) == other
    assert place.store.latest("acme", other.analysis, "users/8") == other
    assert {key.split("/")[2] for key in place.stored()} == {other.job_id}
    assert place.dead_letters() == 1
    assert list(place.store.list_jobs(Listing("acme")).jobs) == [other]
    assert list(place.store.list_jobs(Listing("acme", subject="users/7")).jobs) == []
    left = [item for item in place.rows.items("acme") if isinstance(item, Tombstone)]
    assert [each.remains for each in left] == [None, None]


def test_one_job_is_erased_and_its_subject_points_to_the_job_before(place: Place) -> None:
    first, newest = an_ended_job(place), an_ended_job(place)
    receipt = place.erase(job=newest.key)
    assert receipt.complete
    assert place.store.get(first.key) == first
    assert place.store.latest("acme", first.analysis, "users/7") == first
    assert {key.split("/")[2] for key in place.stored()} == {first.job_id}


def test_a_job_is_found_below_its_client_and_project(place: Place) -> None:
    job = an_ended_job(place, client="Jane & Co", project="p/1")
    assert place.stored(job_folder(job))
    assert place.erase(job=job.key).complete
    assert place.stored() == []


def test_a_tenant_is_erased_with_uploads_that_no_job_used_and_other_tenants_stay(place: Place) -> None:
    an_ended_job(place)
    an_ended_job(place, None)
    unused = a_document()
    place.artifacts.write(upload_key("acme", unused), b"unused", "application/pdf")
    place.artifacts.write(upload_key("acme.x", unused), b"of another tenant", "application/pdf")
    stranger = a_job(tenant="acme.x")
    place.store.create(stranger, None)
    receipt = place.erase()
    assert receipt.complete
    assert receipt.removed["uploads"] == [unused.partition("/")[0]]
    assert place.stored() == [upload_key("acme.x", unused)]
    assert place.items() == ["Tombstone", "Tombstone"]
    assert place.store.get(stranger.key) == stranger


def test_a_document_that_another_job_names_stays(place: Place) -> None:
    document = a_document()
    job = an_ended_job(place, documents=[document])
    other = an_ended_job(place, "users/8", [document])
    receipt = place.erase(job=job.key)
    assert receipt.complete
    [kept] = receipt.kept
    assert (kept["kind"], kept["id"]) == ("upload", document.partition("/")[0])
    assert other.job_id in kept["why"]
    assert upload_key("acme", document) in place.stored()


def test_a_dry_run_lists_and_changes_nothing(place: Place) -> None:
    job = an_ended_job(place, documents=[a_document()])
    before = (place.items(), place.stored(), place.dead_letters())
    receipt = place.erase(subject="users/7", dry_run=True)
    shown = receipt.as_json()
    assert not shown["complete"]
    assert shown["found"]["jobs"]["ids"] == [job.job_id]
    assert {kind: each["count"] for kind, each in shown["found"].items()} == {
        "dead_letters": 1,
        "idempotency_keys": 1,
        "job_files": 3,
        "jobs": 1,
        "rate_pointers": 1,
        "subject_pointers": 1,
        "uploads": 1,
    }
    assert (place.items(), place.stored(), place.dead_letters()) == before
    assert place.store.get(job.key) == job


def test_after_an_erasure_the_same_idempotency_key_makes_a_new_job(place: Place) -> None:
    job = an_ended_job(place)
    place.erase(job=job.key)
    key = IdempotencyKey(f"digest-{job.job_id}", "body", START + DAY)
    again = a_job(subject="users/7")
    assert place.store.create(again, key) == Created(again)
    assert place.store.get(again.key) == again


def test_a_late_copy_of_the_submission_does_not_bring_the_job_back(place: Place) -> None:
    job = an_ended_job(place)
    place.erase(job=job.key)
    key = IdempotencyKey(f"digest-{job.job_id}", "body", START + DAY)
    for idempotency in (None, key):
        assert place.store.create(job, idempotency) == Created(job)
        assert place.store.get(job.key) is None
    assert place.store.stored_outcome("acme", key, START) is None
    assert place.items() == ["Tombstone"]


def test_no_transition_applies_to_an_erased_job(place: Place) -> None:
    job = an_ended_job(place)
    place.erase(job=job.key)
    for transition in ALL:
        outcome = place.store.transition(job.key, transition, Changes(), now=START, read=job)
        assert outcome == ConditionFailed(None, erased=True), transition.name
    assert place.items() == ["Tombstone"]


def test_a_queued_job_is_cancelled_and_erased(place: Place) -> None:
    job = a_job()
    place.store.create(job, None)
    place.clock.advance(MINUTE)
    assert place.erase(job=job.key).complete
    assert place.items() == ["Tombstone"]


def test_a_running_job_is_asked_to_stop_and_stays_until_it_has(place: Place) -> None:
    job = a_processing_job()
    place.store.create(job, None)
    receipt = place.erase(job=job.key)
    assert not receipt.complete
    assert receipt.left == {"jobs": [job.job_id]}
    stored = place.store.get(job.key)
    assert stored is not None
    assert stored.cancel_asked_at == START
    place.clock.advance(2 * MINUTE)  # the worker is dead: its lease has ended
    assert not place.erase(job=job.key).left
    assert place.store.get(job.key) is None


def test_files_that_a_stopped_worker_still_writes_are_found_by_another_run(place: Place) -> None:
    job = an_ended_job(place, history=a_claim_now())
    receipt = place.erase(job=job.key)
    assert receipt.left == {}
    assert receipt.again_at is not None
    assert not receipt.complete
    place.artifacts.write(f"{job_folder(job)}/files/late.pdf", b"late", "application/pdf")
    place.clock.advance(receipt.again_at - place.clock.now())
    again = place.erase(job=job.key)
    assert again.removed["job_files"] == [job.job_id]
    assert again.complete
    assert place.stored() == []


def a_claim_now() -> Any:
    return (HistoryEntry(START, "claim", Status.PROCESSING),)


@pytest.mark.parametrize("scope", [Scope("acme"), Scope("acme", subject="users/7")], ids=["tenant", "subject"])
def test_an_erasure_that_dies_at_any_write_is_finished_by_another_run(place: Place, scope: Scope) -> None:
    class Dead(BaseException):
        """Stands for a killed process."""

    def dying(target: Any, names: tuple[str, ...], left: list[int]) -> Any:
        class Dying:
            def __getattr__(self, name: str) -> Any:
                found = getattr(target, name)
                if name not in names:
                    return found

                def call(*given: Any, **options: Any) -> Any:
                    left[0] -= 1
                    if left[0] < 0:
                        raise Dead
                    return found(*given, **options)

                return call

        return Dying()

    died = 0
    while True:
        an_ended_job(place, documents=[a_document()])
        left = [died]
        erasure = replace(
            place.erasure,
            rows=dying(place.rows, ("bury", "settle", "remove", "repoint"), left),
            files=dying(place.files, ("remove",), left),
            messages=dying(place.messages, ("drain",), left),
        )
        try:
            erasure.run(scope, by="an operator")
        except Dead:
            died += 1
        else:
            break
        assert place.erasure.run(scope, by="an operator").complete
        assert place.stored() == []
        assert set(place.items()) == {"Tombstone"}
        assert place.dead_letters() == 0
    assert died > 6


def test_every_version_and_every_delete_marker_goes(clock: ManualClock) -> None:
    with mock_aws():
        place = on_aws(clock, "versions")
        job = an_ended_job(place)
        key = f"{job_folder(job)}/files/report.pdf"
        place.artifacts.write(key, b"newer", "application/pdf")
        client("s3").delete_object(Bucket="versions", Key=place.prefix + key)
        client("s3").put_object(Bucket="versions", Key="elsewhere", Body=b"of another stack")
        receipt = place.erase(job=job.key)
        assert (len(receipt.removed["job_files"]), len(receipt.removed["job_files_markers"])) == (4, 1)
        assert receipt.complete
        left = client("s3").list_object_versions(Bucket="versions")
        assert [each["Key"] for each in left["Versions"]] == ["elsewhere"]
        assert "DeleteMarkers" not in left


def test_a_version_that_s3_does_not_delete_is_in_the_receipt(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = in_memory(clock)
    job = an_ended_job(place)
    monkeypatch.setattr(
        "analysis_jobs.stores.memory_erasing.MemoryFiles.remove",
        lambda _, versions: dict.fromkeys(versions, "AccessDenied"),
    )
    receipt = place.erase(job=job.key)
    assert not receipt.complete
    assert {each["why"] for each in receipt.kept} == {"S3 refused to delete a version: AccessDenied"}
    assert receipt.left["job_files"] == [job.job_id] * 3


def test_notes_of_the_events_function_are_drained_and_other_messages_stay(clock: ManualClock) -> None:
    with mock_aws():
        place = on_aws(clock, "notes")
        job = an_ended_job(place)
        key = {"tenant": {"S": "acme"}, "item": {"S": f"job#{job.job_id}"}}
        place.put_dead_letter({"problem": "broken", "keys": key})
        place.put_dead_letter({"problem": "no row at all", "keys": None})
        place.sqs.send_message(QueueUrl=place.queue, MessageBody="not JSON")
        place.put_dead_letter({"tenant": "globex", "job_id": job.job_id})
        receipt = place.erase(job=job.key)
        assert receipt.removed["dead_letters"] == [job.job_id] * 2
        assert place.dead_letters() == 3


def test_a_broken_row_goes_with_its_tenant(clock: ManualClock) -> None:
    with mock_aws():
        place = on_aws(clock, "broken")
        item = to_item(a_job()) | {"created_at": {"S": "yesterday"}}
        client("dynamodb").put_item(TableName="broken", Item=item)
        receipt = place.erase()
        assert receipt.complete
        assert len(receipt.removed["broken_rows"]) == 1
        assert place.items() == []


def test_the_message_of_an_erased_job_is_acknowledged() -> None:
    shop = Shop([never])
    key = shop.keep()
    shop.clock.advance(MINUTE)
    place = in_memory(shop.clock)
    place = replace(place, store=shop.store, rows=MemoryRows(shop.store))
    assert place.erase(job=key).complete
    shop.worker.handle(Message(key, QUEUE_ARN, "receipt"))  # else it raises `UnknownJob`
    assert shop.sweeper.sweep() == {}
    assert shop.store.jobs == {}


def never(_: Any) -> Value:
    raise AssertionError("an erased job runs")


def test_a_tombstone_makes_no_event() -> None:
    job = a_job()
    image = tombstone_item(Tombstone(job.key, START, None))
    change = {"Keys": {"tenant": image["tenant"], "item": image["item"]}, "NewImage": image, "OldImage": to_item(job)}
    assert read_change({"eventName": "MODIFY", "dynamodb": change}) is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"tenant": "a#b"}, "not a tenant"),
        ({"tenant": "acme", "job_id": "x"}, "not the id of a job"),
        ({"tenant": "acme", "job_id": new_id(START), "subject": "s"}, "not both"),
    ],
)
def test_a_wrong_scope_is_refused(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Scope(**given)
