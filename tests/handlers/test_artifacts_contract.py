"""Contract of every artifact store, and of the payloads kept in it. Each test runs in memory and with S3."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from moto import mock_aws

from analysis_jobs.base.settings import MAX_INLINE_BYTES
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, load_json, store_json
from analysis_jobs.jobs.ports import ArtifactStore, NotFound, TooLarge
from analysis_jobs.jobs.record import Payload
from analysis_jobs.stores.memory import MemoryArtifactStore
from analysis_jobs.stores.s3 import S3ArtifactStore
from tests.handlers.aws import REGION, client
from tests.handlers.builders import a_job

PREFIX = "teams/analysis/"

_numbers = count(1)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        yield client("s3")


@pytest.fixture
def s3_artifacts(s3: Any) -> S3ArtifactStore:
    bucket = f"artifacts-{next(_numbers)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3ArtifactStore(s3, bucket)


@pytest.fixture
def versioned_artifacts(s3: Any) -> S3ArtifactStore:
    """Return the store over a bucket with versions, as the module makes it."""
    bucket = f"artifacts-{next(_numbers)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return S3ArtifactStore(s3, bucket)


@pytest.fixture
def prefixed_artifacts(s3: Any) -> S3ArtifactStore:
    """Return the store below a prefix of a bucket that others use too."""
    bucket = f"artifacts-{next(_numbers)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return S3ArtifactStore(s3, bucket, PREFIX)


@pytest.fixture(params=["memory", "s3", "versioned", "prefixed"])
def artifacts(request: pytest.FixtureRequest) -> ArtifactStore:
    if request.param == "memory":
        return MemoryArtifactStore()
    found: ArtifactStore = request.getfixturevalue(f"{request.param}_artifacts")
    return found


@pytest.mark.parametrize("body", [b"", b"\x00\xff", "経済".encode() * 100_000])
def test_a_written_artifact_is_read_back(artifacts: ArtifactStore, body: bytes) -> None:
    artifacts.write("jobs/acme@x.org:1/j/1-result.json", body, "application/json")
    assert artifacts.read("jobs/acme@x.org:1/j/1-result.json", len(body)) == body


def test_a_second_write_replaces_the_first(artifacts: ArtifactStore) -> None:
    artifacts.write("k", b"first", "text/plain")
    artifacts.write("k", b"second", "text/plain")
    assert artifacts.read("k", 100) == b"second"


def test_a_version_keeps_its_bytes_when_the_artifact_is_replaced(artifacts: ArtifactStore) -> None:
    artifacts.write("k", b"first", "text/plain")
    first = artifacts.current_version("k")
    assert first
    assert artifacts.read("k", 100, first) == b"first"
    artifacts.write("k", b"second", "text/plain")
    assert artifacts.current_version("k") != first
    assert artifacts.read("k", 100) == b"second"
    if isinstance(artifacts, S3ArtifactStore) and first.startswith('"'):  # the bucket does not keep old versions
        with pytest.raises(NotFound):
            artifacts.read("k", 100, first)
    else:
        assert artifacts.read("k", 100, first) == b"first"


def test_a_missing_artifact_has_no_version(artifacts: ArtifactStore) -> None:
    assert artifacts.current_version("uploads/acme/1/a.pdf") is None


def test_an_artifact_is_read_only_if_it_is_old_enough(artifacts: ArtifactStore) -> None:
    artifacts.write("k", b"x", "text/plain")
    assert artifacts.read("k", 100, datetime.now(UTC) + timedelta(minutes=1)) == b"x"
    assert artifacts.current_version("late") is None
    artifacts.write("late", b"x", "text/plain")
    with pytest.raises(NotFound):
        artifacts.read("late", 100, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_version_that_does_not_exist_is_not_found(artifacts: ArtifactStore) -> None:
    artifacts.write("k", b"x", "text/plain")
    with pytest.raises(NotFound):
        artifacts.read("k", 100, '"0123"')


def test_write_once_keeps_the_first_content(artifacts: ArtifactStore) -> None:
    assert artifacts.write_once("k", b"first", "text/plain")
    assert not artifacts.write_once("k", b"second", "text/plain")
    assert artifacts.read("k", 100) == b"first"


def test_a_missing_artifact_is_not_found(artifacts: ArtifactStore) -> None:
    artifacts.write("jobs/acme/1", b"x", "text/plain")
    for key in ("jobs/acme/2", "jobs/acme", "jobs/acme/1/"):
        with pytest.raises(NotFound, match=key):
            artifacts.read(key, 100)


def test_an_artifact_over_the_limit_is_refused_with_its_size(artifacts: ArtifactStore) -> None:
    artifacts.write("k", b"12345", "text/plain")
    assert artifacts.read("k", 5) == b"12345"
    with pytest.raises(TooLarge) as refusal:
        artifacts.read("k", 4)
    assert refusal.value.size == 5


def test_an_upload_form_is_for_one_key_and_one_content_type(artifacts: ArtifactStore) -> None:
    form = artifacts.presign_post("uploads/acme/1/a.pdf", "application/pdf", 10, timedelta(hours=1))
    assert form.fields["key"].removeprefix(PREFIX) == "uploads/acme/1/a.pdf"
    assert form.fields["Content-Type"] == "application/pdf"


def test_an_s3_upload_form_is_signed_for_exactly_its_size(s3_artifacts: S3ArtifactStore) -> None:
    form = s3_artifacts.presign_post("uploads/acme/1/a.pdf", "application/pdf", 10, timedelta(hours=1))
    conditions = json.loads(base64.b64decode(form.fields["policy"]))["conditions"]
    assert ["content-length-range", 10, 10] in conditions
    assert {"Content-Type": "application/pdf"} in conditions
    assert {"key": "uploads/acme/1/a.pdf"} in conditions


def test_a_download_link_is_for_one_artifact_with_a_file_name(artifacts: ArtifactStore) -> None:
    link = artifacts.presign_get("jobs/acme/1/files/2/a.csv", "a.csv", "text/csv", timedelta(minutes=5))
    assert "/jobs/acme/1/files/2/a.csv?" in link
    assert "a.csv" in link.partition("?")[2]


def test_an_s3_download_link_sets_file_name_and_type_and_expires(s3_artifacts: S3ArtifactStore) -> None:
    link = s3_artifacts.presign_get("jobs/acme/C!20D/a.csv", "a.csv", "text/csv; charset=utf-8", timedelta(minutes=5))
    query = parse_qs(urlsplit(link).query)
    assert query["response-content-disposition"] == ['attachment; filename="a.csv"']
    assert query["response-content-type"] == ["text/csv; charset=utf-8"]
    assert query.get("X-Amz-Expires", ["300"]) == ["300"]


# Payloads


@pytest.mark.parametrize("value", [None, 0, "", [], {}, {"text": "Ökonomie 経済 \U0001f4c8 \x00"}, [1.5, True, None]])
def test_a_small_value_is_kept_in_the_row(artifacts: ArtifactStore, value: Any) -> None:
    payload = store_json(artifacts, a_job(), "result", value)
    assert payload.key is None
    assert load_json(artifacts, payload) == value


def test_a_row_without_a_payload_loads_none(artifacts: ArtifactStore) -> None:
    assert load_json(artifacts, Payload()) is None


def test_a_value_over_the_row_limit_is_kept_in_the_bucket(artifacts: ArtifactStore) -> None:
    job = a_job(fence=7)
    fits = "é" * ((MAX_INLINE_BYTES - 2) // 2)  # two bytes for each letter, and the quotes
    assert store_json(artifacts, job, "result", fits).key is None
    payload = store_json(artifacts, job, "result", f"{fits}x")
    assert payload == Payload(key=f"jobs/acme/{job.job_id}/7-result.json")
    assert load_json(artifacts, payload) == f"{fits}x"


def test_a_stale_worker_does_not_overwrite_the_artifact_of_a_newer_worker(artifacts: ArtifactStore) -> None:
    job = a_job()
    newer, stale = (a_job(job_id=job.job_id, fence=fence) for fence in (2, 1))
    kept = store_json(artifacts, newer, "result", ["newer"] * 10_000)
    store_json(artifacts, stale, "result", ["stale"] * 10_000)
    assert load_json(artifacts, kept)[0] == "newer"


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], "half of a pair: \ud83d"])
def test_a_value_that_could_not_be_read_back_is_not_stored(artifacts: ArtifactStore, value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        store_json(artifacts, a_job(), "result", value)


def test_a_value_too_large_to_be_read_back_is_not_stored(artifacts: ArtifactStore) -> None:
    largest = "x" * (MAX_PAYLOAD_BYTES - 2)
    assert load_json(artifacts, store_json(artifacts, a_job(), "result", largest)) == largest
    with pytest.raises(TooLarge) as refusal:
        store_json(artifacts, a_job(), "result", f"{largest}x")
    assert refusal.value.size == MAX_PAYLOAD_BYTES + 1


def test_below_a_prefix_nothing_else_of_the_bucket_is_read_or_written(
    s3: Any, prefixed_artifacts: S3ArtifactStore
) -> None:
    bucket = f"artifacts-{next(_numbers) - 1}"
    s3.put_object(Bucket=bucket, Key="jobs/theirs", Body=b"of another team")
    with pytest.raises(NotFound):
        prefixed_artifacts.read("jobs/theirs", 100)
    assert prefixed_artifacts.current_version("jobs/theirs") is None
    prefixed_artifacts.write("jobs/ours", b"1", "text/plain")
    assert prefixed_artifacts.write_once("jobs/once", b"1", "text/plain")
    form = prefixed_artifacts.presign_post("uploads/acme/a", "text/plain", 1, timedelta(minutes=1))
    link = urlsplit(prefixed_artifacts.presign_get("jobs/ours", "a.txt", "text/plain", timedelta(minutes=1)))
    assert form.fields["key"] == f"{PREFIX}uploads/acme/a"
    assert link.path.endswith(f"/{PREFIX}jobs/ours")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["jobs/theirs", f"{PREFIX}jobs/once", f"{PREFIX}jobs/ours"]
