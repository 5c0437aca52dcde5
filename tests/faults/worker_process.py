"""Execution environments that can be killed: `python -m tests.faults.worker_process` forks one for each line read.

A line is JSON: {"spawn": Task, "name": number} or {"signal": number, "name": number}; each is answered by one line.
Forking an image that has everything imported, and its clients made, gives a new environment in milliseconds, where a
start from nothing takes a second of CPU. No client has connected when it is forked.
Whoever is forked lives no longer than this process, and this one no longer than its standard input.

Times are scaled: what the library fixes in seconds for a lease of 60 s is divided here as the lease is.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import boto3
from botocore.config import Config

import sweeper
import worker
from analysis_jobs import wiring
from analysis_jobs.jobs import dispatch
from analysis_jobs.submission import service as _submission  # noqa: F401 - imported here, once, for all forks
from analysis_jobs.worker import retry_policy as decisions
from cloud import ministack
from tests.faults import analyses as _analyses  # noqa: F401 - as above

DEFAULT_LEASE_S = 60.0
# No long poll: the message that is handed to a receiver which was killed would be gone for its visibility, and Lambda's
# own poller does not die with a function.
_POLL_S = 0.3
_EVENT: dict[str, Any] = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


@dataclass(frozen=True)
class Task:
    """What a forked process does.

    Attributes:
        role: `worker` (receives like an event source mapping and handles), or `sweeper`.
        log: the file of its output.
        queue_url: where a worker receives, directly and not through the bad weather: Lambda's own poller does.
        aws_url: the emulator.
        bundle: what its certificate is checked with.
        timeout_s: how long an invocation may take; then the process is killed.
        batch: how many messages an invocation gets at most.
        invocations: after so many with a message the process ends; 0 for never.
        forget_to_delete: how often a handled message is not deleted, and is delivered again.
        every_s: the sweeper's rate.
        pause_before: the AWS call before which the process stops itself, as `label` spells it; "" for never.
        say_calls: log every AWS call's label.
    """

    role: str
    log: str
    queue_url: str
    aws_url: str
    bundle: str
    timeout_s: float = 15.0
    batch: int = 1
    invocations: int = 0
    forget_to_delete: float = 0.0
    every_s: float = 3.0
    pause_before: str = ""
    say_calls: bool = False


class Context:
    """What Lambda hands a function beside the event."""

    function_name = "under-test"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:under-test"
    aws_request_id = "under-test"

    def __init__(self, timeout_s: float) -> None:
        self._ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still take."""
        return int((self._ends - time.monotonic()) * 1000)


def say(event: str, **fields: Any) -> None:
    """Write a line beside those of the function."""
    sys.stdout.write(json.dumps({"event": f"harness.{event}", "at": time.time(), "pid": os.getpid(), **fields}) + "\n")
    sys.stdout.flush()


def scale(lease_s: float) -> None:
    """Divide the library's fixed times by as much as the lease is shorter than its default."""
    by = DEFAULT_LEASE_S / lease_s
    dispatch.SEND_GRACE /= by
    decisions._BASE /= by  # noqa: SLF001 - as fixed as the others
    decisions._CAP /= by  # noqa: SLF001
    wait = Config(connect_timeout=1, read_timeout=1)
    wiring._STORE_CONFIG = wiring._STORE_CONFIG.merge(wait)  # noqa: SLF001
    wiring._S3_CONFIG = wiring._S3_CONFIG.merge(wait)  # noqa: SLF001
    silence_s = float(os.environ.get("MODEL_SILENCE_S", 120 / by))
    wiring.MODEL_CONFIG = wiring.MODEL_CONFIG.merge(Config(connect_timeout=1, read_timeout=silence_s))


