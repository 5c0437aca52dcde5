"""One job on moto's AWS, in virtual time. A process dies just before or just after a chosen AWS call.

`Run` drives the shipped API, worker and sweeper with the scheduler: every AWS call is a scheduling point.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs import models as moto_sqs

from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base import ids
from analysis_jobs.base.clock import to_ms
from analysis_jobs.documents import child, upload_key
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.request_errors import StateConflictError
from analysis_jobs.jobs.tiers import Tiers
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.submission.control import JobControl
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs.worker import heartbeat
from analysis_jobs.worker.invocation import Invocation
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.visibility import Visibility
from analysis_jobs.worker.worker import Worker
from tests.faults import scans
from tests.faults.crash_aws import Clients, answer, refusal
from tests.faults.crash_scenarios import Crash, Scenario
from tests.faults.scheduler import Actor, Killed, Process, Scheduler, VirtualClock
from tests.faults.world import TIERS, always_together, analyses, small_rows, tier_of
from tests.handlers.aws import REGION, create_job_table
from tests.handlers.builders import MINUTE, SECOND, START, some_settings

ANSWER_TAKES = 20 * SECOND
TICK = 5 * SECOND
# The text of each analysis' result, if its job completes.
RESULTS = {"valuation": "<first> <second/item/0> <second/item/1>", "scan": f"<{scans.TEXT}>"}


class Run:
    """Runs one job from its submission to its end, with one crash at most.

    Attributes:
        calls: the AWS calls in order, each with the kind of process that made it.
        asks, answers: model calls, and those that were answered.
        reader: reads documents; it counts the pages.
        kept: the work that a write has saved.
        unkept_at_crash: the work that was not saved when the worker crashed.
        crashed: a description of the crash, once it has happened.
    """

    _numbers = count(1)

    def __init__(self, clients: Clients, scenario: Scenario, crash: Crash | None = None) -> None:
        self.scenario, self._crash = scenario, crash
        self.calls: list[str] = []  # for example `worker: dynamodb UpdateItem`
        self.asks = 0
        self.answers = 0
        self.kept = 0
        self.unkept_at_crash = 0
        self.crashed: str | None = None
        self.unanswered: int | None = None  # index of the AWS call during which the scenario killed the worker
        self._at: dict[Actor, int] = {}
        self._keeps: dict[Actor, int] = {}
        self.scheduler = Scheduler()
        self.clock = VirtualClock(self.scheduler, START)
        self.reader = scans.PageReader(self.clock)
        self._aws, number = clients, next(self._numbers)
        boto = clients.by_name
        self._name = f"aj-{number}"
        create_job_table(boto["dynamodb"], self._name)
        boto["s3"].create_bucket(Bucket=self._name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._url = boto["sqs"].create_queue(QueueName=self._name, Attributes={"VisibilityTimeout": "90"})["QueueUrl"]
        self._queue = moto_sqs.sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[self._name]
        self.settings = some_settings(
            table_name=self._name,
            bucket_name=self._name,
            queue_urls={"medium": self._url},
            inline_bytes=40,
            lease_s=60,
            heartbeat_s=15,
        )
        tiers = Tiers(order=TIERS, of=tier_of) if scenario.tiered else None
        known = analyses(scenario.deadline, tiers, many_names=scenario.lists)
        self._analyses = Analyses([*known.values(), scans.scan_analysis(scenario.deadline)])
        self._store = DynamoJobStore(boto["dynamodb"], self._name, self.clock)
        self._lane = SqsJobQueue(boto["sqs"], self.settings.queue_urls)
        self._artifacts = S3ArtifactStore(boto["s3"], self._name)
        self._artifacts.write(upload_key("acme", scans.DOCUMENT), b"%PDF-", "application/pdf")
        self._model = BedrockModel(boto["bedrock-runtime"])
        self._lost = 0
        self._retries: list[tuple[str, timedelta]] = []
        self._received: dict[Process, str] = {}
        self._callers: dict[Process, str] = {}
        self.key: JobKey | None = None

    @property
    def work(self) -> int:
        """The answers of the model, and the pages that OCR began to read. A page counts each time."""
        return self.answers + self.reader.begun.total()

    # Called by the hooks of the clients

    def asked(self, params: Mapping[str, Any]) -> None:
        """Record whether a write saves the work so far."""
        actor = self.scheduler.current
        if actor:
            names, values = params.get("ExpressionAttributeNames", {}), params.get("ExpressionAttributeValues", {})
            status = values.get(":status", {}).get("S")
            keeps = "#checkpoints" in names or status in {"completed", "failed", "cancelled"}
            self._keeps[actor] = self.work if keeps and "UpdateExpression" in params else 0

    def before(self, call: str) -> None:
        """Wait for a turn before an AWS call, or kill the process here."""
        actor = self.scheduler.current
        if actor is None:
            return
        number = self._at[actor] = len(self.calls)
        self.calls.append(f"{actor.process.kind}: {call}")
        self._die_at(number, actor, after=False)
        self.scheduler.point(call)

    def after(self, *, landed: bool) -> None:
        """Wait for a turn after the reply, or kill the process here. `landed` is whether AWS executed the call."""
        actor = self.scheduler.current
        if actor is None:
            return
        if landed:
            self.kept = max(self.kept, self._keeps.get(actor, 0))
        self._die_at(self._at[actor], actor, after=True)
        self.scheduler.point("answer")

    def _die_at(self, number: int, actor: Actor, *, after: bool) -> None:
        if self._crash == Crash(number, after):
            self.crashed = f"{'after' if after else 'before'} {self.calls[number]}"
            self.unkept_at_crash = self.work - self.kept if actor.process.kind == "worker" else 0
            actor.process.alive = False
            raise Killed

    def answer(self, request: Any) -> AWSResponse:
        """Answer as the model: return the scenario's error, or an answer after `ANSWER_TAKES`."""
        actor = self.scheduler.current
        assert actor is not None
        self.asks += 1
        reply = self.scenario.replies[self.asks - 1] if self.asks <= len(self.scenario.replies) else ""
        if reply:
            return refusal(request.url, reply)
        self.answers += 1
        if self.asks == self.scenario.die_asking:
            self.unanswered = self._at[actor]
            self.kept = self.work  # the scenario loses this answer, and not the crash
            self._received.clear()
            self._queue._messages.clear()  # noqa: SLF001 - the scenario loses the message as well
            actor.process.alive = False
            raise Killed
        self.clock.sleep(ANSWER_TAKES)
        asked = json.loads(request.body.read())
        return answer(request.url, f"<{asked['messages'][0]['content'][0]['text']}>")

    # The run

    def go(self) -> JobRecord | None:
        """Run until the job has ended; return it, or None if it was never accepted."""
        chances = SimpleNamespace(randbits=random.Random(1).getrandbits)
        random.seed(1)
        with ExitStack() as stack:
            stack.enter_context(patch.object(heartbeat, "Thread", self.scheduler.thread))
            stack.enter_context(patch.object(ids, "secrets", chances))
            stack.enter_context(patch.object(child, "run", self.reader.run))
            stack.enter_context(patch.object(moto_sqs, "unix_time_millis", lambda: float(to_ms(self.clock.now()))))
            stack.enter_context(patch.object(moto_sqs, "unix_time", lambda: to_ms(self.clock.now()) / 1000))
            if self.scenario.lists:
                stack.enter_context(small_rows())
            if self.scenario.together:
                stack.enter_context(always_together())
            self._aws.run = self
            try:
                return self._simulate()
            finally:
                self._aws.run = None
                for process in list(self.scheduler.processes):
                    self.scheduler.kill(process)

    def _simulate(self) -> JobRecord | None:
        acts = {"submit": START, **{act: START + at for act, at in self.scenario.acts.items()}}
        swept = START
        while self.clock.now() < START + timedelta(hours=3):
            now = self.clock.now()
            for act in [act for act, at in acts.items() if at <= now]:
                if act == "retry" and not self._has_ended():
                    continue  # a caller retries only a job that has failed
                del acts[act]
                if act == "submit" or self._find():
                    self._start_process("api", self._act(act), act)
            if now - swept >= MINUTE:
                swept = now
                if self.key is None or self._is_due():
                    self._start_process("sweeper", Sweeper(self._store, self._lane, self.settings, self.clock).sweep)
            self._deliver()
            self._turns()
            for act in self._unanswered():
                acts[act] = now + TICK
            if not acts and not self.scheduler.processes and self._is_over():
                return self.job()
            self.clock.advance(TICK)
        raise AssertionError(f"the job did not end: {self.job()}")

    def _turns(self) -> None:
        while ready := self.scheduler.runnable():
            for actor in ready:
                if not actor.over and actor.ready():
                    self.scheduler.step(actor)
                    if not actor.process.alive:
                        self.scheduler.kill(actor.process)
        for process in [process for process in self._received if process.over]:
            handle = self._received.pop(process)
            if process.error is None and not self.scenario.shared:
                self._aws.by_name["sqs"].delete_message(QueueUrl=self._url, ReceiptHandle=handle)
            else:
                assert process.error is None or isinstance(process.error, Killed), process.error

    def _unanswered(self) -> list[str]:
        """Return the requests that callers repeat because the API process died."""
        over = {process: act for process, act in self._callers.items() if process.over}
        for process in over:
            del self._callers[process]
            # A repeated request may be refused because the job has completed meanwhile.
            conflict = isinstance(process.error, StateConflictError)
            assert process.error is None or conflict or isinstance(process.error, Killed), process.error
        # A caller without an idempotency key does not repeat a submission.
        repeats = self.scenario.keyed
        return [act for process, act in over.items() if not process.alive and (repeats or act != "submit")]

    def _act(self, act: str) -> Callable[[], object]:
        if act == "submit":
            scan = self.scenario.analysis == "scan"
            given = {"document": scans.DOCUMENT} if scan else {"isbn": f"{TIERS[1]} 42{'x' * 80}"}
            key = "a key" if self.scenario.keyed else None
            submission = Submission(analysis=self.scenario.analysis, input=given, subject="books/42" if key else None)
            parts = (self._store, self._lane, self._artifacts, self._analyses, self.settings, self.clock)
            return lambda: SubmissionService(*parts).submit("acme", submission, key)
        control = JobControl(self._store, self._lane, self._artifacts, self._analyses, self.settings, self.clock)
        key_of_job = self._find()
        assert key_of_job is not None
        return lambda: getattr(control, act)(key_of_job)

    def _deliver(self) -> None:
        if not self._queue.messages:
            return
        found = self._aws.by_name["sqs"].receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for received in found.get("Messages", []):
            handle = received["ReceiptHandle"]
            if self._lost < self.scenario.lose_messages:
                self._lost += 1
                self._aws.by_name["sqs"].delete_message(QueueUrl=self._url, ReceiptHandle=handle)
                continue
            message = Message.parse(received["Body"], f"arn:aws:sqs:{REGION}:1:{self._name}", handle)
            self._received[self._start_process("worker", self._work(message))] = handle

    def _work(self, message: Message) -> Callable[[], None]:
        worker = Worker(
            self._store,
            self._lane,
            self._analyses,
            Services(self._artifacts, MemoryPromptStore(), self._model, self.settings),
            self.clock,
        )
        limit = self.scenario.stop_after
        stop_at = self.clock.now() + limit if limit else None
        shared = self.scenario.shared and not message.alone
        visibility = Visibility(self._lane, self.clock) if self.scenario.shared else None
        invocation = Invocation(shared=shared, visibility=visibility, late=shared)

        def work() -> None:
            worker.handle(message, stop_at, invocation)
            if self.scenario.shared:
                self._lane.delete(message.queue_arn, message.receipt_handle)

        return work

    def _start_process(self, kind: str, work: Callable[[], object], act: str | None = None) -> Process:
        process = Process(kind)
        self.scheduler.spawn(process, work)
        if act:
            self._callers[process] = act
        return process

    # The state of the run

    def job(self) -> JobRecord | None:
        """Return the job of this run, if it was accepted."""
        key = self._find()
        return self._store.get(key) if key else None

    def artifact(self, key: str) -> Any:
        """Return the JSON content of an artifact."""
        return json.loads(self._artifacts.read(key, 1_000_000))

    def _find(self) -> JobKey | None:
        if self.key is None:
            rows = self._aws.by_name["dynamodb"].scan(TableName=self._name)["Items"]
            found = [row["item"]["S"][4:] for row in rows if row["item"]["S"].startswith("job#")]
            assert len(found) <= 1, "one submission made two jobs"
            self.key = JobKey("acme", found[0]) if found else None
        return self.key

    def _is_due(self) -> bool:
        job = self.job()
        return bool(job and job.due_at and job.due_at <= self.clock.now())

    def _has_ended(self) -> bool:
        job = self.job()
        return job is None or job.status.ended

    def _is_over(self) -> bool:
        return not self._received and not self._queue.messages and self._has_ended()


def ends_of(job: JobRecord) -> Counter[str]:
    """Return the number of ends of a job, by transition."""
    return Counter(entry.transition for entry in job.history if entry.status.ended)
