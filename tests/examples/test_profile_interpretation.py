"""profile-interpretation on the local cloud: HTTP, three triggers, three lanes, a hundred simultaneous callers."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest

from analysis_jobs.authoring.analysis import load_analyses
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.settings import Settings
from analysis_jobs.client import Rejected, Unreachable
from analysis_jobs.jobs.admission import Outcome
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.submission.admission_service import SubmissionResult
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY
from tests.examples import canaries
from tests.system.watching import calls_of, until

pytestmark = pytest.mark.system

EXAMPLE = "profile-interpretation"
DOCUMENTS = REPOSITORY / "examples" / EXAMPLE / "documents"
HAIKU = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
HUNDRED = 100
# Each simultaneous call needs an execution environment of the API, which is a process here.
AT_ONCE = 8


@pytest.fixture
def stack(deployed: Callable[[str], Deployed]) -> Deployed:
    return deployed(EXAMPLE)


@pytest.fixture
def user() -> str:
    return f"user-{uuid4().hex[:8]}"


def chat(number: int) -> list[dict[str, str]]:
    """Return a chat with this number of messages from the last minutes."""
    begun = datetime.now(UTC) - timedelta(minutes=10)
    times = [(begun + timedelta(seconds=index)).isoformat() for index in range(number)]
    return [{"text": f"I like bridges, says message {index}.", "sent_at": at} for index, at in enumerate(times)]


def analyze(
    stack: Deployed, user: str, trigger: str = "manual", *, messages: Sequence[Any] | None = None, **given: Any
) -> tuple[int, dict[str, Any]]:
    """Request an analysis; return status and body."""
    body = {"user_id": user, "context": "support", "trigger": trigger, "messages": messages or chat(12), **given}
    try:
        answer = stack.client().request("POST", "/api/profile/analyze", json=body)
    except Rejected as error:
        return error.status, error.problem
    return answer.status, answer.json()


def outcome(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str | None]:
    status, body = answer
    return status, body["outcome"], body.get("reason", {}).get("code")


def status(stack: Deployed, user: str, context: str = "support") -> dict[str, Any]:
    found: dict[str, Any] = stack.client().request("GET", f"/api/profile/{user}/{context}/status").json()
    return found


def completed(stack: Deployed, answer: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    assert answer[0] == 202, answer
    job = dict(stack.client().wait(answer[1]["job_id"]).raw)
    assert job["status"] == "completed", job["error"]
    return job


def let_an_hour_pass(stack: Deployed, user: str) -> None:
    """Remove the record of the user's last admission, as if an hour had passed."""
    stack.boto3("dynamodb").delete_item(
        TableName=stack.outputs["table_name"],
        Key={"tenant": {"S": "acme"}, "item": {"S": f"rate#{EXAMPLE}#users/{user}"}},
    )


def test_a_chat_becomes_a_profile_and_what_is_off_the_record_stays_there(stack: Deployed) -> None:
    text = (DOCUMENTS / "support-chat.json").read_text("utf-8").replace("{run}", uuid4().hex[:8])
    given = json.loads(text)
    secrets = [message["text"] for message in given["messages"] if message.get("off_the_record")]
    job = completed(stack, analyze(stack, given["user_id"], **given))
    assert job["result"]["status"] == "complete"
    assert job["result"]["messages_read"] == len(given["messages"]) - len(secrets)
    assert 0 <= job["result"]["interpretation"]["confidence"] <= 1
    assert [(call["model"], call["outcome"]) for call in calls_of(stack, job["job_id"])] == [(HAIKU, "ok")]
    assert (job["usage"]["calls"], job["cost_usd"] > 0) == (1, True)
    assert job["wait_seconds"] >= 0
    assert job["processing_seconds"] > 0
    assert status(stack, given["user_id"]) == job
    stored = stored_for(stack, job["job_id"])
    assert "elevation profile" in stored
    assert not [secret for secret in secrets if secret in stored]