class _Calls:
    """Counts the AWS calls of one process, and stops it before the one it is told to."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._seen: dict[str, int] = {}

    def watch(self) -> None:
        """Look at every call of the clients, which are made anew for that."""
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-send", self._before_send)
        worker._worker.cache_clear()  # noqa: SLF001 - what an execution environment keeps
        worker._worker()  # noqa: SLF001

    def _before_send(self, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        who = "beat" if threading.current_thread().name == "heartbeat" else "work"
        name = f"{who} {service}:{operation}"
        self._seen[name] = self._seen.get(name, 0) + 1
        label = f"{name} {self._seen[name]}"
        if self._task.say_calls:
            say("call", label=label)
        if label == self._task.pause_before:
            say("paused", label=label)
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.05)  # another thread may have taken the signal: it stops this one in a moment
            say("woken", label=label)


class _Process:
    """What runs in a fork."""

    def __init__(self, task: Task, parent: int) -> None:
        self._task = task
        self._parent = parent

    @property
    def _wanted(self) -> bool:
        return os.getppid() == self._parent

    def run(self) -> None:
        if self._task.pause_before or self._task.say_calls:
            _Calls(self._task).watch()
        if self._task.role == "sweeper":
            self._sweep()
        else:
            self._work()

    def _sweep(self) -> None:
        while self._wanted:
            # On the tick, as a schedule: two sweepers sweep at once.
            time.sleep(self._task.every_s - time.time() % self._task.every_s)
            try:
                say("swept", steps=sweeper.handler(_EVENT, Context(60)))
            except Exception as error:  # noqa: BLE001 - Lambda would call it again, at the next tick
                say("sweep_failed", error=repr(error))

    def _work(self) -> None:
        queue = _poller(self._task.aws_url, self._task.bundle)
        done = 0
        while self._wanted and not (self._task.invocations and done >= self._task.invocations):
            try:
                messages = queue.receive_message(
                    QueueUrl=self._task.queue_url, MaxNumberOfMessages=self._task.batch
                ).get("Messages", [])
            except Exception as error:  # noqa: BLE001 - the mapping goes on
                say("receive_failed", error=repr(error))
                time.sleep(0.2)
                continue
            if messages:
                done += 1
                self._invoke(queue, messages)
            else:
                time.sleep(_POLL_S)

    def _invoke(self, queue: Any, messages: list[dict[str, Any]]) -> None:
        say("received", jobs=[json.loads(message["Body"])["job_id"] for message in messages])
        # Lambda ends an environment whose time is over without a word.
        signal.setitimer(signal.ITIMER_REAL, self._task.timeout_s)
        answer = worker.handler({"Records": [self._record(each) for each in messages]}, Context(self._task.timeout_s))
        signal.setitimer(signal.ITIMER_REAL, 0)
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        say("handled", failed=sorted(failed))
        for number, message in enumerate(messages):
            forgotten = hash((message["ReceiptHandle"], number)) % 1000 < self._task.forget_to_delete * 1000
            if message["MessageId"] not in failed and not forgotten:
                queue.delete_message(QueueUrl=self._task.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        name = self._task.queue_url.rsplit("/", 1)[-1]
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{ministack.REGION}:000000000000:{name}",
            "awsRegion": ministack.REGION,
        }


@cache
def _poller(aws_url: str, bundle: str) -> Any:
    """Return a client that the bad weather does not touch."""
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=aws_url,
        verify=bundle,
        region_name=ministack.REGION,
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )


class _Zygote:
    """Forks, and signals whom it forked: by names, because the system uses a pid again as soon as it can."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}

    def serve(self) -> None:
        """Answer lines until there are no more."""
        # Not by `for line in sys.stdin`: a fork would inherit what is read ahead.
        stdin = os.fdopen(os.dup(0), "rb", buffering=0)
        while line := stdin.readline():
            request = json.loads(line)
            name = request["name"]
            answer = self._spawn(name, Task(**request["spawn"])) if "spawn" in request else self._signal(**request)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        for name in list(self._pids):
            self._signal(signal.SIGKILL, name)

    def _spawn(self, name: int, task: Task) -> bool:
        worker._worker()  # noqa: SLF001 - what the first invocation would do, in each fork again
        sweeper._sweeper()  # noqa: SLF001
        _poller(task.aws_url, task.bundle)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(task, parent)
        self._pids[name] = pid
        return True

    def _become(self, task: Task, parent: int) -> None:
        """Run the task; never returns."""
        code = 1
        try:
            log = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for new, old in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(new, old)
            random.seed()
            _Process(task, parent).run()
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it was, it is written down, and ends this process only
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _signal(self, signal: int, name: int) -> bool:
        """Return whether the process was there to take it; 0 only looks."""
        pid = self._pids.get(name)
        if pid is None:
            return False
        if os.waitpid(pid, os.WNOHANG) != (0, 0):  # until it is waited for, nobody else can have its pid
            del self._pids[name]
            return False
        os.kill(pid, signal)
        if signal == 9:  # SIGKILL, whose name this argument hides
            os.waitpid(pid, 0)
            del self._pids[name]
        return True


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """Let Ctrl-C at the terminal end the tests; the closed input then ends this."""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _ignore)
    Path(os.devnull).touch()
    scale(float(os.environ["LEASE_S"]))
    _Zygote().serve()
