"""Causes each failure that docs/operations.md explains. The page shows the logs of these runs."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from analysis_jobs.client import Rejected
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.operations import PAGE, as_logged, as_the_caller_sees, counted, require_shown
from tests.system.breaking import (
    alarm_on,
    another_prompt,
    broken_worker,
    depth,
    hidden_for_a_second,
    kill_workers,
    make_overdue,
    settle,
    sweep,
    take_all,
    wait_until_asking,
    without_queue,
)
from tests.system.watching import invocations, logged, of_job, until, without_statement

pytestmark = pytest.mark.system

DOCUMENT = default_document(REPOSITORY / "examples" / "rfp-analysis")
PROMPT = "proposal_writer/step-1"
OPTIONAL = {"cost-per-day", "cost-per-hour", "database-logins-refused"}  # of settings that this stack does not have
RECEIVES = 3  # queue.max_receive_count
MISTAKES = ["not a job", '{"job_id": 7}', '{"tenant": "acme", "job_id": "01hzzzzzzzzzzzzzzzzzzzzzzz"}', "[]", "{}", " "]


@dataclass(frozen=True)
class Run:
    """A run that fails: the stack, a document, and its start.

    Jobs of other tests may still run and log. So lines are selected by the job's id or by the event.
    """

    stack: LocalCloud
    document: str
    since: float

    @property
    def queue(self) -> str:
        return str(self.stack.outputs["queue_urls"]["medium"])

    @property
    def dead_letters(self) -> str:
        return str(self.stack.outputs["dead_letter_queue_urls"]["medium"])

    def submitted(self) -> str:
        """Submit a job and return its id."""
        return str(self.stack.client().submit("rfp-analysis", {"document": self.document}).job_id)

    def ended(self, job_id: str, timeout_s: float = 120) -> dict[str, Any]:
        return dict(self.stack.client().wait(job_id, timeout_s=timeout_s).raw)

    def swept(self, job_id: str) -> dict[str, int]:
        """Make the job overdue, and sweep."""
        make_overdue(self.stack, job_id)
        return sweep(self.stack)

    def log(self, function: str, job_id: str, *, until_one_has: str = "") -> list[str]:
        """Wait until a function has logged a line with this text about a job. Return all lines about the job."""

        def look() -> list[str] | None:
            lines = list(as_logged(function, logged(self.stack, function, self.since), job_id=job_id))
            return lines if any(until_one_has in line for line in lines) else None

        return until(look)

    def events(self, function: str, event: str, count: int = 1) -> list[str]:
        """Wait until a function has logged an event `count` times. Return these lines."""

        def look() -> list[str] | None:
            lines = list(as_logged(function, logged(self.stack, function, self.since), event=event))
            return lines if len(lines) >= count else None

        return until(look)

    def counters(self, function: str, name: str, job_id: str) -> list[str]:
        """Wait for a metric in the invocations that handled a job. Return each value that was written."""

        def look() -> list[str] | None:
            return list(counted(function, of_job(self._runs(function), job_id), name)) or None

        return until(look)

    def silent_runs(self) -> int:
        """Return how many invocations of the worker have logged nothing at all, because it cannot start."""
        return sum(all(line.startswith(("START ", "END ", "REPORT ")) for line in run) for run in self._runs("worker"))

    def crashes(self, job_id: str, count: int) -> list[str]:
        """Wait until the worker process has died in `count` invocations for a job. Return the emulator's messages."""

        def look() -> list[str] | None:
            lines = [line.strip() for line in of_job(self._runs("worker"), job_id)]
            found = [f"worker   {line}" for line in lines if line == "Worker process died"]
            return found if len(found) >= count else None

        return until(look)

    def _runs(self, function: str) -> list[list[str]]:
        return invocations(self.stack, function, self.since)


@pytest.fixture
def run(stack: LocalCloud) -> Iterator[Run]:
    settle(stack)
    yield Run(stack, stack.client().upload(DOCUMENT), time.time())
    stack.connection.stand_in.reset()


