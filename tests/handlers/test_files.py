"""Named files: listed with the stage that saved them, from the latest attempt, never from a stale worker."""

import pytest
from pydantic import BaseModel

from analysis_jobs import Fail, Job, Retry
from analysis_jobs.authoring.files import MAX_FILE_BYTES, MAX_FILES, Files, file_key, json_file
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.jobs.record import StoredFile
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.handlers.attempts import Diary, run
from tests.handlers.builders import SECOND, START, Book, Shop, Value, a_processing_job

CLAIMED = a_processing_job(fence=3)


def _content(shop: Shop, job: object, name: str) -> bytes:
    assert hasattr(job, "files")
    return shop.artifacts.objects[file_key(job, name, job.files[name])]  # type: ignore[arg-type]


def test_a_file_is_stored_under_the_fencing_token_of_its_attempt_and_listed_in_the_row() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", b"text", "text/plain")
        job.save_json("b.json", {"x": Value(text="\u00e4"), "at": START})
        return Value(text="x")

    shop = Shop([write])
    job = run(shop)
    size = len(_content(shop, job, "b.json"))
    assert job.files == {"a.txt": StoredFile(1, 4, "text/plain"), "b.json": StoredFile(1, size, "application/json")}
    assert shop.artifacts.objects[f"jobs/acme/{job.job_id}/files/1/a.txt"] == b"text"
    assert '"text": "\u00e4"'.encode() in _content(shop, job, "b.json")


def test_a_file_is_listed_at_the_end_of_its_stage_without_an_extra_write() -> None:
    seen: list[object] = []

    def first(job: Job[Book]) -> Value:
        versions.append(shop.job(key).version)
        job.save_file("a.txt", b"1", "text/plain")
        seen.append(dict(shop.job(key).files))
        return Value(text="x")

    def second(job: Job[Book]) -> Value:
        versions.append(shop.job(key).version)
        seen.append(sorted(shop.job(key).files))
        job.save_file("b.txt", b"2", "text/plain")
        job.checkpoint("part", 1)
        seen.append(sorted(shop.job(key).files))
        return Value(text="x")

    versions: list[int] = []
    shop = Shop([first, second])
    key = shop.keep()
    shop.deliver(key)
    assert seen == [{}, ["a.txt"], ["a.txt", "b.txt"]]
    assert versions[1] - versions[0] == 1


def test_a_later_attempt_replaces_the_file_of_an_earlier_attempt() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", f"attempt {job.attempt}".encode(), "text/plain")
        diary.note("written")
        return Value(text="x")

    diary, shop = Diary(fails=["written"]), Shop([write])
    job = run(shop)
    assert (job.attempt, _content(shop, job, "a.txt")) == (2, b"attempt 2")


def test_the_file_of_a_finished_stage_stays_when_a_later_stage_is_retried() -> None:
    def first(job: Job[Book]) -> Value:
        diary.note("first")
        job.save_file("a.txt", b"1", "text/plain")
        return Value(text="x")

    def second(job: Job[Book]) -> Value:
        diary.note("second")
        job.save_file("b.txt", b"2", "text/plain")
        return Value(text="x")

    diary, shop = Diary(fails=["second"]), Shop([first, second])
    job = run(shop)
    assert diary.done == ["first", "second", "second"]
    assert {name: file.fence for name, file in job.files.items()} == {"a.txt": 1, "b.txt": 2}


def test_the_file_of_a_stale_worker_is_never_listed() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", b"stale", "text/plain")
        shop.another_worker_claims(key)
        return Value(text="x")

    shop = Shop([write])
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, job.fence, job.files) == (Status.PROCESSING, 2, {})


def test_a_stale_worker_does_not_overwrite_the_file_of_a_newer_worker() -> None:
    artifacts = MemoryArtifactStore()
    newer, stale = Files(a_processing_job(job_id=CLAIMED.job_id, fence=4), artifacts), Files(CLAIMED, artifacts)
    newer.save("a.txt", b"newer", "text/plain")
    stale.save("a.txt", b"stale", "text/plain")
    stored = newer.changes()["files"]["a.txt"]
    assert artifacts.objects[file_key(CLAIMED, "a.txt", stored)] == b"newer"


