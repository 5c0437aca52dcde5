"""rfp-analysis on the local cloud: HTTP as its web page uses it, prompts as data, a notice at the end."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docx import Document

from analysis_jobs_dev.cloud.deployed import Deployed
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.watching import calls_of, until

pytestmark = pytest.mark.system

EXAMPLE = REPOSITORY / "examples" / "rfp-analysis"
RIVERSIDE = EXAMPLE / "documents" / "riverside-digital-heritage.pdf"
NAME = "proposal_writer/step-1"
# The page of the replaced system polls every 3 s, for at most 5 minutes.
POLL_S, POLLS = 3, 100
NEWER = """
section = "proposal_writer"
sub_section = "step-1"
categories = ["RFP / Call for Proposals"]
user_prompt_template = '''
The newer words. Summarise this call, and extract what it asks for.

<document>
{rfp_text}
</document>'''
"""


@pytest.fixture
def stack(restarted_stack: LocalCloud) -> Iterator[Deployed]:
    restarted_stack.stand_in.reset()
    yield restarted_stack.deployed("rfp-analysis")
    restarted_stack.stand_in.reset()


def submit(stack: Deployed, proposal: str, document: Path = RIVERSIDE) -> str:
    client = stack.client()
    answer = client.request("POST", f"/proposals/{proposal}/analyze-rfp", json={"document": client.upload(document)})
    assert answer.status == 202
    return str(answer.json()["job_id"])


def status(stack: Deployed, proposal: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.client().request("GET", f"/proposals/{proposal}/analysis-status").json()
    return found


def analysed(stack: Deployed) -> dict[str, Any]:
    """Run a job on the example's document, and return it when it has ended."""
    return dict(stack.client().wait(submit(stack, uuid4().hex[:8])).raw)


def test_a_page_that_polls_every_three_seconds_has_its_brief_within_five_minutes(stack: Deployed) -> None:
    stack.stand_in.set(chunk_s=0.1)
    proposal = uuid4().hex[:8]
    job_id = submit(stack, proposal)
    seen = []
    for _ in range(POLLS):
        job = status(stack, proposal)
        seen.append((job["progress"], job["status"]))
        if job["status"] == "completed":
            break
        time.sleep(POLL_S)
    assert (job["job_id"], job["status"]) == (job_id, "completed"), job["error"]
    assert job["result"]["summary"]
    assert job["result"]["extracted_data"]["title"] == "Digital Heritage Access Programme 2027"
    assert seen[-1][0] == 100
    assert seen == sorted(seen, key=lambda each: each[0]), "progress never goes back"


def test_a_page_that_waits_hears_of_each_step_and_of_the_end_at_once(stack: Deployed) -> None:
    """A long poll replaces a push: the API holds the call until the job changes or ends."""
    stack.stand_in.set(first_token_s=1.0, chunk_s=0.3)
    client = stack.client()
    job_id, tag = submit(stack, uuid4().hex[:8]), ""
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["status"] not in {"completed", "failed"}:
        known: dict[str, Any] = {"query": {"wait": 20}, "headers": {"If-None-Match": tag}} if tag else {}
        answer = client.request("GET", f"/jobs/{job_id}", **known)
        if answer.status == 200:
            tag = answer.headers["etag"]
            heard.append(answer.json())
    assert heard[-1]["status"] == "completed"
    progress = [job["progress"] for job in heard]
    assert progress == sorted(progress)
    assert (progress[-1], any(0 < each < 100 for each in progress)) == (100, True)


@pytest.fixture
def notices(stack: Deployed) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that receives the notices so far, from another team's queue on the stack's topic."""
    sqs, sns = stack.boto3("sqs"), stack.boto3("sns")
    topic = sns.create_topic(Name=stack.outputs["function_names"]["worker"].removesuffix("-worker") + "-notices")
    url = sqs.create_queue(QueueName=f"team-{uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic["TopicArn"]}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    heard: list[dict[str, Any]] = []

    def receive() -> list[dict[str, Any]]:
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                heard.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return heard

    yield receive
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


def test_whoever_subscribes_is_told_of_the_end_and_of_nothing_else(
    stack: Deployed, notices: Callable[[], list[dict[str, Any]]]
) -> None:
    job = analysed(stack)
    notice = until(lambda: next((each for each in notices() if each["job_id"] == job["job_id"]), None))
    assert (notice["status"], notice["transition"], notice["subject"]) == ("completed", "complete", job["subject"])
    assert not {"result", "input"} & notice.keys()
    assert [each["transition"] for each in notices() if each["job_id"] == job["job_id"]] == ["complete"]


def test_a_word_file_is_read_as_a_pdf_is(stack: Deployed, tmp_path: Path) -> None:
    document = Document()
    for line in RIVERSIDE.with_suffix(".txt").read_text("utf-8").splitlines():
        document.add_paragraph(line)
    content = io.BytesIO()
    document.save(content)
    path = tmp_path / "call.docx"
    path.write_bytes(content.getvalue())
    job = stack.client().wait(submit(stack, uuid4().hex[:8], path)).raw
    assert (job["status"], job["error"]) == ("completed", None)
    assert job["result"]["extracted_data"]["title"] == "Digital Heritage Access Programme 2027"


class Prompts:
    """Runs the `prompts` commands, as an operator with AWS credentials does."""

    def __init__(self, stack: Deployed) -> None:
        table = stack.outputs["prompt_table_name"]
        paths = os.pathsep.join(filter(None, (str(REPOSITORY / "handlers"), os.environ.get("PYTHONPATH"))))
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **stack.connection.environment(),
            "ANALYSIS_JOBS_PROMPT_TABLE": table,
            "PYTHONPATH": paths,
        }

    def __call__(self, *arguments: object) -> Any:
        command = [sys.executable, "-m", "analysis_jobs.cli", "prompts", *map(str, arguments), "--json"]
        run = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)


def test_a_prompt_is_activated_rolled_back_and_deactivated_and_each_job_says_which_it_had(
    stack: Deployed, tmp_path: Path
) -> None:
    prompts = Prompts(stack)
    (shown,) = prompts("show", NAME)["versions"]
    before = shown["version"]
    assert shown["active_for"] == ["RFP / Call for Proposals"]
    assert analysed(stack)["prompts"] == {"brief": f"{NAME}@v{before}"}
    file = tmp_path / "newer.toml"
    file.write_text(NEWER, encoding="utf-8")
    newer = prompts("put", file, "--activate")["version"]
    try:
        # The stand-in refuses a prompt with these words. So the refusal shows that they were in it.
        stack.stand_in.set(match="The newer words", error="ValidationException", times=1)
        assert analysed(stack)["error"]["code"] == "model_refused_request"
        job = analysed(stack)
        assert (job["status"], job["prompts"]) == ("completed", {"brief": f"{NAME}@v{newer}"})
        assert len(calls_of(stack, job["job_id"])) == 1
    finally:
        prompts("rollback", NAME)
    assert analysed(stack)["prompts"] == {"brief": f"{NAME}@v{before}"}
    prompts("deactivate", NAME)
    try:
        assert analysed(stack)["prompts"] == {"brief": f"{NAME}@v0"}
    finally:
        prompts("rollback", NAME)
    actions = [change["action"] for change in prompts("history", NAME)["changes"][:4]]
    assert actions == ["rollback", "deactivate", "rollback", "activate"]