def test_a_worker_that_is_killed_costs_an_attempt_and_a_lease(run: Run) -> None:
    run.stack.connection.stand_in.set(first_token_s=60, times=1)
    job_id = run.submitted()
    wait_until_asking(run.stack, job_id, attempt=1)
    assert kill_workers(run.stack) > 0
    job = run.ended(job_id, timeout_s=300)  # nothing helps: the message comes back, or the scheduled sweep finds it
    [died] = run.crashes(job_id, 1)
    first, *later = run.log("worker", job_id, until_one_has="job.complete")
    alarm = alarm_on(run.stack, "worker-errors", 1)
    [counted] = run.counters("worker", "JobsCompleted", job_id)
    require_shown("a killed worker", [as_the_caller_sees(job), first, died, *later, counted, alarm])


def test_what_a_run_counts_is_told_from_what_others_count_meanwhile(run: Run) -> None:
    jobs = [run.submitted() for _ in range(3)]
    assert {run.ended(job)["status"] for job in jobs} == {"completed"}
    assert [run.counters("worker", "JobsCompleted", job) for job in jobs] == [["worker   METRIC  JobsCompleted 1"]] * 3


def test_a_document_that_kills_every_worker_ends_its_job_with_the_last_attempt(run: Run) -> None:
    stand_in = run.stack.connection.stand_in
    stand_in.set(first_token_s=60)
    job_id = run.submitted()
    for attempt in (1, 2, 3):
        wait_until_asking(run.stack, job_id, attempt)
        kill_workers(run.stack)
        stand_in.reset()
        stand_in.set(first_token_s=60)
        # At once: after a lease the job's own message comes back, and then there is nothing to sweep.
        run.swept(job_id)
        run.crashes(job_id, attempt)
    stand_in.reset()
    job = run.ended(job_id)
    claims = run.log("worker", job_id)
    died = run.crashes(job_id, 3)
    sweeps = run.log("sweeper", job_id, until_one_has="step=fail")
    [counted] = run.counters("sweeper", "JobsFailed", job_id)
    alarm = alarm_on(run.stack, "worker-errors", len(died))
    turns = [line for turn in zip(claims, died, sweeps, strict=True) for line in turn]
    require_shown("a poisoned document", [as_the_caller_sees(job), *turns, counted, alarm])


def test_messages_that_are_not_ours_end_in_the_dead_letter_queue_untouched(run: Run) -> None:
    sqs = run.stack.boto3("sqs")
    sqs.purge_queue(QueueUrl=run.dead_letters)
    with hidden_for_a_second(run.stack, run.queue):
        for body in MISTAKES:
            sqs.send_message(QueueUrl=run.queue, MessageBody=body)
        until(lambda: depth(run.stack, run.dead_letters) == len(MISTAKES))
    alarms = [
        alarm_on(run.stack, "dead-letters-medium", depth(run.stack, run.dead_letters)),
        alarm_on(run.stack, "worker-errors", 0),
    ]
    found = sorted(message["Body"] for message in take_all(run.stack, run.dead_letters, len(MISTAKES)))
    assert found == sorted(MISTAKES)
    failed = run.events("worker", "message.failed", len(MISTAKES) * RECEIVES)
    require_shown(
        "a full dead-letter queue", [*sorted(set(failed)), *(f"message  {body!r}" for body in found), *alarms]
    )


def test_without_its_queue_a_job_is_accepted_and_waits_until_the_queue_is_back(run: Run) -> None:
    with without_queue(run.stack, run.queue):
        accepted = run.stack.client().request(
            "POST", "/jobs", json={"analysis": "rfp-analysis", "input": {"document": run.document}}
        )
        job_id = accepted.json()["job_id"]
        until(lambda: run.swept(job_id)["error"] >= 1)  # the scheduled sweep may come before ours
        waiting = run.stack.client().status(job_id).raw
    run.swept(job_id)
    job = run.ended(job_id)
    require_shown(
        "a missing queue",
        [
            f"caller   POST /jobs: {accepted.status}",
            as_the_caller_sees(waiting),
            *run.log("api", job_id, until_one_has="job.not_sent"),
            *run.log("sweeper", job_id, until_one_has="step=resend"),
            *run.log("worker", job_id, until_one_has="job.complete"),
            as_the_caller_sees(job),
        ],
    )


