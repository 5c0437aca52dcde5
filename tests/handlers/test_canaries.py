"""Canaries: only a direct invocation marks one, and it stays in its own lane until it has ended."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

import api
import events
import sweeper
import worker
from analysis_jobs import Admission, Analysis, Defer, Job, Prompt, Rate, Retry
from analysis_jobs.api.callers import CANARY_MARK, canary_of
from analysis_jobs.api.routes import Api
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base import observability
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.probe import PROBE, is_probe
from analysis_jobs.base.tenants import CANARY_TENANT, is_tenant
from analysis_jobs.jobs.canaries import CANARY_LANE, CanaryRun
from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.items import from_item, to_item
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.stores.waiting import MemoryWaitingSlots
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.worker.message import Message
from analysis_jobs_dev.release.paths import canary_event
from tests.handlers.api.site import BOOK, VALUATION, Valuation
from tests.handlers.builders import (
    MINUTE,
    QUEUE_ARN,
    SECOND,
    Book,
    ScriptedModel,
    Shop,
    Value,
    a_job,
    says,
    some_settings,
)
from tests.handlers.events import Answer, Context, http_event, send
from tests.handlers.streams import Recorded, a_publisher, life

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARK = {CANARY_MARK: {"prompts": {"books/value": 3}}}
LANE = "https://sqs/1/canary"


class Shown:
    """An API with a lane for canaries, over stores in memory."""

    def __init__(self, *, lane: str = LANE, analysis: Analysis[Any, Any] = VALUATION) -> None:
        self.store, self.queue = MemoryJobStore(), MemoryQueue()
        settings = some_settings(canary_queue_url=lane)
        self.submissions = SubmissionService(
            self.store, self.queue, MemoryArtifactStore(), Analyses([analysis]), settings, ManualClock()
        )
        self.api = Api.build(self.submissions, "tenant", MemoryWaitingSlots())

    def send(self, event: dict[str, Any]) -> Answer:
        with patch.object(api, "_api", lambda: self.api):
            return send(event)

    def canary(self, method: str, path: str, body: Any = None, **prompts: int) -> Answer:
        """Invoke the function directly, as a deployment does."""
        return self.send(canary_event(method, path, body, prompts, NOW))

    @property
    def jobs(self) -> list[JobRecord]:
        return list(self.store.jobs.values())


def test_a_direct_invocation_makes_a_canary_in_its_own_lane_and_tenant() -> None:
    shown = Shown()
    event = canary_event("POST", "/jobs", BOOK, {"books/value": 3}, NOW)
    accepted = shown.send(event)
    assert accepted.status == 202
    [job] = shown.jobs
    assert (job.tenant, job.priority, job.prompt_versions) == (CANARY_TENANT, CANARY_LANE, {"books/value": 3})
    assert shown.queue.sent == [(CANARY_LANE, job.key, timedelta())]
    status = shown.canary("GET", f"/jobs/{job.job_id}")
    assert (status.status, status.json["status"]) == (200, "queued")
    assert (
        shown.canary("POST", "/uploads", {"filename": "a.pdf", "content_type": "application/pdf", "size": 9}).status
        == 201
    )
    assert shown.canary("POST", f"/jobs/{job.job_id}/cancel").status == 200


def test_a_caller_sees_no_canary() -> None:
    shown = Shown()
    job_id = shown.canary("POST", "/jobs", BOOK).json["job_id"]
    for tenant in ("acme", "canary"):
        assert shown.send(http_event("GET", f"/jobs/{job_id}", claims={"tenant": tenant})).status == 404
        assert shown.send(http_event("GET", "/jobs", claims={"tenant": tenant})).json["jobs"] == []


@pytest.mark.parametrize(
    "claims",
    [
        {"tenant": CANARY_TENANT},
        {"tenant": CANARY_TENANT, **MARK},
        {"tenant": "", **MARK},
    ],
)
def test_no_token_names_the_tenant_of_canaries(claims: dict[str, Any]) -> None:
    shown = Shown()
    assert shown.send(http_event("POST", "/jobs", json.dumps(BOOK), claims=claims)).status == 403
    assert not is_tenant(CANARY_TENANT)
    assert shown.jobs == []


def test_nothing_that_a_caller_sends_marks_a_job() -> None:
    """Everything that a caller can choose: the body, headers, the query, the claims, and the caller's own context."""
    shown = Shown()
    text = json.dumps({"prompts": {"books/value": 3}})
    http = http_event(
        "POST",
        "/jobs",
        json.dumps(BOOK),
        headers={CANARY_MARK: text, f"x-{CANARY_MARK}": text},
        query={CANARY_MARK: text},
        claims={"tenant": "acme", CANARY_MARK: text},
    )
    authorizers = [
        http["requestContext"]["authorizer"],
        {"lambda": dict(MARK), "jwt": {"claims": {"tenant": "acme"}}},
    ]
    for authorizer in authorizers:
        event = {**http, "requestContext": {**http["requestContext"], "authorizer": authorizer}}
        assert shown.send(event).status == 202
    assert {(job.tenant, job.priority, job.prompt_versions) for job in shown.jobs} == {("acme", "medium", None)}


