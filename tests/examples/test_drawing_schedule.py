"""`drawing-schedule` on the local cloud: through HTTP, with IAM, downloads, and a killed worker in each stage."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import requests

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud.deployed import Deployed
from tests.examples import canaries
from tests.handlers.drawings import BRIEF, CLINIC, HARBOUR, HEADER, listed
from tests.system.breaking import alarm_on, kill_workers, make_overdue, settle, sweep
from tests.system.watching import until

pytestmark = pytest.mark.system

READER, JUDGE = "gemini-2.5-pro", "gemini-2.5-flash"
# A text from the prompt of each stage that calls a model.
PROMPTS = {
    "context": "Read this document of the project",
    "schedule": "Take the schedule off this drawing",
    "judge": "How complete and right is this schedule",
}


@pytest.fixture
def drawings(deployed: Callable[[str], Deployed]) -> Deployed:
    stack = deployed("drawing-schedule")
    settle(stack)
    stack.stand_in.reset()
    return stack


def _submit(stack: Deployed, drawing: Path, *, client: str = "harbour-point", brief: Path | None = BRIEF) -> str:
    caller = stack.client()
    given = {"drawing": caller.upload(drawing)} | ({"context": caller.upload(brief)} if brief else {})
    answer = caller.request("POST", f"/clients/{client}/projects/fit-out/drawings", json=given)
    body = answer.json()
    assert (answer.status, body["status"], body["estimated_time_seconds"]) == (202, "queued", 240)
    return str(body["job_id"])


def _get(stack: Deployed, path: str, tenant: str = "acme") -> requests.Response:
    return requests.get(
        f"{stack.api_url}{path}",
        headers={"Authorization": f"Bearer {stack.token(tenant)}"},
        allow_redirects=False,
        verify=stack.connection.ca_bundle,
        timeout=30,
    )


def _rows(content: bytes) -> list[list[Any]]:
    [page] = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    return [list(row) for row in page.iter_rows(min_row=3, values_only=True)]


def _calls(stack: Deployed) -> list[tuple[str, bool]]:
    """Return the model of each call, and whether the call succeeded."""
    return [(call["model"].removeprefix("models/"), call["outcome"] == "ok") for call in stack.stand_in.calls()]


def test_a_drawing_becomes_a_schedule_that_opens_and_is_right(drawings: Deployed) -> None:
    job_id = _submit(drawings, HARBOUR)
    job = drawings.client().wait(job_id).raw
    assert job["status"] == "completed", job["error"]
    assert job["stages_completed"] == ["context", "schedule", "excel_generation", "judge"]
    assert (job["result"]["devices"], job["result"]["score"]) == (18, 95)
    assert job["result"]["findings"] == ["CAM-07 is on the drawing and not in the schedule."]
    assert _calls(drawings) == [(READER, True), (READER, True), (JUDGE, True)]
    assert drawings.client().request("GET", f"/status/{job_id}").json() == drawings.client().status(job_id).raw
    lead = _get(drawings, f"/download/{job_id}/excel")
    assert lead.status_code == 302
    file = requests.get(lead.headers["Location"], verify=drawings.connection.ca_bundle, timeout=30)
    assert file.headers["Content-Disposition"] == 'attachment; filename="schedule_v1.xlsx"'
    assert file.headers["Content-Type"] == job["files"]["schedule_v1.xlsx"]["content_type"]
    assert len(file.content) == job["files"]["schedule_v1.xlsx"]["size"]
    assert _rows(file.content) == [HEADER, *listed(HARBOUR)]
    evaluation = drawings.client().download(job_id, "evaluation.json")
    assert json.loads(evaluation)["score"] == 95


def test_the_files_of_a_job_are_below_company_client_and_project(drawings: Deployed) -> None:
    job_id = _submit(drawings, CLINIC, brief=None)
    assert drawings.client().wait(job_id).status == "completed"
    prefix = f"jobs/acme/harbour-point/fit-out/{job_id}/"
    found = drawings.boto3("s3").list_objects_v2(Bucket=drawings.outputs["bucket_name"], Prefix=prefix)
    names = {entry["Key"].removeprefix(prefix) for entry in found["Contents"]}
    assert names >= {"0-input.json", "files/1/schedule_v1.xlsx", "files/1/evaluation.json", "1-result.json"}
    assert sum(name.startswith("checkpoints/") for name in names) == 3


@pytest.mark.parametrize("stage", ["context", "schedule", "judge"])
def test_killed_while_a_model_is_asked_it_goes_on_at_that_stage(drawings: Deployed, stage: str) -> None:
    drawings.stand_in.set(match=PROMPTS[stage], first_token_s=60, times=1)
    job_id = _submit(drawings, HARBOUR)
    _wait_for_stage(drawings, job_id, stage)
    until(lambda: drawings.stand_in.calls(outcome="running"))  # calls of Gemini carry no job id
    job = _killed_and_done(drawings, job_id)
    answered = [(READER, True), (READER, True), (JUDGE, True)]
    at = list(PROMPTS).index(stage)
    assert _calls(drawings) == [*answered[:at], (answered[at][0], False), *answered[at:]]
    _is_right(drawings, job)


def test_killed_while_the_workbook_is_written_it_asks_no_model_again(drawings: Deployed) -> None:
    for _ in range(5):
        kill_workers(drawings)  # a new one needs half a second to import openpyxl
        drawings.stand_in.reset()
        job_id = _submit(drawings, HARBOUR)
        _wait_for_stage(drawings, job_id, "excel_generation")
        kill_workers(drawings)
        if _row(drawings, job_id)["stage"]["S"] == "excel_generation":
            break
        drawings.client().wait(job_id)  # the stage was over before the kill
    else:
        pytest.fail("the stage was over each time")
    job = _killed_and_done(drawings, job_id)
    assert _calls(drawings) == [(READER, True), (READER, True), (JUDGE, True)]
    _is_right(drawings, job)


def _killed_and_done(stack: Deployed, job_id: str) -> Any:
    kill_workers(stack)
    make_overdue(stack, job_id)
    sweep(stack)
    job = stack.client().wait(job_id).raw
    assert (job["status"], job["attempt"]) == ("completed", 2), job["error"]
    return job


def _is_right(stack: Deployed, job: Any) -> None:
    assert _rows(stack.client().download(job["job_id"], "schedule_v1.xlsx")) == [HEADER, *listed(HARBOUR)]
    assert sorted(job["files"]) == ["evaluation.json", "schedule_v1.xlsx"]


def _row(stack: Deployed, job_id: str) -> dict[str, Any]:
    key = {"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}}
    found = stack.boto3("dynamodb").get_item(TableName=stack.outputs["table_name"], Key=key, ConsistentRead=True)
    row: dict[str, Any] = found["Item"]
    return row


def _wait_for_stage(stack: Deployed, job_id: str, stage: str) -> None:
    """Poll without pause until a stage has begun: one stage takes less than a second."""
    table = stack.outputs["table_name"]
    dynamodb = stack.boto3("dynamodb")
    key = {"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}}
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        row = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        if row["status"]["S"] == "processing" and row["stage"]["S"] == stage:
            return
        if row["status"]["S"] in ("completed", "failed"):
            return
        time.sleep(0.01)
    raise TimeoutError(f"{job_id} has not come to {stage}")


def test_a_drawing_that_is_cut_off_fails_once_and_asks_no_model(drawings: Deployed, tmp_path: Path) -> None:
    torn = tmp_path / "torn.pdf"
    torn.write_bytes(HARBOUR.read_bytes()[:2_000])
    job = drawings.client().wait(_submit(drawings, torn)).raw
    assert (job["status"], job["attempt"], job["error"]["code"]) == ("failed", 1, "document_corrupt")
    assert job["error"]["retryable"] is False
    assert job["error"]["message"].startswith("torn.pdf ")
    assert _calls(drawings) == []


def test_a_rate_limit_is_waited_for_without_spending_an_attempt(drawings: Deployed) -> None:
    drawings.stand_in.set(match=PROMPTS["schedule"], error="RESOURCE_EXHAUSTED", retry_delay_s=1, times=1)
    job = drawings.client().wait(_submit(drawings, CLINIC, brief=None)).raw
    assert (job["status"], job["attempt"]) == ("completed", 1), job["error"]
    assert "defer" in [entry["transition"] for entry in job["history"]]


def test_another_company_can_neither_see_nor_download(drawings: Deployed) -> None:
    job_id = _submit(drawings, CLINIC, brief=None)
    drawings.client().wait(job_id)
    for path in (f"/status/{job_id}", f"/download/{job_id}/excel", f"/jobs/{job_id}/files/schedule_v1.xlsx"):
        assert _get(drawings, path, tenant="globex").status_code == 404
    with pytest.raises(Rejected) as caught:
        drawings.client("globex").download(job_id, "schedule_v1.xlsx")
    assert caught.value.status == 404


def test_a_link_is_for_its_one_file(drawings: Deployed) -> None:
    job_id = _submit(drawings, CLINIC, brief=None)
    drawings.client().wait(job_id)
    link = _get(drawings, f"/download/{job_id}/evaluation").headers["Location"]
    other = link.replace("evaluation.json", "schedule_v1.xlsx")
    assert requests.get(other, verify=drawings.connection.ca_bundle, timeout=30).status_code == 403
    assert requests.get(link, verify=drawings.connection.ca_bundle, timeout=30).status_code == 200


def test_jobs_are_listed_by_status_by_client_and_by_date(drawings: Deployed) -> None:
    client = drawings.client()
    name = f"client-{time.time_ns()}"
    job_id = _submit(drawings, CLINIC, client=name, brief=None)
    created = client.wait(job_id).raw["created_at"]

    def ids(**query: str) -> list[str]:
        return [job["job_id"] for job in client.request("GET", "/jobs", query=query).json()["jobs"]]

    assert ids(client=name) == [job_id]
    assert ids(client=name, to=created) == []
    assert ids(**{"status": "completed", "from": created}) == [job_id]
    assert job_id in ids(**{"from": created})


def test_the_numbers_are_theirs(drawings: Deployed) -> None:
    sqs, functions = drawings.boto3("sqs"), drawings.boto3("lambda")
    worker = drawings.outputs["function_names"]["worker"]
    [url] = drawings.outputs["queue_urls"].values()
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["VisibilityTimeout"], json.loads(queue["RedrivePolicy"])["maxReceiveCount"]) in (
        ("1800", 3),
        ("1800", "3"),
    )
    deployed = functions.get_function_configuration(FunctionName=worker, Qualifier="live")
    assert (deployed["Timeout"], deployed["MemorySize"]) == (900, 3072)
    [mapping] = functions.list_event_source_mappings(EventSourceArn=queue["QueueArn"])["EventSourceMappings"]
    assert mapping["BatchSize"] == 1
    assert "rings" in alarm_on(drawings, "dead-letters-medium", 6)
    assert "is quiet" in alarm_on(drawings, "dead-letters-medium", 5)
    assert "rings" in alarm_on(drawings, "worker-errors", 1)
    assert "rings" in alarm_on(drawings, "oldest-message-medium", 1_801)
    blocked = drawings.boto3("s3").get_public_access_block(Bucket=drawings.outputs["bucket_name"])
    assert set(blocked["PublicAccessBlockConfiguration"].values()) == {True}
    [rule] = drawings.boto3("s3").get_bucket_cors(Bucket=drawings.outputs["bucket_name"])["CORSRules"]
    assert rule["AllowedOrigins"] == ["http://localhost:3000"]


def test_a_row_expires_thirty_days_after_its_job_has_ended(drawings: Deployed) -> None:
    job_id = _submit(drawings, CLINIC, brief=None)
    drawings.client().wait(job_id)
    row = _row(drawings, job_id)
    assert int(row["expires_at"]["N"]) - int(row["finished_at"]["N"]) // 1000 in (30 * 86_400, 30 * 86_400 - 1)


def test_the_canary_meets_its_expectations(drawings: Deployed) -> None:
    assert [(each.failure, each.details) for each in canaries.run(drawings)] == [("", [])]
