"""Keys that contain text of callers: one that DynamoDB cannot store is refused, and the error names field and limit."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from analysis_jobs import Admission, Analysis, Rate
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.key_limits import (
    MAX_SORT_KEY_BYTES,
    check_rate,
    check_subject,
    rate_sort_key,
    subject_sort_key,
)
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from tests.handlers.builders import Value, some_settings


class Message(BaseModel):
    user: str
    channel: str = "c"


def answer(_job: object) -> Value:
    return Value(text="x")


LIMITED = Analysis(
    "chat",
    request=Message,
    result=Value,
    stages=[answer],
    admission=Admission(one_active=False, at_most=Rate(2, per=timedelta(hours=1), of="{user}/{channel}")),
)


@pytest.fixture
def submissions(store: JobStore, clock: ManualClock) -> SubmissionService:
    settings = some_settings(queue_urls={"medium": "m"})
    return SubmissionService(store, MemoryQueue(), MemoryArtifactStore(), Analyses([LIMITED]), settings, clock)


def submission(user: str) -> Submission:
    return Submission(analysis="chat", subject="s", input={"user": user})


def test_a_rate_key_of_the_largest_size_is_stored(submissions: SubmissionService) -> None:
    user = "\U0001f4c8" * 252 + "xxx"
    assert len(rate_sort_key("chat", f"{user}/c").encode()) == MAX_SORT_KEY_BYTES - 1
    assert submissions.submit("acme", submission(f"{user}x")).status == "queued"


@pytest.mark.parametrize("character", ["x", "\u00e4", "\u20ac", "\U0001f4c8"])
def test_a_rate_key_that_dynamodb_cannot_store_is_refused(submissions: SubmissionService, character: str) -> None:
    user = character * 1_013
    with pytest.raises(InvalidRequestError) as refused:
        submissions.submit("acme", submission(user))
    assert [error.field for error in refused.value.errors] == ["input.channel", "input.user"]
    size = len(user.encode()) + len("/c")
    message = "the rate limit's key has {} bytes in UTF-8; at most 1014 bytes are allowed: give a shorter text"
    assert refused.value.errors[0].message == message.format(size)


def test_the_whole_key_is_measured() -> None:
    limit = MAX_SORT_KEY_BYTES - len(subject_sort_key("a" * 63, ""))
    check_subject("a" * 63, "\u00e4" * (limit // 2))
    with pytest.raises(
        InvalidRequestError, match=f"subject: the subject has {limit + 1} bytes .* at most {limit} bytes"
    ):
        check_subject("a" * 63, "x" * (limit + 1))
    check_rate("a", "x" * (MAX_SORT_KEY_BYTES - len(rate_sort_key("a", ""))), [])