def test_a_heartbeat_does_not_write_the_list_of_files() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", b"1", "text/plain")
        shop.clock.step(15 * SECOND)
        seen.append(dict(shop.job(key).files))
        return Value(text="x")

    seen: list[object] = []
    shop = Shop([write])
    key = shop.keep()
    assert list(shop.deliver(key).files) == ["a.txt"]
    assert seen == [{}]


def test_the_files_of_a_failed_job_can_be_downloaded() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", b"why", "text/plain")
        raise Fail("no_good", "see a.txt")

    job = run(Shop([write]))
    assert (job.status, list(job.files)) == (Status.FAILED, ["a.txt"])


def test_files_saved_in_threads_are_all_kept() -> None:
    def write(job: Job[Book]) -> Value:
        job.each(range(20), lambda number: job.save_file(f"{number}.txt", b"x", "text/plain"), at_once=5)
        return Value(text="x")

    assert len(run(Shop([write])).files) == 20


# Write-once files


def test_a_write_once_file_is_listed_and_keeps_its_first_content() -> None:
    def write(job: Job[Book]) -> Value:
        fresh = job.write_once("a.txt", f"attempt {job.attempt}".encode(), "text/plain")
        diary.note(f"new {fresh}")
        return Value(text="x")

    diary, shop = Diary(fails=["new True"]), Shop([write])
    job = run(shop)
    assert diary.done == ["new True", "new False"]
    assert job.files == {"a.txt": StoredFile(0, 9, "text/plain")}
    assert _content(shop, job, "a.txt") == b"attempt 1"


def test_a_file_left_by_a_crashed_attempt_is_listed_with_its_real_size() -> None:
    artifacts = MemoryArtifactStore()
    Files(CLAIMED, artifacts).save_once("a.txt", b"of the dead", "text/plain")
    files = Files(CLAIMED, artifacts)
    assert not files.save_once("a.txt", b"x", "text/plain")
    assert files.changes() == {"files": {"a.txt": StoredFile(0, 11, "text/plain")}}


# Refusals


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "a" * 129, "\u00e4.txt"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(Fail) as refused:
        Files(CLAIMED, MemoryArtifactStore()).save(name, b"x", "text/plain")
    assert refused.value.code == "file_name_invalid"


@pytest.mark.parametrize("content_type", ["", "text", "text/plain\r\nSet-Cookie: x=1", "text/" + "x" * 81])
def test_an_invalid_content_type_is_a_programming_error(content_type: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a content type"):
        Files(CLAIMED, MemoryArtifactStore()).save("a.txt", b"x", content_type)


def test_one_file_too_many_is_refused_but_a_file_may_be_replaced() -> None:
    files = Files(CLAIMED, MemoryArtifactStore())
    for number in range(MAX_FILES):
        files.save(f"{number}.txt", b"x", "text/plain")
    files.save("0.txt", b"y", "text/plain")
    with pytest.raises(Fail) as refused:
        files.save("more.txt", b"x", "text/plain")
    assert refused.value.code == "files_too_many"


def test_a_too_large_file_is_refused_before_it_is_written() -> None:
    artifacts = MemoryArtifactStore()
    with pytest.raises(Fail) as refused:
        Files(CLAIMED, artifacts).save("a.bin", bytes(MAX_FILE_BYTES + 1), "application/zip")
    assert (refused.value.code, artifacts.objects) == ("file_too_large", {})


class Ratio(BaseModel):
    value: float


@pytest.mark.parametrize("value", [float("nan"), object(), Ratio(value=float("inf")), "\ud83d"])
def test_a_value_that_is_not_json_is_refused_as_a_json_file(value: object) -> None:
    with pytest.raises(Fail) as refused:
        json_file("a.json", [value])
    assert refused.value.code == "file_invalid"


def test_an_attempt_that_must_wait_lists_the_files_it_saved() -> None:
    def write(job: Job[Book]) -> Value:
        job.save_file("a.txt", b"1", "text/plain")
        raise Retry("later", "later", after=SECOND)

    shop = Shop([write])
    key = shop.keep()
    job = shop.deliver(key)
    assert (job.status, list(job.files)) == (Status.QUEUED, ["a.txt"])
