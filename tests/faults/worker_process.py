"""Forks execution environments that a test can kill: `python -m tests.faults.worker_process`.

It reads one JSON request a line, and answers each with one line:

    {"spawn": Task, "name": number}     forks a process
    {"signal": number, "name": number}  sends it a signal

This process has imported everything and made its clients, so a fork takes milliseconds. A fresh start takes a second of
CPU. No client has an open connection at the fork. The forks end with this process, and it ends with its standard input.

Times are scaled: the library's fixed times fit a lease of 60 s. They are divided by the same number as the lease.
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
from analysis_jobs.submission import service as _submission  # noqa: F401 - imported once, before the forks
from analysis_jobs.worker import retry_policy as decisions
from analysis_jobs.worker import slots
from analysis_jobs_dev.cloud import ministack
from tests.faults import analyses as _analyses  # noqa: F401 - as above

DEFAULT_LEASE_S = 60.0
# No long poll. A killed poll could hide a message until its visibility timeout. Lambda's own poller does not die with a
# function.
_POLL_S = 0.3
_EVENT: dict[str, Any] = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


@dataclass(frozen=True)
class Task:
    """What a forked process does.

    Attributes:
        role: `worker` receives like an event source mapping, and handles; or `sweeper`.
        log: the file of its output.
        queue_url: the queue of a worker. It receives without the proxy, because Lambda's poller would too.
        aws_url: the emulator's URL.
        bundle: path of the CA bundle for the emulator's certificate.
        timeout_s: the function's timeout. A process that exceeds it is killed.
        batch: the most messages of one invocation.
        invocations: the process ends after so many invocations; 0 for no limit.
        forget_to_delete: the probability that a handled message is not deleted, and so is delivered again.
        every_s: the time between two sweeps.
        pause_before: the label of the AWS call before which the process pauses itself; "" for none.
        say_calls: log the label of each AWS call.
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
    """The context that Lambda passes to a function."""

    function_name = "under-test"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:under-test"
    aws_request_id = "under-test"

    def __init__(self, timeout_s: float) -> None:
        self._ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time of the invocation."""
        return int((self._ends - time.monotonic()) * 1000)


def say(event: str, **fields: Any) -> None:
    """Log an event of the test harness."""
    sys.stdout.write(json.dumps({"event": f"harness.{event}", "at": time.time(), "pid": os.getpid(), **fields}) + "\n")
    sys.stdout.flush()


def scale(lease_s: float) -> None:
    """Divide the library's fixed times by the factor by which the lease is shorter than its default."""
    by = DEFAULT_LEASE_S / lease_s
    dispatch.SEND_GRACE /= by
    decisions._BASE /= by  # noqa: SLF001 - no setting changes it
    decisions._CAP /= by  # noqa: SLF001
    slots._INTERVAL /= by  # noqa: SLF001
    wait = Config(connect_timeout=1, read_timeout=1)
    wiring._STORE_CONFIG = wiring._STORE_CONFIG.merge(wait)  # noqa: SLF001
    wiring._S3_CONFIG = wiring._S3_CONFIG.merge(wait)  # noqa: SLF001
    silence_s = float(os.environ.get("MODEL_SILENCE_S", 120 / by))
    wiring.MODEL_CONFIG = wiring.MODEL_CONFIG.merge(Config(connect_timeout=1, read_timeout=silence_s))


class _Calls:
    """Labels the AWS calls of one process, and pauses the process before the call `task.pause_before`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._seen: dict[str, int] = {}

    def watch(self) -> None:
        """Make new clients, and watch every call that they send."""
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-send", self._before_send)
        worker._worker.cache_clear()  # noqa: SLF001 - the cache of an execution environment
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
            time.sleep(0.05)  # another thread may have received the signal first
            say("woken", label=label)


class _Process:
    """The main loop of a forked process."""

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
            # On full intervals, like a schedule: two sweepers sweep at the same time.
            time.sleep(self._task.every_s - time.time() % self._task.every_s)
            try:
                say("swept", steps=sweeper.handler(_EVENT, Context(60)))
            except Exception as error:  # noqa: BLE001 - Lambda would call it again at the next interval
                say("sweep_failed", error=repr(error))

    def _work(self) -> None:
        queue = _poller(self._task.aws_url, self._task.bundle)
        slots._FULL_BATCH = self._task.batch  # noqa: SLF001 - this poller delivers so many at most, Lambda ten
        done = 0
        while self._wanted and not (self._task.invocations and done >= self._task.invocations):
            try:
                messages = queue.receive_message(
                    QueueUrl=self._task.queue_url, MaxNumberOfMessages=self._task.batch
                ).get("Messages", [])
            except Exception as error:  # noqa: BLE001 - the event source mapping would go on
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
        # Lambda kills an environment that exceeds its timeout, without a message. SIGALRM does the same here.
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
    """Return an SQS client without injected faults."""
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=aws_url,
        verify=bundle,
        region_name=ministack.REGION,
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )


class _Zygote:
    """Forks processes and signals them by name, because the system may reuse a pid."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}

    def serve(self) -> None:
        """Answer requests until the input ends, then kill all forks."""
        # Unbuffered: a fork would inherit the buffer that `sys.stdin` has read ahead.
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
        worker._worker()  # noqa: SLF001 - otherwise the first invocation of each fork would do it
        sweeper._sweeper()  # noqa: SLF001
        _poller(task.aws_url, task.bundle)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(task, parent)
        self._pids[name] = pid
        return True

    def _become(self, task: Task, parent: int) -> None:
        """Run the task in the fork, then exit."""
        code = 1
        try:
            log = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for new, old in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(new, old)
            random.seed()
            _Process(task, parent).run()
            code = 0
        except BaseException:  # noqa: BLE001 - logged; it ends only this process
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _signal(self, signal: int, name: int) -> bool:
        """Send a signal; return whether the process was alive. Signal 0 only checks that."""
        pid = self._pids.get(name)
        if pid is None:
            return False
        if os.waitpid(pid, os.WNOHANG) != (0, 0):  # its pid is not reused before this wait
            del self._pids[name]
            return False
        os.kill(pid, signal)
        if signal == 9:  # SIGKILL; the argument `signal` hides the module
            os.waitpid(pid, 0)
            del self._pids[name]
        return True


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """Ignore Ctrl-C: it ends the tests, and then the closed input ends this process."""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _ignore)
    Path(os.devnull).touch()
    scale(float(os.environ["LEASE_S"]))
    _Zygote().serve()
