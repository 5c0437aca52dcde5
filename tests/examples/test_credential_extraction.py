"""credential-extraction on the local cloud: through HTTP, a FIFO queue, OCR in the worker, and a real PostgreSQL."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY
from analysis_jobs_dev.cloud.postgres import Login
from tests.examples import canaries
from tests.examples.doing import deliver_again
from tests.system.watching import calls_of, until

pytestmark = pytest.mark.system

EXAMPLE = "credential-extraction"
DOCUMENTS = REPOSITORY / "examples" / EXAMPLE / "documents"
STUCK = 24  # the replaced system had 180


@pytest.fixture
def stack(deployed: Callable[[str], Deployed]) -> Deployed:
    return deployed(EXAMPLE)


def a_document(stack: Deployed, tenant: str = "acme") -> str:
    """Add a document to the database of documents, and return its id."""
    name = uuid4().hex[:8]
    stack.rows("INSERT INTO documents (tenant, id) VALUES (%s, %s)", tenant, name)
    return name


def submit(stack: Deployed, name: str, document_id: str, tenant: str = "acme") -> str:
    """Extract one of the example's documents, and return its job."""
    client = stack.client(tenant)
    body = {"document": client.upload(DOCUMENTS / name)}
    return str(client.request("POST", f"/documents/{document_id}/extract", json=body).json()["job_id"])


def extracted(stack: Deployed, name: str) -> tuple[str, dict[str, Any]]:
    """Extract a new document with this content. Return its id and its completed job."""
    document_id = a_document(stack)
    job = dict(stack.client().wait(submit(stack, name, document_id)).raw)
    assert job["status"] == "completed", job["error"]
    return document_id, job


def state(stack: Deployed, document_id: str) -> str:
    [row] = stack.rows("SELECT status FROM documents WHERE id = %s", document_id)
    return str(row["status"])


def results(stack: Deployed, document_id: str) -> list[dict[str, Any]]:
    return stack.rows("SELECT * FROM extraction_results WHERE document_id = %s", document_id)


@pytest.mark.parametrize(
    ("name", "read_by", "kind", "number"),
    [
        ("certificate.pdf", "text", "certificate", "CE-204817"),
        ("certificate-scan.pdf", "ocr", "certificate", "CE-381146"),
        ("licence-scan.pdf", "ocr", "licence", "PT-0047193"),
        ("registration-photo.jpg", "ocr", "registration", "FCP-55218"),
    ],
)
def test_text_scan_and_photograph_end_in_postgresql_before_a_reviewer(
    stack: Deployed, name: str, read_by: str, kind: str, number: str
) -> None:
    document_id, job = extracted(stack, name)
    result = job["result"]
    assert (result["kind"], result["fields"]["number"]) == (kind, number)
    assert (result["read_by"], result["findings"], result["needs_review"]) == ([read_by], [], False)
    assert state(stack, document_id) == "review_pending"
    [row] = results(stack, document_id)
    assert (row["job_id"], row["kind"], row["fields"]) == (job["job_id"], kind, result["fields"])
    assert job["stages_completed"] == ["read", "classify", "extract", "validate", "store"]
    latest = stack.client().request("GET", f"/documents/{document_id}/extraction").json()
    assert latest["job_id"] == job["job_id"]


def test_the_stack_has_the_numbers_of_the_system_that_it_replaces(stack: Deployed) -> None:
    functions, sqs = stack.boto3("lambda"), stack.boto3("sqs")
    worker = stack.outputs["function_names"]["worker"]
    settings = functions.get_function_configuration(FunctionName=worker)
    assert (settings["Timeout"], settings["MemorySize"]) == (300, 1024)
    assert functions.get_function_concurrency(FunctionName=worker)["ReservedConcurrentExecutions"] == 10
    mappings = functions.list_event_source_mappings(FunctionName=f"{worker}:live")["EventSourceMappings"]
    [mapping] = [each for each in mappings if each["FunctionArn"].endswith(":live")]  # not that of canaries
    assert mapping["BatchSize"] == 1
    url = stack.outputs["queue_urls"]["medium"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (queue["FifoQueue"], int(queue["VisibilityTimeout"])) == ("true", 360)


def test_what_a_document_cost_and_which_prompts_it_was_asked_stand_on_its_job(stack: Deployed) -> None:
    _, job = extracted(stack, "certificate.pdf")
    assert job["usage"]["calls"] == 2
    assert 0 < job["cost_usd"] < 0.05
    assert sorted(job["prompts"]) == ["classify", "extract"]


def test_what_cannot_be_is_found_and_kept(stack: Deployed) -> None:
    document_id, job = extracted(stack, "certificate-wrong.pdf")
    assert [(each["field"], each["rule"]) for each in job["result"]["findings"]] == [
        ("credits", "maximum"),
        ("expires_on", "after"),
        ("number", "pattern"),
    ]
    [row] = results(stack, document_id)
    assert (row["needs_review"], row["findings"]) == (True, job["result"]["findings"])
    assert state(stack, document_id) == "review_pending"


def test_a_second_delivery_changes_nothing(stack: Deployed) -> None:
    document_id, job = extracted(stack, "registration-photo.jpg")
    stack.rows("UPDATE documents SET status = 'accepted' WHERE id = %s", document_id)
    before = results(stack, document_id)
    deliver_again(stack, job["job_id"])
    assert (results(stack, document_id), state(stack, document_id)) == (before, "accepted")
    assert stack.client().status(job["job_id"]).raw == job
    assert len(calls_of(stack, job["job_id"])) == 2


@dataclass(frozen=True)
class Keys:
    """The worker's login, and a connection from before the password was changed."""

    login: Login
    connection: psycopg.Connection[Any]

    def change(self) -> str:
        """Change the password of the worker's role, end the workers' connections, and return the password."""
        password = uuid4().hex
        set_password(self.connection, self.login.username, password)
        self.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND application_name = 'analysis-jobs'"
        )
        return password

    def found(self, document_id: str) -> tuple[str, int]:
        """Return the state of a document and its number of results."""
        counted = "SELECT status, (SELECT count(*) FROM extraction_results WHERE document_id = id) FROM documents"
        [row] = self.connection.execute(f"{counted} WHERE id = %s".encode(), (document_id,)).fetchall()
        return row[0], row[1]