def stored_for(stack: Deployed, job_id: str) -> str:
    """Return all data of a job in the table and the bucket, as text."""
    rows = stack.boto3("dynamodb").scan(TableName=stack.outputs["table_name"])["Items"]
    kept = [json.dumps(row, ensure_ascii=False) for row in rows if job_id in json.dumps(row)]
    bucket, s3 = stack.outputs["bucket_name"], stack.boto3("s3")
    files = s3.list_objects_v2(Bucket=bucket, Prefix=f"jobs/acme/{job_id}/").get("Contents", [])
    kept += [s3.get_object(Bucket=bucket, Key=file["Key"])["Body"].read().decode() for file in files]
    return "\n".join(kept)


def a_hundred[Answered](threads: int, ask: Callable[[int], Answered]) -> list[Answered]:
    """Return the answers to a hundred submissions on this number of threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(HUNDRED)))


def over_http(stack: Deployed, user: str, **given: Any) -> tuple[int, dict[str, Any]]:
    """Request an analysis. Repeat it if a busy machine does not answer; the first request may have succeeded."""
    for _ in range(10):
        with suppress(Unreachable):
            answer = analyze(stack, user, **given)
            if answer[0] < HTTPStatus.INTERNAL_SERVER_ERROR:
                return answer
    raise AssertionError("nobody answers")


def jobs_of(stack: Deployed, user: str) -> list[str]:
    """Return the ids of all jobs of a user in the table."""
    rows = stack.boto3("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["table_name"])
    items = [item for page in rows for item in page["Items"] if item["item"]["S"].startswith("job#")]
    return [i["item"]["S"].removeprefix("job#") for i in items if f"users/{user}/" in i["subject"]["S"]]


def test_of_a_hundred_submissions_over_http_one_becomes_a_job(stack: Deployed, user: str) -> None:
    stack.stand_in.set(match="bridges", first_token_s=600)
    answers = a_hundred(AT_ONCE, lambda _: over_http(stack, user))
    [job_id] = jobs_of(stack, user)
    found = Counter(map(outcome, answers))
    assert found.keys() <= {(202, "created", None), (200, "existing", "active")}
    assert found[202, "created", None] <= 1
    assert {body["job_id"] for _, body in answers} == {job_id}
    stack.client().cancel(job_id)


def test_of_a_hundred_contexts_over_http_one_an_hour_is_analysed(stack: Deployed, user: str) -> None:
    stack.stand_in.set(match="bridges", first_token_s=600)
    answers = a_hundred(AT_ONCE, lambda number: over_http(stack, user, context=f"c{number}"))
    [job_id] = jobs_of(stack, user)
    assert Counter(map(outcome, answers))[429, "limited", "rate_limited"] == HUNDRED - 1
    stack.client().cancel(job_id)


def test_a_hundred_backends_at_the_same_instant_make_one_job(stack: Deployed, user: str) -> None:
    """Each thread submits through the library, as another stack's backend does. All begin together."""
    stack.stand_in.set(match="bridges", first_token_s=600)
    submissions, together = backend(stack), Barrier(HUNDRED)
    given = {"user_id": user, "context": "support", "messages": chat(12)}

    def ask(_number: int) -> SubmissionResult:
        submission = Submission(analysis=EXAMPLE, input=given, trigger="manual")
        together.wait()
        return submissions.submit_with_outcome("acme", submission)

    answers = a_hundred(HUNDRED, ask)
    [job_id] = jobs_of(stack, user)
    assert Counter(answer.outcome for answer in answers) == {Outcome.CREATED: 1, Outcome.EXISTING: HUNDRED - 1}
    assert {answer.job.job_id for answer in answers if answer.job} == {job_id}
    until(lambda: len(calls_of(stack, job_id)) == 1)
    stack.client().cancel(job_id)


def backend(stack: Deployed) -> SubmissionService:
    """Return the service that another stack's backend submits with."""
    settings = Settings(
        analyses="profile_interpretation",
        table_name=stack.outputs["table_name"],
        bucket_name=stack.outputs["bucket_name"],
        queue_urls=stack.outputs["queue_urls"],
    )
    clock = SystemClock()
    return SubmissionService(
        DynamoJobStore(stack.boto3("dynamodb"), settings.table_name, clock),
        SqsJobQueue(stack.boto3("sqs"), settings.queue_urls),
        S3ArtifactStore(stack.boto3("s3"), settings.bucket_name),
        load_analyses(settings.analyses),
        settings,
        clock,
    )


