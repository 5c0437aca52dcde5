"""The test kit: faults of the model and of the worker, waits by the clock of the test, and control from outside."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Job, Retry, stage
from analysis_jobs.testing import Answer, JobFailed, Jobs


class Nothing(BaseModel):
    """The input."""


class Text(BaseModel):
    """The result."""

    text: str


@stage(survives_deploys=True)
def draft(job: Job[Nothing]) -> str:
    return job.ask("Draft it.")


@stage(needs=timedelta(minutes=5))
def polish(job: Job[Nothing]) -> str:
    return job.ask(f"Polish: {job.output(draft)}")


def finish(job: Job[Nothing]) -> Text:
    job.save_file("text.txt", job.output(polish).encode(), "text/plain")
    return Text(text=job.output(polish))


ESSAY = Analysis("essay", request=Nothing, result=Text, stages=[draft, polish, finish])


@pytest.fixture(autouse=True)
def _answers(jobs: Jobs) -> None:
    jobs.answer(draft, "rough")
    jobs.answer(polish, "smooth")


# The model


def test_a_throttled_job_waits_spends_no_attempt_and_takes_the_time_that_the_model_names(jobs: Jobs) -> None:
    jobs.throttle(polish, times=2, retry_after=timedelta(minutes=10))
    done = jobs.run(ESSAY, {})
    assert (done.attempts, done.history) == (1, ["submit", "claim", "defer", "claim", "defer", "claim", "complete"])
    assert timedelta(minutes=20) <= done.took < timedelta(minutes=21)
    assert [asked.stage for asked in done.questions] == ["draft", "polish", "polish", "polish"]


def test_a_wait_that_no_queue_can_delay_is_ended_by_the_sweeper(jobs: Jobs) -> None:
    jobs.throttle(retry_after=timedelta(minutes=50))
    assert jobs.run(ESSAY, {}).took >= timedelta(minutes=50)


def test_a_deferred_job_runs_when_the_clock_has_moved_far_enough(jobs: Jobs) -> None:
    jobs.throttle(draft, retry_after=timedelta(minutes=10))
    job = jobs.submit(ESSAY, {})
    jobs.run_due()
    assert (job.status, job.took) == ("queued", timedelta())
    assert job.error is not None
    assert job.error.code == "model_throttled"
    jobs.clock.advance(minutes=9)
    jobs.run_due()
    assert job.status == "queued"
    jobs.clock.advance(timedelta(minutes=1))
    jobs.run_due()
    assert (job.status, job.took) == ("completed", timedelta(minutes=10))


def test_an_answer_that_is_cut_off_costs_an_attempt_and_the_answer_comes_again(jobs: Jobs) -> None:
    jobs.answer("polish", "again")
    jobs.cut("polish")
    done = jobs.run(ESSAY, {})
    assert (done.result.text, done.attempts, done.history[2]) == ("smooth", 2, "release")
    assert [asked.answer for asked in done.questions] == ["rough", None, "smooth"]


def test_a_model_that_times_out_twice_on_one_stage_fails_the_job(jobs: Jobs) -> None:
    jobs.time_out(polish)
    assert jobs.run(ESSAY, {}).attempts == 2
    jobs.time_out(polish, times=2)
    with pytest.raises(JobFailed, match="polish timed out twice") as failed:
        jobs.run(ESSAY, {})
    assert failed.value.code == "model_timeout"


def test_a_refusal_and_a_stop_reason_are_read_as_those_of_a_model(jobs: Jobs) -> None:
    jobs.refuse(draft, says="No essays.")
    assert _code(jobs) == ("model_refused", "the model refused to answer: No essays.")
    jobs.answer(write, Answer("rou", stop_reason="max_tokens"))
    failed = jobs.run(Analysis("short", request=Nothing, result=Text, stages=[write, polish_it]), {}, check=False)
    assert failed.error is not None
    assert failed.error.code == "model_answer_too_long"


def test_any_error_can_be_raised_by_a_question(jobs: Jobs) -> None:
    jobs.fault(Retry("model_error", "try again", timedelta(minutes=1)), times=3)
    assert _code(jobs) == ("model_error", "try again")


def _code(jobs: Jobs) -> tuple[str, str]:
    failed = jobs.run(ESSAY, {}, check=False)
    assert failed.error is not None
    return failed.error.code, failed.error.message


# The worker


@pytest.mark.parametrize(
    ("crashed", "asked"),
    [("draft", ["draft", "polish"]), ("polish", ["draft", "polish"]), ("finish", ["draft", "polish"])],
)
def test_after_a_crash_the_job_goes_on_after_its_last_checkpoint(jobs: Jobs, crashed: str, asked: list[str]) -> None:
    jobs.crash_after(crashed)
    done = jobs.run(ESSAY, {})
    assert (done.attempts, [each.stage for each in done.questions]) == (2, asked)
    assert done.files == {"text.txt": b"smooth"}
    assert done.took >= timedelta(minutes=1), "the lease has to expire first"


def test_a_crash_within_a_question_asks_it_again(jobs: Jobs) -> None:
    jobs.crash_in(polish)
    done = jobs.run(ESSAY, {})
    assert [asked.stage for asked in done.questions] == ["draft", "polish", "polish"]
    assert done.questions[1].answer is None


def test_a_worker_that_dies_in_every_attempt_fails_the_job(jobs: Jobs) -> None:
    job = jobs.submit(ESSAY, {})
    for _ in range(3):
        jobs.crash_in(draft)
        jobs.run_due()
        jobs.clock.advance(minutes=2)
    with pytest.raises(JobFailed) as failed:
        jobs.finish(job)
    assert (failed.value.code, job.attempts) == ("worker_lost", 3)


def test_long_work_keeps_its_lease_and_continues_in_another_invocation(jobs: Jobs) -> None:
    long = Analysis("long", request=Nothing, result=Text, stages=[write, polish_it])
    jobs.answer(write, Answer("rough", takes=timedelta(minutes=11)))
    jobs.answer(polish_it, "smooth")
    done = jobs.run(long, {})
    assert (done.attempts, done.history) == (1, ["submit", "claim", "continue", "claim", "complete"])


def write(job: Job[Nothing]) -> str:
    return job.ask("Write it.")


@stage(needs=timedelta(minutes=5))
def polish_it(job: Job[Nothing]) -> Text:
    return Text(text=job.ask(job.output(write)))


def test_a_stage_that_takes_longer_than_an_invocation_fails(jobs: Jobs) -> None:
    jobs.configure(timeout=timedelta(minutes=5))
    jobs.answer(write, Answer("never", takes=timedelta(minutes=6)))
    failed = jobs.run(Analysis("slow", request=Nothing, result=Text, stages=[write, polish_it]), {}, check=False)
    assert failed.error is not None
    assert (failed.error.code, failed.stages) == ("stage_timeout", ())


def test_a_deployment_keeps_only_the_stages_that_survive_it(jobs: Jobs) -> None:
    jobs.throttle(polish, retry_after=timedelta(minutes=5))
    job = jobs.submit(ESSAY, {})
    jobs.run_due()
    jobs.deploy("2026-12-01")
    done = jobs.finish(job)
    assert done.record.code_version == "2026-12-01"
    assert [asked.stage for asked in done.questions] == ["draft", "polish", "polish"]


@pytest.mark.parametrize("fault", ["throttle", "crash_after", "crash_in", "cancel_in"])
def test_a_fault_for_a_stage_that_does_not_exist_is_refused(jobs: Jobs, fault: str) -> None:
    getattr(jobs, fault)("drafts")
    with pytest.raises(ValueError, match="there is no stage drafts for a fault; the stages are draft, polish, finish"):
        jobs.run(ESSAY, {})


# Control


def test_a_job_is_cancelled_from_outside_while_a_stage_runs(jobs: Jobs) -> None:
    jobs.cancel_in(polish)
    with pytest.raises(JobFailed, match="essay cancelled") as failed:
        jobs.run(ESSAY, {})
    job = failed.value.job
    assert (job.status, job.stages, job.files) == ("cancelled", ("draft",), {})
    assert [asked.answer for asked in job.questions] == ["rough", None]


def test_a_queued_job_is_cancelled_and_run_again(jobs: Jobs) -> None:
    job = jobs.submit(ESSAY, {})
    job.cancel()
    jobs.run_due()
    assert (job.status, job.questions) == ("cancelled", [])
    job.retry()
    assert jobs.finish(job).result.text == "smooth"


def test_the_deadline_ends_a_job_that_is_throttled_for_ever(jobs: Jobs) -> None:
    jobs.throttle(times=1_000, retry_after=timedelta(minutes=30))
    failed = jobs.run(ESSAY, {}, check=False)
    assert failed.error is not None
    assert (failed.error.code, failed.took >= timedelta(hours=6)) == ("deadline_passed", True)


def test_the_clock_can_be_set_and_the_job_sees_it(jobs: Jobs) -> None:
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC)
    jobs.clock.set(noon)
    assert jobs.run(ESSAY, {}).record.created_at == noon


def test_several_jobs_run_side_by_side(jobs: Jobs) -> None:
    jobs.throttle(draft, times=1)
    first, second = jobs.submit(ESSAY, {}), jobs.submit(ESSAY, {}, priority="high")
    jobs.run_due()
    assert (first.status, second.status) == ("queued", "completed")
    assert jobs.finish(first).result == second.result
    assert len(jobs.questions) == len(first.questions) + len(second.questions)
