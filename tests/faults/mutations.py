"""Mutations: each removes one condition from the library. The model check must catch every one of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from analysis_jobs.authoring.checkpoint_list import CheckpointList
from analysis_jobs.authoring.read_pages import ReadPages
from analysis_jobs.authoring.series_entry import SeriesEntry
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs import lost_workers
from analysis_jobs.jobs import transitions as table
from analysis_jobs.jobs.admission import Admission, AdmissionDecision, Rate, decide
from analysis_jobs.jobs.ports import Step
from analysis_jobs.jobs.record import Changes, JobRecord
from analysis_jobs.jobs.transitions import Guard, Status, Transition
from analysis_jobs.stores import memory
from analysis_jobs.stores.memory import MemoryJobStore
from analysis_jobs.submission import admission_service, control
from analysis_jobs.sweeper import sweeper as sweep
from analysis_jobs.sweeper.one_sweep import OneSweep
from analysis_jobs.worker import attempt, claimed_job, claims
from tests.faults import races, scenes

type Mutation = Callable[[], AbstractContextManager[object]]


@contextmanager
def _with(transition: Transition, **fields: Any) -> Iterator[None]:
    """Change fields of a transition in the table that all code shares, until the block is left."""
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


def _with_counters(transition: Transition, **counters: int) -> Mutation:
    return lambda: _with(transition, counters=counters)


def _allowed_from(transition: Transition, *statuses: Status) -> Mutation:
    """Allow a transition from more states, without any condition."""
    return lambda: _with(transition, sources=transition.sources | dict.fromkeys(statuses, frozenset[Guard]()))


def _hold_forever() -> AbstractContextManager[object]:
    """Let the sweeper take every job that is processing for held, whenever its lease ends."""
    return patch.object(JobRecord, "is_held", lambda job, _now: job.status is Status.PROCESSING)


def _changing_writes(module: Any, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Mutation:
    """Change the values that a module writes with its transitions."""
    return lambda: patch.object(module, "Changes", lambda values: Changes(change(dict(values))))


def _without_due_at_while_waiting(values: dict[str, Any]) -> dict[str, Any]:
    return values | ({"due_at": None} if values.get("not_before") else {})


def _with_due_at_unchanged(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "due_at" or value is None}


def _with_due_at_after_the_end(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "due_at" or "finished_at" not in values}


def _with_lane_order_unchanged(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "lane_sort_key"}


def _without_a_claimant(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "claimant"}


def _worst_job_first() -> AbstractContextManager[object]:
    best = claims.Claims._best_waiting  # noqa: SLF001 - only this method orders the jobs
    return patch.object(claims.Claims, "_best_waiting", lambda self, tier_pointer: [*best(self, tier_pointer)][::-1])


def _with_attempts_unchanged(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "attempt"}


def _ignore_a_refused_heartbeat() -> AbstractContextManager[object]:
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


def _lists_without_a_token() -> AbstractContextManager[object]:
    given = CheckpointList.__init__

    def unfenced(found: CheckpointList, claimed: Any, artifacts: Any) -> None:
        given(found, claimed, artifacts)
        found._fence = 0  # noqa: SLF001 - only this field fences a list

    return patch.object(CheckpointList, "__init__", unfenced)


def _lists_written_after_the_row() -> AbstractContextManager[object]:
    given = CheckpointList.save

    def save(found: CheckpointList, entries: Any, name: str, write: Callable[[Any], object]) -> None:
        late: list[Callable[[], object]] = []
        artifacts = found._artifacts  # noqa: SLF001 - the list is written through it
        held = SimpleNamespace(write=lambda *what: late.append(lambda: artifacts.write(*what)))

        def write_first(in_row: Any) -> None:
            write(in_row)
            for each in late:
                each()

        with patch.object(found, "_artifacts", held):
            given(found, entries, name, write_first)

    return patch.object(CheckpointList, "save", save)


def _lists_that_nobody_reads() -> AbstractContextManager[object]:
    return patch.object(CheckpointList, "_read", lambda _: {})


def _lists_without_earlier_entries() -> AbstractContextManager[object]:
    given = CheckpointList._write  # noqa: SLF001 - only this method writes a list

    def write(found: CheckpointList, listed: dict[str, str]) -> str:
        known = found._listed  # noqa: SLF001 - the entries of the earlier list
        return given(found, {name: entry for name, entry in listed.items() if name not in known})

    return patch.object(CheckpointList, "_write", write)


@contextmanager
def _count_attempts_at_failure() -> Iterator[None]:
    with _with(table.CLAIM, counters={"fence": 1}), _with(table.RELEASE, counters={"attempt": 1}):
        yield


def _always_give_the_attempt_back() -> AbstractContextManager[object]:
    return patch.object(attempt.Attempt, "_gained", property(lambda _: True))


def _together_without_the_version() -> AbstractContextManager[object]:
    return patch.object(memory, "_may_land", lambda _step, _stored: True)


def _messages_before_their_rows() -> AbstractContextManager[object]:
    given = OneSweep._take  # noqa: SLF001 - only this method orders rows and messages

    def take(found: OneSweep, steps: Sequence[Step]) -> None:
        found._send([(step, step.after) for step in steps if step.after.status is Status.QUEUED])  # noqa: SLF001
        with patch.object(found, "_send", lambda _: None):
            given(found, steps)

    return patch.object(OneSweep, "_take", take)


def _messages_of_rows_that_were_not_written() -> AbstractContextManager[object]:
    given = OneSweep._written  # noqa: SLF001 - only this method writes

    def written(found: OneSweep, steps: Sequence[Step]) -> Sequence[tuple[Step, JobRecord]]:
        landed = {step.read.key: job for step, job in given(found, steps)}
        return [(step, landed.get(step.read.key, step.after)) for step in steps]

    return patch.object(OneSweep, "_written", written)


def _never(*_: object) -> bool:
    return False


def _is_held(job: JobRecord, _: object) -> bool:
    return job.status is Status.PROCESSING


def _believing_in_deaths(died_sharing: Callable[..., bool], transition: Transition, guard: Guard) -> Mutation:
    """Decide wrongly which jobs died beside others, and let a transition land without the guard that prevents it."""

    @contextmanager
    def mutation() -> Iterator[None]:
        with (
            patch.object(lost_workers, "died_sharing", died_sharing),
            patch.object(sweep, "died_sharing", died_sharing),
            _without(transition, guard)(),
        ):
            yield

    return mutation


# Each mutation, and how it is caught: by random walks (a name: most processes are held up at that request), or by a
# written scene.
MUTATIONS: dict[str, tuple[Mutation, str | scenes.Scene | None]] = {
    "a beat without the token": (_without(table.BEAT, Guard.TOKEN), "beat"),
    "a completion without the token": (_without(table.COMPLETE, Guard.TOKEN), "complete"),
    "a failure without the token": (_without(table.FAIL, Guard.TOKEN), "fail"),
    "a release without the token": (_without(table.RELEASE, Guard.TOKEN), "release"),
    "a deferral without the token": (_without(table.DEFER, Guard.TOKEN), "defer"),
    "a continuation without the token": (_without(table.CONTINUE, Guard.TOKEN), "continue"),
    "a stop without the token": (_without(table.STOP, Guard.TOKEN), scenes.stale_stop),
    "a completion from any state": (_allowed_from(table.COMPLETE, *Status), "complete"),
    "a retry of a completed job": (_allowed_from(table.RETRY, Status.COMPLETED), "retry"),
    "a claim of a job with a live lease": (_without(table.CLAIM, Guard.LEASE_EXPIRED), None),
    "a sweep that requeues a job with a live lease": (_without(table.REQUEUE, Guard.LEASE_EXPIRED), "requeue"),
    "a sweep that abandons a job with a live lease": (
        _without(table.ABANDON, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_abandon,
    ),
    "a sweep that expires a job with a live lease": (
        _without(table.EXPIRE, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_expiry,
    ),
    "a sweep that cancels a job with a live lease": (
        _without(table.CANCEL_LOST, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_a_cancel,
    ),
    "a sweep that takes an expired lease for a held one": (_hold_forever, None),
    "a claim without an attempt left": (_without(table.CLAIM, Guard.ATTEMPTS_LEFT), None),
    "attempts counted at the failure and not at the claim": (_count_attempts_at_failure, None),
    "a deferral that spends an attempt": (_with_counters(table.DEFER), None),
    "a deferral that lowers the token": (_with_counters(table.DEFER, attempt=-1, fence=-1), None),
    "a retry that lowers the token": (_with_counters(table.RETRY, fence=-1), None),
    "a retry that does not reset the attempts": (_changing_writes(control, _with_attempts_unchanged), None),
    "an attempt given back without a checkpoint": (_always_give_the_attempt_back, "model"),
    "a claim before the wait is over": (_without(table.CLAIM, Guard.WAITED), None),
    "a claim after the deadline": (_without(table.CLAIM, Guard.IN_TIME), None),
    "an expiry before the deadline": (_without(table.EXPIRE, Guard.PAST_DEADLINE), "expire"),
    "two sweepers that send the same message": (_without(table.RESEND, Guard.UNCHANGED), "resend"),
    "rows written together that have changed since they were read": (_together_without_the_version, "together"),
    "messages that are sent before their rows are written": (_messages_before_their_rows, "together"),
    "messages of rows that were not written": (_messages_of_rows_that_were_not_written, "together"),
    "a release after a cancel": (_without(table.RELEASE, Guard.NOT_CANCELLED), "release"),
    "a requeue after a cancel": (_without(table.REQUEUE, Guard.NOT_CANCELLED), "requeue"),
    "a claim after a cancel": (_without(table.CLAIM, Guard.NOT_CANCELLED), None),
    "a death beside other jobs that spends an attempt": (_with_counters(table.REQUEUE_SHARED), None),
    "a death alone that gives an attempt back": (
        _believing_in_deaths(_is_held, table.REQUEUE_SHARED, Guard.SHARED),
        None,
    ),
    "a death beside other jobs that a claim counts": (_without(table.CLAIM, Guard.UNSHARED), None),
    "a death beside other jobs that a shared claim counts": (_without(table.CLAIM_SHARED, Guard.UNSHARED), None),
    "a sweep that counts a death beside other jobs": (
        _believing_in_deaths(_never, table.REQUEUE, Guard.UNSHARED),
        None,
    ),
    "a sweep that abandons a job that died beside others": (
        _believing_in_deaths(_never, table.ABANDON, Guard.UNSHARED),
        None,
    ),
    "a requeue of a live job of a shared worker": (
        _without(table.REQUEUE_SHARED, Guard.LEASE_EXPIRED),
        scenes.late_beat_before_a_requeue_of_a_shared_worker,
    ),
    "a job that died beside others and is claimed beside others again": (
        _without(table.CLAIM_SHARED, Guard.MAY_SHARE),
        None,
    ),
    "a job that died beside others and need not run alone": (
        _changing_writes(lost_workers, lambda values: {**values, "alone": None}),
        None,
    ),
    "a wait without a due_at": (_changing_writes(claimed_job, _without_due_at_while_waiting), None),
    "a sweep that leaves a sent job overdue": (_changing_writes(sweep, _with_due_at_unchanged), None),
    "a requeue that leaves the job overdue": (_changing_writes(lost_workers, _with_due_at_unchanged), None),
    "an ended job with a due_at": (_changing_writes(claimed_job, _with_due_at_after_the_end), None),
    "a job ended by the sweeper with a due_at": (_changing_writes(sweep, _with_due_at_after_the_end), None),
    "a lane in which the worst job is claimed first": (_worst_job_first, None),
    "a claim that leaves the job in the lane's order": (_changing_writes(claims, _with_lane_order_unchanged), None),
    "a wait or an error that does not put the job into the lane's order": (
        _changing_writes(claimed_job, _with_lane_order_unchanged),
        None,
    ),
    "a sweep that does not put the job into the lane's order": (
        _changing_writes(sweep, _with_lane_order_unchanged),
        None,
    ),
    "a requeue that does not put the job into the lane's order": (
        _changing_writes(lost_workers, _with_lane_order_unchanged),
        None,
    ),
    "a retry that does not put the job into the lane's order": (
        _changing_writes(control, _with_lane_order_unchanged),
        None,
    ),
    "a claim that the stream's filter drops": (_changing_writes(claims, _without_a_claimant), None),
    "a heartbeat that the stream's filter passes": (_changing_writes(claimed_job, _without_a_claimant), None),
    "a refused heartbeat that does not stop the worker": (_ignore_a_refused_heartbeat, "model"),
    "results without the token in their key": (_artifacts_without_a_token(attempt, "store_json"), scenes.stale_result),
    "checkpoints without the token in their key": (_artifacts_without_a_token(attempt, "Checkpoints"), None),
    "lists of checkpoints without the token in their key": (_lists_without_a_token, "put"),
    "a row that names a list before it is written": (_lists_written_after_the_row, None),
    "a list of checkpoints that no later attempt reads": (_lists_that_nobody_reads, None),
    "a list without the checkpoints of the list before": (_lists_without_earlier_entries, None),
}


def _decide_without_one_active(policy: Admission, *known: Any) -> AdmissionDecision:
    """Decide about a submission without the one-active rule."""
    return decide(replace(policy, one_active=False, at_most=policy.at_most or Rate(1_000, timedelta(1))), *known)


def _admit_without_version_check() -> AbstractContextManager[object]:
    given = MemoryJobStore.admit

    def admit(store: Any, job: Any, idempotency: Any, admission_write: Any) -> Any:
        seen = store.read_admission_state(admission_write.admission_key, None, job.created_at)[0]
        return given(store, job, idempotency, replace(admission_write, expected=seen))

    return patch.object(MemoryJobStore, "admit", admit)


def _mutated_retry(*, newest_only: bool | None = None, unseen: bool = False) -> Mutation:
    given = MemoryJobStore.retry

    def retry(store: Any, job: Any, changes: Any, **asked: Any) -> Any:
        before = dict(store.subjects)
        outcome = given(store, job, changes, **asked | ({} if newest_only is None else {"newest_only": newest_only}))
        if unseen:
            store.subjects.update(before)
        return outcome

    return lambda: patch.object(MemoryJobStore, "retry", retry)


# Mutations of the policy "one active job for each subject". Each has a race that catches it, and walks catch it too.
POLICY_MUTATIONS: dict[str, tuple[Mutation, scenes.Scene]] = {
    "a policy that ignores the active job": (
        lambda: patch.object(admission_service, "decide", _decide_without_one_active),
        races.one_after_the_other,
    ),
    "an admission that does not check for a concurrent write": (_admit_without_version_check, races.two_at_once),
    "a retry that a concurrent submission does not see": (_mutated_retry(unseen=True), races.a_retry_while_one_decides),
    "a retry that ignores a newer job": (_mutated_retry(newest_only=False), races.a_submission_while_one_retries),
}


def _pages_listed_under_another_token() -> AbstractContextManager[object]:
    given = SeriesEntry.with_item

    def shifted(entry: SeriesEntry, number: int, fence: int) -> SeriesEntry:
        return given(entry, number, fence + 1)

    return patch.object(SeriesEntry, "with_item", shifted)


def _pages_saved_after_the_last_one() -> AbstractContextManager[object]:
    given = DocumentReader.read

    def read(reader: Any, *document: Any, done: Any, on_page: Callable[[Any], None]) -> Any:
        reading = given(reader, *document, done=done)
        for page in reading.pages:
            on_page(page)
        return reading

    return patch.object(DocumentReader, "read", read)


# Mutations of the checkpoints of pages that OCR read. A crash then costs more than the page that was being read.
PAGE_MUTATIONS: dict[str, Mutation] = {
    "pages that no later attempt looks up": lambda: patch.object(ReadPages, "saved", lambda _: iter(())),
    "pages that are not saved": lambda: patch.object(ReadPages, "save", lambda *_: None),
    "pages that are saved after the last one": _pages_saved_after_the_last_one,
    "pages that the row lists under another token": _pages_listed_under_another_token,
}