def test_the_outcomes_are_told_apart(stack: Deployed, user: str) -> None:
    assert outcome(analyze(stack, user, "messages", messages=chat(4))) == (200, "skipped", "too_few_new_items")
    stack.stand_in.set(match="bridges", first_token_s=10)  # it must still run at the next call
    made = analyze(stack, user, "messages")
    assert outcome(made) == (202, "created", None)
    assert outcome(analyze(stack, user, "view")) == (200, "existing", "active")
    job = completed(stack, made)
    fresh = analyze(stack, user, "view")
    assert (outcome(fresh), fresh[1]["job_id"]) == ((200, "skipped", "fresh"), job["job_id"])
    code, problem = analyze(stack, user, "often")
    assert (code, [error["field"] for error in problem["errors"]]) == (422, ["trigger"])


def test_by_hand_skips_the_freshness_and_not_the_limit(stack: Deployed, user: str) -> None:
    first = completed(stack, analyze(stack, user, "view"))
    assert outcome(analyze(stack, user, "view")) == (200, "skipped", "fresh")
    limited = analyze(stack, user, "manual")
    assert outcome(limited) == (429, "limited", "rate_limited")
    until_then = datetime.fromisoformat(limited[1]["reason"]["retry_at"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < until_then <= timedelta(hours=1)
    let_an_hour_pass(stack, user)
    assert outcome(analyze(stack, user, "view")) == (200, "skipped", "fresh")
    second = completed(stack, analyze(stack, user, "manual"))
    assert second["job_id"] != first["job_id"]


def test_too_little_to_read_is_a_result_without_a_model(stack: Deployed) -> None:
    given = json.loads((DOCUMENTS / "first-days.json").read_text("utf-8").replace("{run}", uuid4().hex[:8]))
    job = completed(stack, analyze(stack, given["user_id"], **given))
    assert job["result"] == {"status": "insufficient_data", "messages_read": 7, "interpretation": None}
    assert (calls_of(stack, job["job_id"]), job["usage"]["calls"], job["cost_usd"]) == ([], 0, 0)


def test_each_trigger_has_its_lane_and_each_lane_its_workers(stack: Deployed) -> None:
    asked = {"messages": "low", "view": "medium", "manual": "high"}
    made = {trigger: analyze(stack, f"user-{uuid4().hex[:8]}", trigger) for trigger in asked}
    lanes = {trigger: completed(stack, answer)["priority"] for trigger, answer in made.items()}
    assert lanes == asked
    assert stack.outputs["queue_urls"].keys() == set(asked.values())


def test_three_attempts_then_it_failed_and_the_user_was_answered_all_the_while(stack: Deployed, user: str) -> None:
    stack.stand_in.set(match="bridges", error="ModelErrorException")
    code, body = analyze(stack, user)
    assert code == 202
    job = stack.client().wait(body["job_id"], timeout_s=120).raw
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 3, "model_error")
    assert len(calls_of(stack, job["job_id"])) == 3
    assert status(stack, user)["error"] == job["error"]


def test_an_older_job_does_not_run_again_beside_a_newer_one(stack: Deployed, user: str) -> None:
    stack.stand_in.set(match="bridges", error="ValidationException")
    older = stack.client().wait(analyze(stack, user)[1]["job_id"]).raw
    assert older["status"] == "failed"
    stack.stand_in.set(match="bridges", first_token_s=60)
    let_an_hour_pass(stack, user)
    code, newer = analyze(stack, user)
    assert code == 202
    with pytest.raises(Rejected) as refused:
        stack.client().retry(older["job_id"])
    assert refused.value.status == 409
    assert newer["job_id"] in refused.value.problem["detail"]
    stack.client().cancel(newer["job_id"])


def test_the_canary_meets_its_expectations(stack: Deployed) -> None:
    assert [(each.failure, each.details) for each in canaries.run(stack)] == [("", [])]