def test_a_wrong_password_is_said_and_the_document_goes_on_when_the_secret_is_mended_in_the_other_spelling(
    stack: Deployed, keys: Keys
) -> None:
    client, document_id = stack.client(), a_document(stack)
    changed = keys.change()  # in the database only, not in the secret
    job_id = submit(stack, "certificate.pdf", document_id)
    job = until(lambda: job if (job := client.status(job_id).raw)["error"] else None)
    assert (job["status"], job["error"]["code"]) == ("queued", "database_login_refused")
    assert keys.found(document_id) == ("uploaded", 0)
    assert keys.login.password not in json.dumps(job)

    put_secret(stack, {**keys.login.secret("dbname"), "password": changed})
    assert client.wait(job_id).status == "completed"
    assert keys.found(document_id) == ("review_pending", 1)
    assert len(calls_of(stack, job_id)) == 2, "what was read before is not paid for again"


@pytest.fixture
def keys(stack: Deployed) -> Iterator[Keys]:
    """Return the worker's login. Restore database and secret after the test."""
    assert stack.connection.database is not None
    login = Login(**stack.connection.database)
    with login.connect() as connection:
        yield Keys(login, connection)
        set_password(connection, login.username, login.password)
        put_secret(stack, login.secret("database"))


def set_password(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))


def put_secret(stack: Deployed, secret: dict[str, Any]) -> None:
    manager = stack.boto3("secretsmanager")
    [found] = [each["ARN"] for each in manager.list_secrets()["SecretList"] if each["Name"].startswith("credentials-")]
    manager.put_secret_value(SecretId=found, SecretString=json.dumps(secret))


def test_the_jobs_of_a_document_keep_their_order_and_hold_up_no_other(stack: Deployed) -> None:
    client, document_id, other_id = stack.client(), a_document(stack), a_document(stack)
    stack.stand_in.set(match="CE-204817", error="ThrottlingException")  # for the first document only
    first = submit(stack, "certificate.pdf", document_id)
    second = submit(stack, "certificate-scan.pdf", document_id)
    other = submit(stack, "licence-scan.pdf", other_id)
    assert client.wait(other).status == "completed"
    until(lambda: transitions(client.status(first).raw).count("defer") >= 2)
    assert transitions(client.status(second).raw) == ["submit"], "it waits for the one before it"

    stack.stand_in.reset()
    ended = [client.wait(job).raw for job in (first, second)]
    assert [job["status"] for job in ended] == ["completed", "completed"]
    assert ended[0]["finished_at"] <= ended[1]["started_at"]
    assert ended[0]["attempt"] == 1
    newest = stack.rows(
        "SELECT job_id FROM extraction_results WHERE document_id = %s ORDER BY extracted_at DESC", document_id
    )
    assert [row["job_id"] for row in newest] == [second, first]


def transitions(job: Mapping[str, Any]) -> list[str]:
    return [entry["transition"] for entry in job["history"]]


def test_stuck_documents_are_found_and_run_again_in_bulk(stack: Deployed) -> None:
    tenant = "initech"
    client = stack.client(tenant)
    stack.stand_in.set(error="ValidationException")
    documents = {a_document(stack, tenant): "" for _ in range(STUCK)}
    for document_id in documents:
        documents[document_id] = submit(stack, "certificate.pdf", document_id, tenant)
    ended = [client.wait(job_id).raw for job_id in documents.values()]
    assert Counter(job["error"]["code"] for job in ended) == {"model_refused_request": STUCK}
    assert Counter(state(stack, document_id) for document_id in documents) == {"uploaded": STUCK}

    stack.stand_in.reset()
    assert redrive(stack, tenant)["found"] == STUCK
    assert redrive(stack, tenant, "--apply")["run_again"] == STUCK
    assert {client.wait(job_id).status for job_id in documents.values()} == {"completed"}
    assert Counter(state(stack, document_id) for document_id in documents) == {"review_pending": STUCK}
    assert Counter(len(results(stack, document_id)) for document_id in documents) == {1: STUCK}


def redrive(stack: Deployed, tenant: str, *options: str) -> dict[str, Any]:
    """Run the command, and return its report."""
    given = {"ANALYSIS_JOBS_URL": stack.api_url, "ANALYSIS_JOBS_TOKEN": stack.token(tenant)}
    environment = {**os.environ, **stack.connection.environment(), **given, "PYTHONPATH": str(HANDLERS)}
    command = [sys.executable, "-m", "analysis_jobs.cli", "redrive", "--json", "--analysis", EXAMPLE, *options]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


HANDLERS: Path = REPOSITORY / "handlers"


def test_the_canary_meets_its_expectations(stack: Deployed) -> None:
    assert [(each.failure, each.details) for each in canaries.run(stack)] == [("", [])]
