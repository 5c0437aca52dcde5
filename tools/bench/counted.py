"""Runs jobs of five minutes once, in virtual time and on moto, and counts all that AWS would bill.

    python -m bench.counted '{"jobs": 1, "parts": 0, "input_bytes": 0}'

The last line of the output is JSON. What the functions print before it is what CloudWatch Logs would store.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from threading import Barrier
from typing import Any
from unittest.mock import patch

import api
import sweeper
import worker
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.model import Question, Reply
from bench.meter import Meter
from bench.processes import report
from bench.virtual_time import VirtualTime, virtual_time
from tests.handlers.deployment import deployed
from tests.handlers.events import Context, http_event

BEAT_S = 15
# A little longer than 20 heartbeats, so that the last of them and the answer never come at the same moment.
LENGTH_S = 305
BEATS = LENGTH_S // BEAT_S
TIMEOUT = timedelta(minutes=15)
ANSWER = "The book is a first edition, and complete. " * 40


@dataclass(frozen=True)
class Plan:
    """What to run: so many jobs in one invocation, with so many checkpoints each and so large an input."""

    jobs: int = 1
    parts: int = 0
    input_bytes: int = 0
    beats: int = BEATS


@dataclass
class Counted:
    """What a step of all jobs together cost.

    `partitions` are write units by index and key. `events` are the records of the table's stream that start the events
    function. `log_bytes` is what the functions printed.
    """

    requests: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    events: int = 0
    log_bytes: int = 0


class _Context(Context):
    """A Lambda context that ends in virtual time."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock
        self._end = clock.now + TIMEOUT

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self._end - self._clock.now) // timedelta(milliseconds=1))


def main(text: str) -> None:
    """Run a plan, and print the counts of each step as JSON."""
    plan = Plan(**json.loads(text))
    output = _Output()
    with patch("sys.stdout", output), patch("sys.stderr", output):
        steps = _run(plan, output)
    report({name: asdict(counted) for name, counted in steps.items()})


def _run(plan: Plan, output: "_Output") -> dict[str, Counted]:
    steps: dict[str, Counted] = {}
    with deployed() as stack, _settings(plan), virtual_time() as clock, Meter("aj-jobs") as meter:

        def step[Result](name: str, take: Callable[[], Result]) -> Result:
            meter.clear()
            before = output.size
            result = take()
            # How often an invocation asks for further messages depends on the machine. `packing` simulates it.
            meter.requests.pop("sqs:ReceiveMessage", None)
            steps[name] = Counted(
                dict(meter.requests), dict(meter.units), dict(meter.partitions), meter.events, output.size - before
            )
            return result

        with patch.object(BedrockModel, "ask", _slow_model(plan, clock)):
            body = {"analysis": "waiting", "input": {"parts": plan.parts, "padding": "x" * plan.input_bytes}}
            made = step("submit", lambda: [_call("POST", "/jobs", body) for _ in range(plan.jobs)])
            records = stack.messages()
            event = {"Records": records}
            answer = step("work", lambda: worker.handler(event, _Context(clock)))
            job = step("poll", lambda: _call("GET", f"/jobs/{made[0]['job_id']}"))
            step("sweep", lambda: sweeper.handler({}, _Context(clock)))
    if answer["batchItemFailures"] or job["status"] != "completed":
        raise SystemExit(f"The jobs did not complete, so the counts mean nothing: {job} {answer}")
    return steps


def _settings(plan: Plan) -> AbstractContextManager[object]:
    for handler in (api._api, worker._worker, sweeper._sweeper):  # noqa: SLF001 - what an execution environment keeps
        handler.cache_clear()
    given = {"ANALYSES": "bench.analyses", "JOBS_PER_INVOCATION": str(plan.jobs), "HEARTBEAT_S": str(BEAT_S)}
    return patch.dict(os.environ, given)


def _slow_model(plan: Plan, clock: VirtualTime) -> Callable[..., Reply]:
    """Return an `ask` that answers when all jobs have asked and the time of a job has passed."""
    all_asked = Barrier(plan.jobs)

    def ask(_model: object, _question: Question, _on_chunk: object, _cancellation: CancellationToken) -> Reply:
        if all_asked.wait() == 0:
            for _ in range(plan.beats):
                clock.step(timedelta(seconds=BEAT_S))
            clock.step(timedelta(seconds=LENGTH_S % BEAT_S))
        all_asked.wait()
        return Reply(ANSWER, None, "end_turn", Usage(1, 12_000, 4_000))

    return ask


def _call(method: str, path: str, body: object = None) -> Mapping[str, Any]:
    event = http_event(method, path, None if body is None else json.dumps(body), claims={"tenant": "acme", "sub": "u"})
    answer: Mapping[str, Any] = json.loads(api.handler(event, Context())["body"])
    return answer


class _Output:
    """Counts what is printed, and keeps none of it."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, text: str) -> int:
        self.size += len(text.encode())
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is kept."""


if __name__ == "__main__":
    main(sys.argv[1])