def test_without_the_right_to_ask_the_model_a_job_fails_at_once_and_can_be_run_again(run: Run) -> None:
    with without_statement(run.stack, "worker", "ModelsInvoke"):
        job_id = run.submitted()
        job = run.ended(job_id)
    log = run.log("worker", job_id, until_one_has="job.fail")
    [counted] = run.counters("worker", "JobsFailed", job_id)
    run.stack.connection.stand_in.reset()  # it caches the rights of a role for some seconds
    again = run.stack.client().request("POST", f"/jobs/{job_id}/retry")
    repeated = run.ended(job_id)
    require_shown(
        "a denied model",
        [
            as_the_caller_sees(job),
            *log,
            counted,
            f"caller   POST /jobs/{{job_id}}/retry: {again.status}",
            as_the_caller_sees(repeated),
        ],
    )


def test_without_the_right_to_write_jobs_the_worker_leaves_the_messages_where_they_are(run: Run) -> None:
    with without_statement(run.stack, "worker", "JobsWrite"):
        job_id = run.submitted()
        failed = run.events("worker", "message.failed")
        waiting = run.stack.client().status(job_id).raw
    until(lambda: run.swept(job_id)["resend"] >= 1)
    job = run.ended(job_id)
    alarm = alarm_on(run.stack, "worker-errors", 0)
    require_shown("a worker without its table", [as_the_caller_sees(waiting), *failed, alarm, as_the_caller_sees(job)])


def test_without_the_right_to_write_jobs_the_api_accepts_nothing(run: Run) -> None:
    refusals = []
    with without_statement(run.stack, "api", "JobsWrite"):
        for _ in range(6):
            with pytest.raises(Rejected) as refused:
                run.submitted()
            refusals.append(refused.value)
    assert {refusal.status for refusal in refusals} == {500}
    problem = refusals[0].problem
    said = f"{problem['title']}: {problem['detail'].rpartition(' ')[0]} (its id)"
    [logged_as] = set(run.events("api", "api.error", len(refusals)))
    alarm = alarm_on(run.stack, "api-5xx", len(refusals))
    require_shown("an API without its table", [f"caller   POST /jobs: 500 {said}", logged_as, alarm])


def test_a_prompt_that_cannot_work_fails_jobs_until_the_version_before_is_put_back(run: Run) -> None:
    with another_prompt(run.stack, PROMPT, "Say something nice."):
        job_id = run.submitted()
        failed = run.ended(job_id)
    run.stack.client().request("POST", f"/jobs/{job_id}/retry")
    require_shown("a poisoned prompt", [as_the_caller_sees(failed), as_the_caller_sees(run.ended(job_id))])


def test_a_worker_that_cannot_start_leaves_jobs_waiting_until_the_alias_is_put_back(run: Run) -> None:
    with broken_worker(run.stack) as error:
        job_id = run.submitted()
        until(lambda: run.silent_runs() > 1)  # the invocation by `broken_worker`, and that for the job
        waiting = run.stack.client().status(job_id).raw
    run.swept(job_id)
    repaired = run.ended(job_id)
    alarm = alarm_on(run.stack, "worker-errors", 1)
    shown = [as_the_caller_sees(waiting), f"worker   {error}", alarm, as_the_caller_sees(repaired)]
    require_shown("a bad deployment", shown)


def test_the_page_explains_every_alarm_that_is_deployed(stack: LocalCloud) -> None:
    alarms = stack.boto3("cloudwatch").describe_alarms()["MetricAlarms"]
    prefix = stack.outputs["function_names"]["worker"].removesuffix("worker")
    deployed = {alarm["AlarmName"].removeprefix(prefix).removesuffix("-medium") for alarm in alarms}
    table = PAGE.read_text("utf-8").partition("\n## What goes wrong\n")[0]
    explained = {name.removesuffix("-<lane>") for name in re.findall(r"^\| `([a-z0-9<>-]+)` \|", table, re.MULTILINE)}
    assert explained - OPTIONAL == deployed - OPTIONAL
