"""Single conditions taken away from the library. Each must make the model check fail, or the check proves nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from analysis_jobs.jobs import transitions as table
from analysis_jobs.jobs.admission import Admission, AdmissionDecision, Rate, decide
from analysis_jobs.jobs.record import Changes
from analysis_jobs.jobs.transitions import Guard, Status, Transition
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.submission import admission_service, control
from analysis_jobs.sweeper import sweeper as sweep
from analysis_jobs.worker import attempt, claimed_job, claims
from tests.faults import races, scenes

type Mutation = Callable[[], AbstractContextManager[object]]


@contextmanager
def _with(transition: Transition, **fields: Any) -> Iterator[None]:
    """Change an edge of the table, for everybody who uses it."""
    before = {name: getattr(transition, name) for name in fields}
    for name, value in fields.items():
        object.__setattr__(transition, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            object.__setattr__(transition, name, value)


def _without(transition: Transition, guard: Guard) -> Mutation:
    sources = {status: guards - {guard} for status, guards in transition.sources.items()}
    assert sources != transition.sources, f"{transition.name} has no guard {guard.name}"
    return lambda: _with(transition, sources=sources)


def _moving(transition: Transition, **counters: int) -> Mutation:
    return lambda: _with(transition, counters=counters)


def _from(transition: Transition, *statuses: Status) -> Mutation:
    """Take the edge from more states, without a condition."""
    return lambda: _with(transition, sources=transition.sources | dict.fromkeys(statuses, frozenset[Guard]()))


def _writing(module: Any, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Mutation:
    """Change what a module writes with its transitions."""
    return lambda: patch.object(module, "Changes", lambda values: Changes(change(dict(values))))


def _waits_without_being_due(values: dict[str, Any]) -> dict[str, Any]:
    return values | ({"due_at": None} if values.get("not_before") else {})


def _is_due_as_before(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "due_at" or value is None}


def _stays_due(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "due_at" or "finished_at" not in values}


def _stays_where_it_stands(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "lane_sort_key"}


def _the_worst_first() -> AbstractContextManager[object]:
    best = claims.Claims._best_waiting  # noqa: SLF001 - nothing else has the order
    return patch.object(claims.Claims, "_best_waiting", lambda self, tier_pointer: [*best(self, tier_pointer)][::-1])


def _keeps_its_attempts(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "attempt"}


def _goes_on_after_a_refused_beat() -> AbstractContextManager[object]:
    def hold(claimed: Any, changes: Mapping[str, Any]) -> Any:
        now, record = claimed.clock.now(), claimed.record
        return claimed.store.transition(record.key, table.BEAT, Changes(changes), now=now, read=record).job

    return patch.object(claimed_job.ClaimedJob, "hold", hold)


def _artifacts_without_a_token(module: Any, name: str) -> Mutation:
    given = getattr(module, name)

    def unfenced(first: Any, second: Any, *more: Any) -> Any:
        artifacts, job = (first, second) if name == "store_json" else (second, first)
        unnamed = replace(job, fence=0)
        return given(*((artifacts, unnamed) if name == "store_json" else (unnamed, artifacts)), *more)

    return lambda: patch.object(module, name, unfenced)


@contextmanager
def _attempts_counted_on_failure() -> Iterator[None]:
    with _with(table.CLAIM, counters={"fence": 1}), _with(table.RELEASE, counters={"attempt": 1}):
        yield


def _an_attempt_back_for_nothing() -> AbstractContextManager[object]:
    return patch.object(attempt.Attempt, "_gained", property(lambda _: True))


# What is taken away, and how it is found: by walks in which most are held up at one request, or in a scene.
MUTATIONS: dict[str, tuple[Mutation, str | scenes.Scene | None]] = {
    "a beat without the token": (_without(table.BEAT, Guard.TOKEN), "beat"),
    "a completion without the token": (_without(table.COMPLETE, Guard.TOKEN), "complete"),
    "a failure without the token": (_without(table.FAIL, Guard.TOKEN), "fail"),
    "a release without the token": (_without(table.RELEASE, Guard.TOKEN), "release"),
    "a deferral without the token": (_without(table.DEFER, Guard.TOKEN), "defer"),
    "a continuation without the token": (_without(table.CONTINUE, Guard.TOKEN), "continue"),
    "a stop without the token": (_without(table.STOP, Guard.TOKEN), scenes.stale_stop),
    "a completion from any state": (_from(table.COMPLETE, *Status), "complete"),
    "a retry of what has completed": (_from(table.RETRY, Status.COMPLETED), "retry"),
    "a claim that takes what is held": (_without(table.CLAIM, Guard.LEASE_EXPIRED), None),
    "a sweep that requeues what is held": (_without(table.REQUEUE, Guard.LEASE_EXPIRED), "requeue"),
    "a sweep that abandons what is held": (
        _without(table.ABANDON, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_abandon,
    ),
    "a sweep that expires what is held": (_without(table.EXPIRE, Guard.LEASE_EXPIRED), scenes.late_beat_before_expiry),
    "a sweep that cancels what is held": (
        _without(table.CANCEL_LOST, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_a_cancel,
    ),
    "a claim without an attempt left": (_without(table.CLAIM, Guard.ATTEMPTS_LEFT), None),
    "attempts counted on failure": (_attempts_counted_on_failure, None),
    "a deferral that spends an attempt": (_moving(table.DEFER), None),
    "a deferral that gives the token back": (_moving(table.DEFER, attempt=-1, fence=-1), None),
    "a retry that gives the token back": (_moving(table.RETRY, fence=-1), None),
    "a retry that keeps the attempts": (_writing(control, _keeps_its_attempts), None),
    "an attempt back without a checkpoint": (_an_attempt_back_for_nothing, "model"),
    "a claim before the wait is over": (_without(table.CLAIM, Guard.WAITED), None),
    "a claim after the deadline": (_without(table.CLAIM, Guard.IN_TIME), None),
    "an expiry before the deadline": (_without(table.EXPIRE, Guard.PAST_DEADLINE), "expire"),
    "two sweepers that send the same": (_without(table.RESEND, Guard.UNCHANGED), "resend"),
    "a release in spite of a cancel": (_without(table.RELEASE, Guard.NOT_CANCELLED), "release"),
    "a requeue in spite of a cancel": (_without(table.REQUEUE, Guard.NOT_CANCELLED), "requeue"),
    "a claim in spite of a cancel": (_without(table.CLAIM, Guard.NOT_CANCELLED), None),
    "a wait that is not due": (_writing(claimed_job, _waits_without_being_due), None),
    "a sweep that leaves what it sent overdue": (_writing(sweep, _is_due_as_before), None),
    "an end that stays due": (_writing(claimed_job, _stays_due), None),
    "an end by the sweeper that stays due": (_writing(sweep, _stays_due), None),
    "a lane in which the worst job is taken first": (_the_worst_first, None),
    "a claim that leaves the job in the order": (_writing(claims, _stays_where_it_stands), None),
    "a wait or an error that keeps the job out of the order": (_writing(claimed_job, _stays_where_it_stands), None),
    "a sweep that keeps the job out of the order": (_writing(sweep, _stays_where_it_stands), None),
    "a retry that keeps the job out of the order": (_writing(control, _stays_where_it_stands), None),
    "a refused beat that stops nobody": (_goes_on_after_a_refused_beat, "model"),
    "results without the token in their key": (_artifacts_without_a_token(attempt, "store_json"), scenes.stale_result),
    "checkpoints without the token in their key": (_artifacts_without_a_token(attempt, "Checkpoints"), None),
}


def _blind(policy: Admission, *known: Any) -> AdmissionDecision:
    """Decide without a look at the newest job."""
    return decide(replace(policy, one_active=False, at_most=policy.at_most or Rate(1_000, timedelta(1))), *known)


def _admits_what_was_overtaken() -> AbstractContextManager[object]:
    given = MemoryJobStore.admit

    def admit(store: Any, job: Any, idempotency: Any, admission_write: Any) -> Any:
        seen = store.read_admission_state(admission_write.admission_key, None, job.created_at)[0]
        return given(store, job, idempotency, replace(admission_write, expected=seen))

    return patch.object(MemoryJobStore, "admit", admit)


def _retries(*, newest_only: bool | None = None, unseen: bool = False) -> Mutation:
    given = MemoryJobStore.retry

    def retry(store: Any, job: Any, changes: Any, **asked: Any) -> Any:
        before = dict(store._subjects)  # noqa: SLF001
        outcome = given(store, job, changes, **asked | ({} if newest_only is None else {"newest_only": newest_only}))
        if unseen:
            store._subjects.update(before)  # noqa: SLF001
        return outcome

    return lambda: patch.object(MemoryJobStore, "retry", retry)


# The same for a policy of one active job a subject; each is found by a race too.
POLICY_MUTATIONS: dict[str, tuple[Mutation, scenes.Scene]] = {
    "a policy that does not look": (
        lambda: patch.object(admission_service, "decide", _blind),
        races.one_after_the_other,
    ),
    "a job that is let in though it was overtaken": (_admits_what_was_overtaken, races.two_at_once),
    "a retry that who decides does not see": (_retries(unseen=True), races.a_retry_while_one_decides),
    "a retry that does not see a newer job": (_retries(newest_only=False), races.a_submission_while_one_retries),
}
