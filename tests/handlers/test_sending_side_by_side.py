"""Jobs of one invocation that attach large documents, with both vendors' ports against the stand-in."""

import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any, cast

import pytest

from analysis_jobs import Attachment, Job
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.jobs.record import Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.gemini.model import GeminiModel
from analysis_jobs.llm.model import Model, Question
from analysis_jobs.llm.sending import Sending, sending_bytes
from analysis_jobs.worker.batch import handle_batch
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.slots import Place
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import QUEUE_ARN, Book, Shop, Value, eventually, heartbeat_lives, some_settings
from tests.handlers.models import BEDROCK_ID, GEMINI_ID, a_gemini_key, bedrock_client

JOBS = 6
ATTACHED = Attachment(b"%PDF-1.4\n" + bytes(1_000_000), "application/pdf", "a.pdf")
QUESTION = Question(BEDROCK_ID, "What does it say?", 1_000, attachments=(ATTACHED,))
# Two questions fit, and three do not.
LIMIT = int(sending_bytes(QUESTION) * 2.5)


class Watched(Sending):
    """Remembers the most that was being sent together. The first question is sent when the last one waits."""

    def __init__(self) -> None:
        super().__init__(LIMIT)
        self.most_taken = 0
        self._first = threading.Lock()

    @contextmanager
    def turn(self, question: Question, cancellation: CancellationToken) -> Iterator[Callable[[], None]]:
        """See `Sending.turn`."""
        with super().turn(question, cancellation) as give_back:
            if self._first.acquire(blocking=False):
                eventually(lambda: self.waiting == JOBS - 2)
            self.most_taken = max(self.most_taken, self.taken_bytes)
            yield give_back


class Bodies:
    """The bodies of Bedrock's requests, and the most of them that were in memory together."""

    def __init__(self) -> None:
        self.seen: list[BytesIO] = []
        self.most = 0
        self._lock = threading.Lock()

    def add(self, params: dict[str, Any], **_: Any) -> None:
        """Take note of a request that is about to be sent."""
        with self._lock:
            self.seen.append(params["body"])
            self.most = max(self.most, sum(not each.closed for each in self.seen))


def run_together(model: Model, model_id: str) -> list[Status]:
    """Run jobs that attach a document and ask, in one invocation. Return how they ended."""
    together = threading.Barrier(JOBS)

    def ask(job: Job[Book]) -> Value:
        together.wait(60)
        return Value(text=job.ask(QUESTION.prompt, attachments=[ATTACHED], model_id=model_id))

    shop = Shop(
        [ask],
        model=cast("Any", model),
        settings=some_settings(heartbeat_s=15, lease_s=60),
        clock=cast("Any", SystemClock()),
    )
    now = shop.clock.now()
    times = {"created_at": now, "due_at": now, "deadline": now + timedelta(hours=1)}
    keys = [
        shop.keep(job_id=f"job-{number}", input=Payload(json.dumps({"isbn": "x"})), **times) for number in range(JOBS)
    ]
    records = [
        {
            "messageId": key.job_id,
            "body": json.dumps({"tenant": key.tenant, "job_id": key.job_id}),
            "receiptHandle": key.job_id,
            "eventSourceARN": QUEUE_ARN,
        }
        for key in keys
    ]
    worker = shop.worker

    def handle(given: dict[str, Any], place: Place) -> None:
        message = Message.parse(given["body"], given["eventSourceARN"], given["receiptHandle"])
        worker.handle(message, None, Invocation(shared=place.shared))

    assert handle_batch(records, handle) == {"batchItemFailures": []}
    assert not heartbeat_lives()
    return [shop.job(key).status for key in keys]


def test_no_more_than_the_limit_is_in_memory_at_a_time(stand_in: StandIn) -> None:
    stand_in.set(answer="It says nothing.", chunk_chars=4, first_token_s=0.2)
    sending, bodies, client = Watched(), Bodies(), bedrock_client(stand_in.url)
    model = BedrockModel(client, sending=sending)
    client.meta.events.register("before-call", bodies.add)
    assert run_together(model, BEDROCK_ID) == [Status.COMPLETED] * JOBS
    assert len(bodies.seen) == JOBS
    assert 0 < bodies.most <= 2
    assert 0 < sending.most_taken <= LIMIT
    assert sending.taken_bytes == sending.waiting == 0


def test_gemini_sends_no_more_than_the_limit_at_a_time(stand_in: StandIn) -> None:
    stand_in.set(answer="It says nothing.", chunk_chars=4, first_token_s=0.2)
    sending = Watched()
    model = GeminiModel(a_gemini_key(), stand_in.url, sending=sending)
    assert run_together(model, GEMINI_ID) == [Status.COMPLETED] * JOBS
    assert 0 < sending.most_taken <= LIMIT
    assert sending.taken_bytes == sending.waiting == 0


@pytest.mark.parametrize("vendor", ["bedrock", "gemini"])
def test_the_turn_is_over_while_the_model_is_still_silent(stand_in: StandIn, vendor: str) -> None:
    stand_in.set(answer="It says nothing.", first_token_s=600)
    sending, token, errors = Sending(LIMIT), CancellationToken(), []
    model: Model
    if vendor == "bedrock":
        model, asked = BedrockModel(bedrock_client(stand_in.url), sending=sending), BEDROCK_ID
    else:
        model, asked = GeminiModel(a_gemini_key(), stand_in.url, sending=sending), GEMINI_ID
    question = Question(asked, "What?", 1_000, attachments=(ATTACHED,))

    def ask() -> None:
        try:
            model.ask(question, lambda _: None, token)
        except Exception as error:  # noqa: BLE001 - the cancel ends the call
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: bool(stand_in.calls()))
    eventually(lambda: sending.taken_bytes == 0)
    assert thread.is_alive()
    token.cancel()
    thread.join()
    assert len(errors) == 1


_STAND_IN = """
import sys
from analysis_jobs_dev.cloud.stand_in import StandIn

with StandIn() as stand_in:
    stand_in.set(answer="It says nothing.", first_token_s=0.5)
    print(stand_in.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def distant() -> Iterator[str]:
    """Return the URL of a stand-in in a process of its own. It keeps the requests in its own memory."""
    command = [sys.executable, "-c", _STAND_IN]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.mark.parametrize("vendor", ["bedrock", "gemini"])
def test_no_copy_of_an_attachment_is_left_when_the_answer_begins(distant: str, vendor: str) -> None:
    model: Model = (
        BedrockModel(bedrock_client(distant)) if vendor == "bedrock" else GeminiModel(a_gemini_key(), distant)
    )
    question = replace(QUESTION, model_id=BEDROCK_ID if vendor == "bedrock" else GEMINI_ID)
    model.ask(replace(question, attachments=()), lambda _: None, CancellationToken())  # imports, schemas, connections
    taken: list[int] = []
    tracemalloc.start()
    try:
        model.ask(question, lambda _: taken.append(tracemalloc.get_traced_memory()[0]), CancellationToken())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak > 3 * len(ATTACHED.content)
    assert taken[0] < len(ATTACHED.content) / 2