@pytest.mark.parametrize(
    "body", [{"priority": CANARY_LANE}, {CANARY_MARK: {}}, {"requestContext": MARK}, {"canary": True}]
)
def test_a_body_that_asks_for_the_lane_is_refused(body: dict[str, Any]) -> None:
    shown = Shown()
    answer = shown.send(http_event("POST", "/jobs", json.dumps(BOOK | body), claims={"tenant": "acme"}))
    assert (answer.status, shown.jobs) == (422, [])


def test_a_mark_in_the_context_of_an_http_api_does_not_count() -> None:
    """A context with an `apiId` comes from API Gateway. Whatever put the mark there, it was not a deployment."""
    event = http_event("POST", "/jobs", json.dumps(BOOK), claims={"tenant": "acme"})
    event["requestContext"] |= MARK
    assert canary_of(event["requestContext"]) is None
    shown = Shown()
    shown.send(event)
    assert [job.tenant for job in shown.jobs] == ["acme"]


@pytest.mark.parametrize("mark", [None, True, "yes", 1, [], {"apiId": "x"}])
def test_a_mark_of_another_form_does_not_count(mark: Any) -> None:
    context = mark if isinstance(mark, dict) else {CANARY_MARK: mark}
    assert canary_of(context) is None


def test_a_stack_without_the_lane_refuses_canaries() -> None:
    shown = Shown(lane="")
    answer = shown.canary("POST", "/jobs", BOOK)
    assert (answer.status, shown.jobs) == (422, [])
    assert "canary.enabled" in answer.body


def test_the_admission_policy_does_not_stop_a_canary() -> None:
    """Else the second deployment of a day would have no canary: its subject is the same."""
    policy = Admission(one_active=True, at_most=Rate(1, timedelta(days=1)))
    strict = Analysis(
        "book-valuation", request=Valuation, result=Value, stages=[_never], subject="books/{isbn}", admission=policy
    )
    shown = Shown(analysis=strict)
    assert [shown.canary("POST", "/jobs", BOOK).status for _ in range(3)] == [202] * 3
    without = Analysis("book-valuation", request=Valuation, result=Value, stages=[_never], admission=policy)
    assert Shown(analysis=without).canary("POST", "/jobs", BOOK).status == 202, "it needs no subject"


def _never(_job: Job[Valuation]) -> Value:
    raise NotImplementedError


def asking(job: Job[Book]) -> Value:
    default = Prompt("books", "value", ("Novel",), "<book>{isbn}</book>")
    prompt = job.prompt("books/value", category="Novel", default=default, isbn=job.request.isbn)
    return Value(text=f"{job.is_canary} {job.ask(prompt)}")


def a_canary(shop: Shop, **fields: Any) -> JobKey:
    return shop.keep(tenant=CANARY_TENANT, priority=CANARY_LANE, **fields)


def test_waits_retries_and_sweeps_of_a_canary_stay_in_its_lane() -> None:
    again = Retry("model_error", "once more", after=SECOND)
    later = Defer("throttled", "wait", after=MINUTE)
    shop = Shop([asking], ScriptedModel(again, later, says("done")))
    key = a_canary(shop)
    shop.deliver(key)
    shop.clock.advance(SECOND)
    shop.deliver(key)
    shop.clock.advance(timedelta(hours=1))
    assert shop.sweeper.sweep()["resend"] == 1
    assert [(lane, job) for lane, job, _ in shop.queue.sent] == [(CANARY_LANE, key)] * 3
    done = shop.deliver(key)
    assert done.status is Status.COMPLETED
    assert done.result
    assert '"text":"True done"' in str(done.result.text)


