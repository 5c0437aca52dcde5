"""The transition table: both stores follow it, and it has the properties that keep jobs safe.

The cases come from the table itself. `tests/faults` shows the failures without each condition.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.jobs import transitions
from analysis_jobs.jobs.ports import Applied, ConditionFailed, JobStore
from analysis_jobs.jobs.record import Changes, JobRecord
from analysis_jobs.jobs.transitions import Guard, Status, Transition
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.builders import MILLISECOND, NOTHING, START, a_job

Q, P, C, F, X = Status.QUEUED, Status.PROCESSING, Status.COMPLETED, Status.FAILED, Status.CANCELLED
G = Guard

# The two claims have one name in the history.
SHARED_CLAIM = "claim_shared"
BY_NAME = {SHARED_CLAIM if each is transitions.CLAIM_SHARED else each.name: each for each in transitions.ALL}
GUARDED = [
    pytest.param(name, source, guard, id=f"{name}-{source}-{guard.name}")
    for name, transition in BY_NAME.items()
    for source, guards in transition.sources.items()
    for guard in sorted(guards, key=lambda guard: guard.name)
]

# Changes to a row, or to the version that the writer read, that just violate exactly one guard.
type Change = Callable[[JobRecord], JobRecord]
ROW_AGAINST: dict[Guard, Change] = {
    G.LEASE_EXPIRED: lambda row: replace(row, lease_until=START + MILLISECOND),
    G.ATTEMPTS_LEFT: lambda row: replace(row, attempt=row.max_attempts),
    G.ATTEMPTS_SPENT: lambda row: replace(row, attempt=row.max_attempts - 1),
    G.WAITED: lambda row: replace(row, not_before=START + MILLISECOND),
    G.IN_TIME: lambda row: replace(row, deadline=START),
    G.PAST_DEADLINE: lambda row: replace(row, deadline=START + MILLISECOND),
    G.CANCEL_ASKED: lambda row: replace(row, cancel_asked_at=None),
    G.NOT_CANCELLED: lambda row: replace(row, cancel_asked_at=START),
    G.SHARED: lambda row: replace(row, shared=None),
    G.UNSHARED: lambda row: replace(row, shared=True),
    G.MAY_SHARE: lambda row: replace(row, alone=True),
}
READ_AGAINST: dict[Guard, Change] = {
    G.TOKEN: lambda row: replace(row, fence=row.fence - 1),
    G.UNCHANGED: lambda row: replace(row, version=row.version - 1),
}


def guards_of(transition: Transition) -> set[Guard]:
    """Return the guards of a transition over all source states."""
    return set[Guard]().union(*transition.sources.values())


def favourable(name: str, status: Status) -> JobRecord:
    """Return a row in `status` that just satisfies every guard of the transition."""
    guards = guards_of(BY_NAME[name])
    return a_job(
        status=status,
        version=5,
        fence=3,
        max_attempts=3,
        attempt=3 if G.ATTEMPTS_SPENT in guards else 2,
        lease_until=START,
        not_before=START,
        deadline=START if G.PAST_DEADLINE in guards else START + MILLISECOND,
        cancel_asked_at=START if G.CANCEL_ASKED in guards else None,
        shared=True if G.SHARED in guards else None,
    )


def take(
    store: JobStore, transition: Transition, row: JobRecord, read: JobRecord | None = None
) -> Applied | ConditionFailed:
    """Store `row`, and apply a transition at `START` for a writer that read `read` (default: `row`)."""
    store.create(row, None)
    return store.transition(row.key, transition, NOTHING, now=START, read=read or row)


def test_the_names_of_transitions_are_unique() -> None:
    assert len(BY_NAME) == len(transitions.ALL)
    assert BY_NAME[SHARED_CLAIM].name == "claim"


def test_a_worker_with_other_jobs_claims_only_what_may_share_it() -> None:
    shared = {status: guards - {G.MAY_SHARE} for status, guards in transitions.CLAIM_SHARED.sources.items()}
    assert shared == transitions.CLAIM.sources
    assert all(G.MAY_SHARE in guards for guards in transitions.CLAIM_SHARED.sources.values())


def test_a_death_beside_other_jobs_gives_the_attempt_back_and_one_alone_does_not() -> None:
    assert transitions.REQUEUE_SHARED.counters == {"attempt": -1}
    after_a_death = (transitions.CLAIM, transitions.REQUEUE, transitions.ABANDON)
    assert G.SHARED in transitions.REQUEUE_SHARED.sources[P]
    assert all(G.UNSHARED in each.sources[P] for each in after_a_death)


def test_only_a_retry_by_the_caller_leaves_an_end_state() -> None:
    ended = {status for status in Status if status.ended}
    assert ended == {C, F, X}
    assert [t.name for t in transitions.ALL if ended & t.sources.keys()] == ["retry"]
    assert C not in transitions.RETRY.sources


def test_a_job_with_a_requested_cancel_is_not_requeued() -> None:
    # Otherwise a job could start again after its caller was told that it is stopping.
    back = [t for t in transitions.ALL if t.target in (Q, P) and P in t.sources and t.recorded]
    queued = {"release", "defer", "continue", "requeue", "requeue_shared"}
    assert {t.name for t in back} == {"claim", "request_cancel"} | queued
    assert all(G.NOT_CANCELLED in t.sources[P] for t in back)


def test_a_running_job_is_taken_from_its_holder_only_after_the_lease_expired() -> None:
    taking = [t for t in transitions.ALL if P in t.sources and G.TOKEN not in t.sources[P]]
    assert {t.name for t in taking if G.LEASE_EXPIRED not in t.sources[P]} == {"request_cancel"}


def test_only_the_holder_of_the_token_completes_a_job() -> None:
    completing = [t for t in transitions.ALL if t.target is C]
    assert [t.name for t in completing] == ["complete"]
    assert all(G.TOKEN in guards for guards in completing[0].sources.values())


def test_a_waiting_job_can_be_claimed_or_ended_for_any_counters() -> None:
    # Otherwise it could wait forever. Attempts are left or spent, and the deadline is ahead or has passed.
    assert transitions.CLAIM.sources[Q] == {G.ATTEMPTS_LEFT, G.IN_TIME, G.WAITED}
    assert transitions.ABANDON.sources[Q] == {G.ATTEMPTS_SPENT}
    assert transitions.EXPIRE.sources[Q] == {G.PAST_DEADLINE}


def test_a_claim_needs_an_attempt_left_and_time_until_the_deadline() -> None:
    assert all({G.ATTEMPTS_LEFT, G.IN_TIME} <= guards for guards in transitions.CLAIM.sources.values())
    assert all(G.ATTEMPTS_LEFT in each.sources[P] for each in (transitions.RELEASE, transitions.REQUEUE))


def test_only_the_holder_fails_a_job_that_has_attempts_and_time_left() -> None:
    failing = [
        guards for t in transitions.ALL if t.target is F for guards in t.sources.values() if G.TOKEN not in guards
    ]
    assert len(failing) == 4
    assert all(guards & {G.ATTEMPTS_SPENT, G.PAST_DEADLINE} for guards in failing)


def test_a_running_job_is_cancelled_only_if_a_caller_asked_for_it() -> None:
    cancelling = {t.name: t.sources[P] for t in transitions.ALL if t.target is X and P in t.sources}
    assert cancelling.keys() == {"stop", "cancel_lost"}
    assert all(G.CANCEL_ASKED in guards for guards in cancelling.values())


def test_the_history_omits_transitions_that_change_no_state() -> None:
    assert [t.name for t in transitions.ALL if not t.recorded] == ["beat", "resend", "join"]


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("status", Status)
def test_a_transition_is_applied_only_from_its_source_states(store: JobStore, name: str, status: Status) -> None:
    transition = BY_NAME[name]
    row = favourable(name, status)
    outcome = take(store, transition, row)
    if status not in transition.sources:
        assert outcome == ConditionFailed(row)
        assert store.get(row.key) == row
        return
    assert isinstance(outcome, Applied)
    stepped = {counter: getattr(row, counter) + step for counter, step in transition.counters.items()}
    expected = replace(row, status=transition.target, version=6, history=outcome.job.history, **stepped)
    assert outcome.job == expected
    entry = (START, transition.name, transition.target)
    assert [(e.at, e.transition, e.status) for e in outcome.job.history] == [entry] * transition.recorded
    assert store.get(row.key) == expected


@pytest.mark.parametrize(("name", "source", "guard"), GUARDED)
def test_each_violated_guard_alone_refuses_the_transition(
    store: JobStore, name: str, source: Status, guard: Guard
) -> None:
    row, read = _against(name, source, guard)
    assert take(store, BY_NAME[name], row, read) == ConditionFailed(row)
    assert store.get(row.key) == row


@pytest.mark.parametrize(("name", "source", "guard"), GUARDED)
def test_without_a_guard_the_refused_write_would_be_applied(name: str, source: Status, guard: Guard) -> None:
    # This shows that the test above fails if any guard is missing, and that no other guard hides it.
    intact = BY_NAME[name]
    mutant = replace(intact, sources=intact.sources | {source: intact.sources[source] - {guard}})
    row, read = _against(name, source, guard)
    assert isinstance(take(MemoryJobStore(), mutant, row, read), Applied)


@pytest.mark.parametrize("name", [each.name for each in transitions.ALL if guards_of(each) & {G.TOKEN, G.UNCHANGED}])
def test_a_guard_that_compares_with_the_read_row_requires_that_row(store: JobStore, name: str) -> None:
    row = favourable(name, next(iter(BY_NAME[name].sources)))
    store.create(row, None)
    with pytest.raises(ValueError, match=f"{name} needs the row that was read"):
        store.transition(row.key, BY_NAME[name], NOTHING, now=START)


def test_a_transition_of_a_missing_job_is_refused(store: JobStore) -> None:
    job = a_job()
    assert store.transition(job.key, transitions.CLAIM, NOTHING, now=START) == ConditionFailed(None)


def test_a_row_without_a_lease_counts_as_expired(store: JobStore) -> None:
    row = replace(favourable("claim", P), lease_until=None)
    assert isinstance(take(store, transitions.CLAIM, row), Applied)


def test_both_stores_agree_on_random_rows(dynamo_store: DynamoJobStore) -> None:
    dice = random.Random(20_260_101)
    landed = 0
    for _ in range(400):
        row, read = _any_row(dice)
        transition = dice.choice(transitions.ALL)
        changes = Changes(_any_changes(dice))
        outcomes = []
        for store in (MemoryJobStore(), dynamo_store):
            store.create(row, None)
            outcomes.append(store.transition(row.key, transition, changes, now=START, read=read))
        assert outcomes[0] == outcomes[1], (transition.name, row, read)
        landed += isinstance(outcomes[0], Applied)
    assert 50 < landed < 350  # the random rows covered both outcomes


def _against(name: str, source: Status, guard: Guard) -> tuple[JobRecord, JobRecord]:
    """Return a row, and the version that was read, that violate exactly one guard of a transition."""
    row = favourable(name, source)
    if guard in READ_AGAINST:
        return row, READ_AGAINST[guard](row)
    row = ROW_AGAINST[guard](row)
    return row, row


def _any_row(dice: random.Random) -> tuple[JobRecord, JobRecord]:
    def around() -> Any:
        return START + dice.choice((-1, 0, 0, 1)) * MILLISECOND

    row = a_job(
        status=dice.choice((Q, Q, P, P, P, C, F, X)),
        attempt=dice.randint(0, 3),
        max_attempts=dice.randint(1, 3),
        fence=dice.randint(0, 3),
        version=dice.randint(1, 3),
        sends=dice.randint(1, 3),
        lease_until=dice.choice((None, around(), around())),
        not_before=dice.choice((None, around())),
        deadline=around() + dice.choice((timedelta(), timedelta(hours=1))),
        client=dice.choice((None, "web")),
        cancel_asked_at=dice.choice((None, START)),
        shared=dice.choice((None, None, True)),
        alone=dice.choice((None, None, True)),
    )
    same = dice.random() < 0.8
    return row, row if same else replace(row, fence=dice.randint(0, 3), version=dice.randint(1, 3))


def _any_changes(dice: random.Random) -> dict[str, Any]:
    changes = {
        "due_at": dice.choice((None, START + MILLISECOND)),
        "lease_until": dice.choice((None, START)),
        "not_before": dice.choice((None, START)),
        "progress": dice.randint(0, 100),
        "stages_completed": dice.choice(((), ("read", "write"))),
        "checkpoints": dice.choice(({}, {"read": "1.1-d"})),
        "cancel_asked_at": dice.choice((None, START)),
    }
    return {name: value for name, value in changes.items() if dice.random() < 0.5}
