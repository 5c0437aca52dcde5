"""The deployed API as its callers use it: the gateway, the authorizer, and the function with its own role."""

import json
from typing import Any

import pytest
import requests

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.watching import calls_of

pytestmark = pytest.mark.system

DOCUMENT = default_document(REPOSITORY / "examples" / "rfp-analysis")


def refused(stack: LocalCloud, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Return the status and the problem details of a call that must fail."""
    with pytest.raises(Rejected) as caught:
        stack.client().request(method, path, **options)
    return caught.value.status, caught.value.problem


def test_the_analysis_own_routes_submit_and_answer_for_their_subject(stack: LocalCloud) -> None:
    client = stack.client()
    document = client.upload(DOCUMENT)
    submitted = client.request("POST", "/proposals/4711/analyze-rfp", json={"document": document})
    job_id = submitted.json()["job_id"]
    assert (submitted.status, submitted.headers["location"]) == (202, f"/jobs/{job_id}")
    assert client.request("GET", "/proposals/4711/analysis-status").json()["job_id"] == job_id
    client.wait(job_id)
    status = client.request("GET", "/proposals/4711/analysis-status").json()
    assert (status["status"], status["subject"]) == ("completed", "proposals/4711")
    assert set(status["result"]) == {"summary", "extracted_data"}
    assert [entry["transition"] for entry in status["history"]] == ["submit", "claim", "complete"]


def test_the_document_of_the_api_names_every_route_and_asks_for_a_token(stack: LocalCloud) -> None:
    document = stack.client().request("GET", "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {"/jobs", "/jobs/{job_id}", "/openapi.json", "/proposals/{id}/analyze-rfp"} <= document["paths"].keys()
    assert stack.client("globex").request("GET", "/openapi.json").json() == document
    with pytest.raises(Rejected) as caught:
        stack.connection.client("nonsense").request("GET", "/openapi.json")
    assert caught.value.status == 401


def test_a_missing_token_is_refused_by_the_gateway(stack: LocalCloud) -> None:
    answer = requests.get(f"{stack.api_url}/jobs", verify=stack.connection.ca_bundle, timeout=60)
    assert answer.status_code == 401


@pytest.mark.parametrize("token", ["nonsense", "eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJhY21lIn0."])
def test_a_wrong_token_is_refused_by_the_gateway(stack: LocalCloud, token: str) -> None:
    client = stack.connection.client(token)
    with pytest.raises(Rejected) as caught:
        client.request("GET", "/jobs")
    assert caught.value.status == 401


def test_an_expired_token_is_refused_by_the_gateway(stack: LocalCloud) -> None:
    expired = stack.stand_in.token("acme", ttl_s=-60)
    with pytest.raises(Rejected) as caught:
        stack.connection.client(expired).request("GET", "/jobs")
    assert caught.value.status == 401


def test_another_tenants_job_and_document_do_not_exist(stack: LocalCloud) -> None:
    acme, globex = stack.client(), stack.client("globex")
    document = acme.upload(DOCUMENT)
    job_id = acme.submit("rfp-analysis", {"document": document}).job_id
    with pytest.raises(Rejected) as caught:
        globex.status(job_id)
    assert caught.value.status == 404
    assert job_id not in [job["job_id"] for job in globex.request("GET", "/jobs").json()["jobs"]]
    stolen = globex.wait(globex.submit("rfp-analysis", {"document": document}).job_id).raw
    assert (stolen["status"], stolen["error"]["code"]) == ("failed", "document_not_found")


def test_a_bad_submission_is_refused_with_the_field_that_is_wrong(stack: LocalCloud) -> None:
    body = {"analysis": "rfp-analysis", "input": {"document": "x"}, "tenant": "globex"}
    status, problem = refused(stack, "POST", "/jobs", json=body)
    assert status == 422
    assert [error["field"] for error in problem["errors"]] == ["tenant"]


def test_the_same_idempotency_key_answers_the_same_job_and_refuses_another_request(stack: LocalCloud) -> None:
    client = stack.client()
    body = {"analysis": "rfp-analysis", "input": {"document": client.upload(DOCUMENT)}}
    headers = {"Idempotency-Key": "once"}
    first, second = (client.request("POST", "/jobs", json=body, headers=headers).json()["job_id"] for _ in range(2))
    assert first == second
    status, problem = refused(stack, "POST", "/jobs", json={**body, "client": "x"}, headers=headers)
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    client.wait(first)
    assert len(calls_of(stack, first)) == 1


def test_a_long_poll_comes_back_when_the_job_ends_and_an_unchanged_job_is_not_sent_again(stack: LocalCloud) -> None:
    client = stack.client()
    job_id = client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id
    waited = client.request("GET", f"/jobs/{job_id}", query={"wait": 20})
    while waited.json()["status"] in {"queued", "processing"}:  # a slow machine
        waited = client.request("GET", f"/jobs/{job_id}", query={"wait": 20})
    assert waited.json()["status"] == "completed"
    again = client.request("GET", f"/jobs/{job_id}", headers={"If-None-Match": waited.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_jobs_are_listed_by_status_and_subject_newest_first(stack: LocalCloud) -> None:
    client = stack.client("initech")
    document = client.upload(DOCUMENT)
    ids = [
        client.submit("rfp-analysis", {"document": document}, subject=f"proposals/{number}").job_id
        for number in (1, 2, 3)
    ]
    for job_id in ids:
        client.wait(job_id)
    completed = client.request("GET", "/jobs", query={"status": "completed", "limit": 2}).json()
    assert [job["job_id"] for job in completed["jobs"]] == [ids[2], ids[1]]
    rest = client.request("GET", "/jobs", query={"status": "completed", "cursor": completed["next_cursor"]}).json()
    assert [job["job_id"] for job in rest["jobs"]] == [ids[0]]
    by_subject = client.request("GET", "/jobs", query={"subject": "proposals/2"}).json()
    assert [job["job_id"] for job in by_subject["jobs"]] == [ids[1]]


def test_an_upload_takes_the_announced_size_and_type_and_nothing_else(stack: LocalCloud) -> None:
    client = stack.client()
    asked = {"filename": "a.pdf", "content_type": "application/pdf", "size": 10}
    form = client.request("POST", "/uploads", json=asked).json()["upload"]

    def post(content: bytes, key: str | None = None) -> int:
        fields = {**form["fields"], **({"key": key} if key else {})}
        files = {"file": ("a.pdf", content, "application/pdf")}
        return requests.post(
            form["url"], data=fields, files=files, verify=stack.connection.ca_bundle, timeout=30
        ).status_code

    assert post(b"x" * 11) in (400, 403)
    assert post(b"x" * 10, key="uploads/globex/elsewhere.pdf") in (400, 403)
    assert post(b"x" * 10) in (200, 204)


def test_a_result_that_lambda_cannot_return_is_linked_and_the_client_follows(stack: LocalCloud) -> None:
    client, outputs = stack.client(), stack.outputs
    job_id = client.wait(client.submit("rfp-analysis", {"document": client.upload(DOCUMENT)}).job_id).job_id
    result = {"summary": "long", "parts": ["ab"] * 980_000}
    key = f"jobs/acme/{job_id}/1-result.json"
    stored = json.dumps(result, separators=(",", ":")).encode()
    stack.boto3("s3").put_object(Bucket=outputs["bucket_name"], Key=key, Body=stored, ContentType="application/json")
    stack.boto3("dynamodb").update_item(
        TableName=outputs["table_name"],
        Key={"tenant": {"S": "acme"}, "item": {"S": f"job#{job_id}"}},
        UpdateExpression="SET #result = :result",
        ExpressionAttributeNames={"#result": "result"},
        ExpressionAttributeValues={":result": {"M": {"key": {"S": key}}}},
    )
    answer = client.request("GET", f"/jobs/{job_id}").json()
    assert (answer["status"], answer["result"]) == ("completed", None)
    assert client.result(job_id, dict) == result


def test_a_request_over_6_mb_is_refused_before_the_function(stack: LocalCloud) -> None:
    # 3.9 MB, which are 7.8 MB in the event, where each quote has a backslash.
    body = {"analysis": "rfp-analysis", "input": {"document": [""] * 1_300_000}}
    assert refused(stack, "POST", "/jobs", json=body) == (413, {"message": "Request Entity Too Large"})