def test_a_canary_is_kept_for_a_day_and_other_jobs_as_the_stack_says() -> None:
    shop = Shop([asking], ScriptedModel(says("a"), says("b")))
    kept = {}
    for key in (a_canary(shop), shop.keep()):
        job = shop.deliver(key)
        assert job.expires_at
        assert job.finished_at
        kept[key.tenant] = job.expires_at - job.finished_at
    assert kept == {CANARY_TENANT: timedelta(days=1), "acme": timedelta(days=30)}


def test_a_canary_counts_for_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop([asking], ScriptedModel(says("a"), says("b")))
    observability.flush()
    capsys.readouterr()
    shop.deliver(a_canary(shop))
    observability.flush()
    assert "JobsCompleted" not in capsys.readouterr().out
    shop.deliver(shop.keep())
    observability.flush()
    assert "JobsCompleted" in capsys.readouterr().out


def test_a_canary_is_no_event() -> None:
    bus = Recorded()
    records = [*life(tenant=CANARY_TENANT), *life(10)]
    assert a_publisher(bus).publish(records) == len(records)
    assert {json.loads(event.body)["tenant"] for event in bus.accepted} == {"acme"}


@pytest.mark.parametrize(
    ("versions", "used"),
    [({"books/value": 3}, "books/value@v3"), ({"books/other": 3}, "books/value@v2"), (None, "books/value@v2")],
)
def test_a_canary_uses_the_prompts_that_its_deployment_names(versions: dict[str, int] | None, used: str) -> None:
    shop = Shop([asking], ScriptedModel(says("x")))
    active = Prompt("books", "value", ("Novel",), "<book>{isbn}</book>", version=2)
    new = replace(active, version=3)
    prompts = MemoryPromptStore(new, active)  # of two prompts of one category, the last one is active
    key = a_canary(shop, prompt_versions=versions)
    services = replace(shop.worker.services, prompts=prompts)
    replace(shop.worker, services=services).handle(Message(key, QUEUE_ARN, "receipt"))
    assert shop.job(key).prompts == {"asking": used}


def test_a_version_without_the_category_is_not_used() -> None:
    shop = Shop([asking], ScriptedModel(says("x")))
    active = Prompt("books", "value", ("Novel",), "<book>{isbn}</book>", version=2)
    other = replace(active, version=3, categories=("Poem",))
    key = a_canary(shop, prompt_versions={"books/value": 3})
    services = replace(shop.worker.services, prompts=MemoryPromptStore(active, other))
    replace(shop.worker, services=services).handle(Message(key, QUEUE_ARN, "receipt"))
    assert shop.job(key).prompts == {"asking": "books/value@v2"}


@pytest.mark.parametrize("versions", [None, {"books/value": 3}])
def test_the_row_of_a_canary_keeps_its_prompts(versions: dict[str, int] | None) -> None:
    job = a_job(prompt_versions=versions)
    item = to_item(job)
    assert ("prompt_versions" in item) == (versions is not None)
    assert from_item(item) == job


def test_the_service_makes_a_canary_of_a_submission_with_a_mark_alone() -> None:
    shown = Shown()
    shown.submissions.submit_with_outcome(CANARY_TENANT, Submission.model_validate(BOOK), canary=CanaryRun())
    [job] = shown.jobs
    assert (job.priority, job.prompt_versions) == (CANARY_LANE, None)


@pytest.mark.parametrize("function", [api, events, sweeper, worker])
def test_a_probe_is_answered_without_work(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_VERSION", "1.0+abc")
    name = f"_{function.__name__}"
    with patch.object(function, name, lambda: None):  # what the function makes; a probe calls nothing of it
        assert function.handler(PROBE, Context()) == {"probe": "ok", "code_version": "1.0+abc"}


@pytest.mark.parametrize("event", [{}, {**PROBE, "Records": []}, {"analysis_jobs_probe": "true"}, [], None])
def test_no_other_event_is_a_probe(event: Any) -> None:
    assert not is_probe(event)
