"""book-valuation on the local cloud: through HTTP, two models, a killed worker, and a real PostgreSQL."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY
from tests.examples import canaries
from tests.examples.doing import deliver_again
from tests.modules.iam import allows
from tests.system.breaking import kill_workers, make_overdue, sweep
from tests.system.watching import calls_of, until

pytestmark = pytest.mark.system

EXAMPLE = "book-valuation"
DOCUMENTS = REPOSITORY / "examples" / EXAMPLE / "documents"
OPUS = "eu.anthropic.claude-opus-4-5-20251101-v1:0"
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
STAGES = ["analyse", "extract", "record"]
DAY_S = 86_400


@pytest.fixture
def stack(deployed: Callable[[str], Deployed]) -> Deployed:
    return deployed(EXAMPLE)


def book(name: str = "river-voyages.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTS / name).read_text("utf-8"))
    return found


def submit(stack: Deployed, book_id: str, given: dict[str, Any], tenant: str = "acme") -> str:
    answer = stack.client(tenant).request("POST", f"/books/{book_id}/analysis/generate-async", json=given)
    assert answer.status == 202
    assert answer.json()["estimated_time_seconds"] == 360
    return str(answer.json()["job_id"])


def status(stack: Deployed, book_id: str, tenant: str = "acme") -> dict[str, Any]:
    found: dict[str, Any] = stack.client(tenant).request("GET", f"/books/{book_id}/analysis/status").json()
    return found


def value(stack: Deployed, book_id: str) -> list[tuple[Any, str]]:
    rows = stack.rows("SELECT value_mid, currency FROM books WHERE id = %s", book_id)
    return [(row["value_mid"], row["currency"]) for row in rows]


def analyses(stack: Deployed, book_id: str) -> list[dict[str, Any]]:
    return stack.rows("SELECT * FROM book_analyses WHERE book_id = %s ORDER BY analysed_at", book_id)


@pytest.mark.parametrize(
    ("name", "mid", "currency"),
    [("river-voyages.json", "2225.00", "EUR"), ("garden-herbal.json", "775.25", "GBP")],
    ids=["voyages", "herbal"],
)
def test_a_book_is_appraised_and_the_catalogue_has_its_mid_value(
    stack: Deployed, name: str, mid: str, currency: str
) -> None:
    book_id = uuid4().hex[:8]
    stack.rows("INSERT INTO books (tenant, id, title) VALUES ('acme', %s, 'As the catalogue has it')", book_id)
    job_id = submit(stack, book_id, book(name))
    job = stack.client().wait(job_id).raw
    assert (job["status"], job["error"], job["stages_completed"]) == ("completed", None, STAGES)
    assert [(call["model"], call["outcome"]) for call in calls_of(stack, job_id)] == [(OPUS, "ok"), (SONNET, "ok")]
    assert (job["result"]["value_mid"], job["usage"]["calls"]) == (mid, 2)
    assert value(stack, book_id) == [(Decimal(mid), currency)]
    assert isinstance(value(stack, book_id)[0][0], Decimal)
    [row] = analyses(stack, book_id)
    assert (row["job_id"], row["result"]) == (job_id, job["result"])
    assert status(stack, book_id) == job


def test_the_status_is_of_the_newest_analysis_and_says_which_code_made_it(stack: Deployed) -> None:
    book_id = uuid4().hex[:8]
    for name in ("garden-herbal.json", "river-voyages.json"):
        job_id = submit(stack, book_id, book(name))
        assert stack.client().wait(job_id).status == "completed"
    found = status(stack, book_id)
    assert (found["job_id"], found["code_version"]) == (job_id, deployed_version(stack))
    assert (value(stack, book_id), len(analyses(stack, book_id))) == ([(Decimal("2225.00"), "EUR")], 2)


def deployed_version(stack: Deployed) -> str:
    worker = stack.boto3("lambda").get_function_configuration(FunctionName=stack.outputs["function_names"]["worker"])
    return str(worker["Environment"]["Variables"]["CODE_VERSION"])


def test_a_message_that_comes_twice_changes_nothing(stack: Deployed) -> None:
    book_id = uuid4().hex[:8]
    job_id = submit(stack, book_id, book())
    job = stack.client().wait(job_id).raw
    before = value(stack, book_id), analyses(stack, book_id)
    deliver_again(stack, job_id)
    assert (value(stack, book_id), analyses(stack, book_id)) == before
    assert stack.client().status(job_id).raw == job
    assert len(calls_of(stack, job_id)) == 2


def test_a_worker_killed_in_the_extraction_is_replaced_without_the_long_call(stack: Deployed) -> None:
    book_id = uuid4().hex[:8]
    stack.stand_in.set(match="Extract the figures", first_token_s=60)
    job_id = submit(stack, book_id, book())
    until(lambda: [call["model"] for call in calls_of(stack, job_id)] == [OPUS, SONNET])
    assert stack.client().status(job_id).raw["stages_completed"] == ["analyse"]
    assert kill_workers(stack) > 0
    stack.stand_in.set()
    job = stack.client().wait(job_id).raw
    assert (job["status"], job["attempt"], job["stages_completed"]) == ("completed", 2, STAGES)
    assert [call["model"] for call in calls_of(stack, job_id)] == [OPUS, SONNET, SONNET]
    assert (value(stack, book_id), len(analyses(stack, book_id))) == ([(Decimal("2225.00"), "EUR")], 1)


def test_a_job_whose_worker_died_is_found_by_the_sweeper_when_nobody_asks(stack: Deployed) -> None:
    book_id = uuid4().hex[:8]
    stack.stand_in.set(match="Appraise this book", first_token_s=60, times=1)
    job_id = submit(stack, book_id, book())
    until(lambda: [call["model"] for call in calls_of(stack, job_id)] == [OPUS])
    assert kill_workers(stack) > 0
    make_overdue(stack, job_id)
    sweep(stack)
    job = stack.client().wait(job_id).raw
    assert (job["status"], job["attempt"]) == ("completed", 2)


def test_the_long_call_shows_signs_of_life(stack: Deployed) -> None:
    stack.stand_in.set(match="Appraise this book", chunk_s=1.0, chunk_chars=64)
    job_id = submit(stack, uuid4().hex[:8], book())
    seen: set[int] = set()

    def look() -> bool:
        job = stack.client().status(job_id).raw
        seen.add(job["progress"])
        return bool(job["status"] == "completed")

    until(look)
    assert len(seen) > 2, "the heartbeats tell how far the answer is"


def test_another_tenant_has_no_such_book(stack: Deployed) -> None:
    book_id = uuid4().hex[:8]
    job_id = submit(stack, book_id, book())
    stack.client().wait(job_id)
    with pytest.raises(Rejected, match="404"):
        status(stack, book_id, "globex")
    other = submit(stack, book_id, book("garden-herbal.json"), "globex")
    assert stack.client("globex").wait(other).status == "completed"
    rows = stack.rows("SELECT tenant, value_mid FROM books WHERE id = %s ORDER BY tenant", book_id)
    assert [(row["tenant"], row["value_mid"]) for row in rows] == [
        ("acme", Decimal("2225.00")),
        ("globex", Decimal("775.25")),
    ]


def test_a_book_that_is_none_is_refused_before_anything_is_asked(stack: Deployed) -> None:
    with pytest.raises(Rejected, match="published") as raised:
        stack.client().request("POST", "/books/1/analysis/generate-async", json={**book(), "published": 17680})
    assert raised.value.status == 422


@pytest.mark.parametrize("family", ["sonnet-4-5-20250514", "opus-4-5-20251101"])
@pytest.mark.parametrize("geography", ["", "us."])
def test_the_worker_may_ask_both_families_by_either_shape_of_id(stack: Deployed, family: str, geography: str) -> None:
    role = stack.outputs["role_names"]["worker"]
    found = stack.boto3("iam").get_role_policy(RoleName=role, PolicyName="statements")["PolicyDocument"]
    policy = found if isinstance(found, str) else json.dumps(found)
    arn = "arn:aws:bedrock:eu-west-1"
    account = stack.boto3("sts").get_caller_identity()["Account"]
    wanted = [f"{arn}::foundation-model/anthropic.claude-{family}-v1:0"]
    if geography:
        wanted.append(f"{arn}:{account}:inference-profile/{geography}anthropic.claude-{family}-v1:0")
    assert all(allows(policy, "bedrock:InvokeModelWithResponseStream", each) for each in wanted)
    other = f"{arn}::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"
    assert not allows(policy, "bedrock:InvokeModelWithResponseStream", other)


def test_queues_and_worker_have_the_numbers_that_they_had(stack: Deployed) -> None:
    queue, dead_letters = (
        stack.boto3("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        for url in (stack.outputs["queue_urls"]["medium"], stack.outputs["dead_letter_queue_urls"]["medium"])
    )
    names = [attributes["QueueArn"].rsplit(":", 1)[-1] for attributes in (queue, dead_letters)]
    assert names == ["catalogue-local-analysis-jobs", "catalogue-local-analysis-jobs-dlq"]
    assert (queue["VisibilityTimeout"], queue["ReceiveMessageWaitTimeSeconds"]) == ("660", "20")
    assert (queue["MessageRetentionPeriod"], dead_letters["MessageRetentionPeriod"]) == (
        str(4 * DAY_S),
        str(14 * DAY_S),
    )
    assert json.loads(queue["RedrivePolicy"])["maxReceiveCount"] == 2
    functions, names = stack.boto3("lambda"), stack.outputs["function_names"]
    worker, api = (functions.get_function_configuration(FunctionName=names[name]) for name in ("worker", "api"))
    assert (worker["Timeout"], worker["MemorySize"]) == (600, 256)
    assert worker["CodeSha256"] == api["CodeSha256"], "one package"
    mappings = functions.list_event_source_mappings(FunctionName=f"{names['worker']}:live")["EventSourceMappings"]
    [mapping] = [each for each in mappings if each["FunctionArn"].endswith(":live")]  # not that of canaries
    assert mapping["BatchSize"] == 1


def test_the_canary_meets_its_expectations(stack: Deployed) -> None:
    assert [(each.failure, each.details) for each in canaries.run(stack)] == [("", [])]
