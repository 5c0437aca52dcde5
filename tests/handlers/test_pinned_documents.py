"""The bytes of a document cannot change after the submission, although the upload form can be used again."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Document, Job
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.pinned import PinnedVersions
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import JobKey, JobRecord, Payload
from analysis_jobs.jobs.request_errors import IdempotencyKeyReusedError, InvalidRequestError
from analysis_jobs.stores.memory import MemoryArtifactStore
from analysis_jobs.submission.pins import MAX_DOCUMENTS, pin_documents
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.builders import START, Shop, Value, a_job

FIRST, SECOND = (f"{new_id(START)}/{name}" for name in ("first.txt", "second.txt"))


class Letters(BaseModel):
    letter: Document
    more: list[dict[str, str]] = []


def texts(job: Job[Letters]) -> Value:
    names = [job.request.letter, *(each["document"] for each in job.request.more)]
    return Value(text=" | ".join(job.text(name) for name in names))


def shop() -> Shop:
    return Shop([texts], request=Letters)


def submitted(shop: Shop, given: dict[str, Any], key: str | None = None) -> JobKey:
    analysis = Analysis("valuation", request=Letters, result=Value, stages=[texts])
    service = SubmissionService(shop.store, shop.queue, shop.artifacts, Analyses([analysis]), shop.settings, shop.clock)
    return service.submit("acme", Submission(analysis="valuation", input=given), key).key


def put(shop: Shop, document: str, text: str, tenant: str = "acme") -> None:
    shop.artifacts.write(upload_key(tenant, document), text.encode(), "text/plain")


def result_of(shop: Shop, key: JobKey) -> Any:
    job = shop.deliver(key)
    assert job.result, job.failure
    return json.loads(job.result.text or "")["text"]


def test_a_document_that_is_replaced_after_the_submission_is_read_as_it_was() -> None:
    desk = shop()
    put(desk, FIRST, "approved")
    put(desk, SECOND, "also approved")
    key = submitted(desk, {"letter": FIRST, "more": [{"document": SECOND}]})
    put(desk, FIRST, "forged")
    put(desk, SECOND, "forged too")
    assert result_of(desk, key) == "approved | also approved"


def test_a_job_that_is_submitted_after_the_replacement_reads_the_new_bytes() -> None:
    desk = shop()
    put(desk, FIRST, "old")
    put(desk, FIRST, "new")
    assert result_of(desk, submitted(desk, {"letter": FIRST})) == "new"


def test_every_attempt_reads_the_same_bytes() -> None:
    desk = shop()
    put(desk, FIRST, "approved")
    key = submitted(desk, {"letter": FIRST})
    desk.another_worker_claims(key)
    desk.let_the_lease_run_out(key)
    put(desk, FIRST, "forged")
    assert result_of(desk, key) == "approved"


def test_a_document_that_is_uploaded_after_the_submission_is_not_read() -> None:
    desk = shop()
    key = submitted(desk, {"letter": FIRST})
    put(desk, FIRST, "too late")
    failure = desk.deliver(key).failure
    assert failure
    assert failure.code == "document_not_found"
    assert "was not uploaded before the job was submitted" in failure.message


def test_a_submitter_without_the_permission_to_see_documents_can_submit_those_that_are_there() -> None:
    desk = shop()
    put(desk, FIRST, "there")
    with patch.object(MemoryArtifactStore, "current_version", lambda *_: None):
        key = submitted(desk, {"letter": FIRST})
    assert result_of(desk, key) == "there"


def test_the_document_of_another_tenant_is_not_pinned_and_not_read() -> None:
    desk = shop()
    put(desk, FIRST, "theirs", tenant="other")
    failure = desk.deliver(submitted(desk, {"letter": FIRST})).failure
    assert failure
    assert failure.code == "document_not_found"


def test_a_job_of_an_earlier_version_of_the_library_reads_the_newest_bytes() -> None:
    desk = shop()
    put(desk, FIRST, "old")
    put(desk, FIRST, "new")
    assert result_of(desk, desk.keep(input=Payload(json.dumps({"letter": FIRST})))) == "new"


@pytest.mark.parametrize("count", [1, 2, 60])
def test_the_pins_are_a_json_object_that_the_row_names(count: int) -> None:
    artifacts = MemoryArtifactStore()
    names = [f"{new_id(START)}/{number}.txt" for number in range(count)]
    for name in names[1:]:
        artifacts.write(upload_key("acme", name), name.encode(), "text/plain")
    job = a_job()
    payload = pin_documents(artifacts, job, {"of": [{"any": names}, "depth", 7, None]})
    assert payload
    assert (payload.key is None) is (count < 60), "a long list goes to the bucket"
    pins = PinnedVersions(artifacts, payload, START)
    for name in names[1:]:
        assert artifacts.read(upload_key("acme", name), 100, pins.version_of(name)) == name.encode()


def test_a_repeated_submission_asks_the_bucket_for_nothing() -> None:
    desk = shop()
    put(desk, FIRST, "approved")
    small, large = {"letter": FIRST}, {"letter": FIRST, "more": [{"document": "x" * 40_000}]}
    keys = [submitted(desk, small, "one"), submitted(desk, large, "two")]
    stored = dict(desk.artifacts.objects)

    def unexpected(*_: object) -> str:
        raise AssertionError("a request to the bucket")

    with patch.object(MemoryArtifactStore, "current_version", unexpected):
        assert [submitted(desk, small, "one"), submitted(desk, large, "two")] == keys
        with pytest.raises(IdempotencyKeyReusedError):
            submitted(desk, {"letter": SECOND}, "one")
    assert desk.artifacts.objects == stored


def test_an_input_without_documents_costs_no_request() -> None:
    class NoRequests(MemoryArtifactStore):
        def current_version(self, key: str) -> str | None:
            raise AssertionError(key)

    assert pin_documents(NoRequests(), a_job(), {"text": "a/b.txt", "n": 1}) is None


def test_too_many_documents_are_refused() -> None:
    names = [f"{new_id(START)}/a.txt" for _ in range(MAX_DOCUMENTS + 1)]
    with pytest.raises(InvalidRequestError, match="names 501 documents; give at most 500"):
        pin_documents(MemoryArtifactStore(), a_job(), names)


def test_a_retry_keeps_the_pins() -> None:
    from analysis_jobs.jobs.record import _CHANGEABLE  # noqa: PLC0415 - what a transition may write

    assert "documents" not in _CHANGEABLE
    assert "documents" in JobRecord.__dataclass_fields__
