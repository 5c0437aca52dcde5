"""A worker that runs out of memory or time, and how its job still ends.

docs/operations.md shows the logs of these runs.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.operations import as_logged, as_the_caller_sees, counted, require_shown
from tests.runtime.conftest import Start
from tests.runtime.lambda_runtime import Answer, LambdaRuntime
from tests.runtime.small_stack import REPOSITORY, SmallStack, function, small_aws

DOCUMENT = REPOSITORY / "examples" / "rfp-analysis" / "documents" / "coastal-road-resilience.pdf"

Deploy = Callable[..., LambdaRuntime]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, StandIn]]:
    with small_aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture
def deploy(aws: tuple[Connection, StandIn], task_root: Path, start: Start) -> Deploy:
    """Deploy a function with these limits."""

    def deployed(name: str, *, timeout_s: float = 30, memory_mb: int = 1024) -> LambdaRuntime:
        return start(function(aws[0], task_root, name, timeout_s=timeout_s, memory_mb=memory_mb))

    return deployed


@pytest.fixture
def stack(aws: tuple[Connection, StandIn], deploy: Deploy) -> Iterator[SmallStack]:
    stack = SmallStack(aws[0], deploy("api"), deploy("sweeper"), deploy("worker"))
    yield stack
    stack.forget_messages()
    aws[1].reset()


def died(answer: Answer) -> str:
    """Return Lambda's error for an invocation that it ended."""
    assert answer.error
    message = re.sub(r"^RequestId: \S+ ", "", answer.error["errorMessage"])
    return f"worker   {answer.error['errorType']}: {message}"


def of(name: str, runtime: LambdaRuntime, job_id: str) -> list[str]:
    return list(as_logged(name, runtime.log.splitlines(), job_id=job_id))


def test_a_job_that_needs_more_memory_than_there_is_fails_and_completes_with_more(
    stack: SmallStack, deploy: Deploy
) -> None:
    stack.worker = small = deploy("worker", memory_mb=192)
    job_id = stack.submit_to("greedy", {"megabytes": 300})
    ends = []
    for attempt in (1, 2, 3):
        ends.append(died(stack.work()))
        stack.sweep_until("requeue" if attempt < 3 else "fail")
    failed = stack.job(job_id)
    claims = of("worker", small, job_id)
    sweeps = of("sweeper", stack.sweeper, job_id)
    turns = [line for turn in zip(claims, ends, sweeps, strict=True) for line in turn]
    [failures] = counted("sweeper", stack.sweeper.log.splitlines(), "JobsFailed")
    stack.worker = deploy("worker", memory_mb=1024)
    again = stack.call("POST", f"/jobs/{job_id}/retry")
    stack.work()
    require_shown(
        "out of memory",
        [
            "caller   submits a job that takes 300 MB; the worker has 192 MB",
            *turns,
            failures,
            as_the_caller_sees(failed),
            "caller   POST /jobs/{job_id}/retry, now that the worker has 1024 MB: " + again["status"],
            *of("worker", stack.worker, job_id),
            as_the_caller_sees(stack.job(job_id)),
        ],
    )


def test_a_run_that_cannot_be_stopped_in_time_is_killed_and_costs_an_attempt(stack: SmallStack, deploy: Deploy) -> None:
    stack.worker = short = deploy("worker", timeout_s=2)
    short.invoke({"Records": []})  # on a busy machine a cold start alone may take two seconds
    job_id = stack.submit_to("greedy", {"seconds": 4})
    end = died(stack.work())
    stack.sweep_until("requeue")
    waiting = stack.job(job_id)
    stack.worker = deploy("worker", timeout_s=60)
    stack.work()
    require_shown(
        "a hard time-out",
        [
            *of("worker", short, job_id),
            end,
            *of("sweeper", stack.sweeper, job_id),
            as_the_caller_sees(waiting),
            *of("worker", stack.worker, job_id),
            as_the_caller_sees(stack.job(job_id)),
        ],
    )


def test_a_stage_that_is_out_of_time_twice_fails_and_says_which(
    stack: SmallStack, deploy: Deploy, aws: tuple[Connection, StandIn]
) -> None:
    aws[1].set(first_token_s=60)
    stack.worker = deploy("worker", timeout_s=5)
    job_id = stack.submit(DOCUMENT.read_bytes())
    for _ in range(2):
        assert stack.work().value == {"batchItemFailures": []}
    [failures] = counted("worker", stack.worker.log.splitlines(), "JobsFailed")
    require_shown(
        "a stage out of time",
        [*of("worker", stack.worker, job_id), failures, as_the_caller_sees(stack.job(job_id))],
    )
