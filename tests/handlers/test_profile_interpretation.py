"""The profile interpretation end to end in process: the answers of its routes, and the results of its worker."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import profile_interpretation
from tests.handlers.builders import MINUTE, SECOND, START
from tests.handlers.events import call
from tests.handlers.profiles import FOUND, HOUR, Service, analyze, chat, opened, status

DOCUMENTS = Path(profile_interpretation.__file__).parent / "documents"


@pytest.fixture
def service() -> Iterator[Service]:
    with opened() as service:
        yield service


def test_a_chat_becomes_a_profile(service: Service) -> None:
    answer = analyze(chat(12))
    assert (answer.status, answer.json["outcome"], answer.json["status"]) == (202, "created", "queued")
    service.work()
    job = status().json
    assert job["job_id"] == answer.json["job_id"]
    assert (job["status"], job["subject"], job["priority"]) == ("completed", "users/ada/support", "high")
    assert job["result"] == {"status": "complete", "messages_read": 12, "interpretation": FOUND}
    assert job["usage"]["input_tokens"] == 100


@pytest.mark.parametrize(("messages", "enough"), [(9, False), (10, True)])
def test_a_job_with_under_ten_messages_completes_as_insufficient_data(
    service: Service, messages: int, enough: bool
) -> None:
    analyze(chat(messages, off=5))
    service.work()
    job = status().json
    expected = {
        "status": "complete" if enough else "insufficient_data",
        "messages_read": messages,
        "interpretation": FOUND if enough else None,
    }
    assert (job["status"], job["stages_completed"], job["result"]) == ("completed", ["interpret"], expected)
    assert len(service.model.questions) == enough


def test_messages_off_the_record_are_neither_sent_nor_stored(service: Service) -> None:
    analyze(chat(12, off=3))
    service.work()
    [question] = service.model.questions
    kept = [*map(repr, service.store.jobs.values()), *map(repr, service.artifacts.objects.values())]
    assert "message 11" in question.prompt
    assert service.artifacts.objects  # this includes the input
    assert not [text for text in (question.prompt, *kept) if "secret" in text]


def test_new_messages_are_counted_since_the_last_analysis(service: Service) -> None:
    old = chat(20, since=START - HOUR)
    analyze(old)
    service.work()
    service.clock.advance(2 * HOUR)
    few = analyze([*old, *chat(4, off=1)], "messages")
    assert (few.status, few.json["outcome"], few.json["reason"]["new_items"]) == (200, "skipped", 4)
    assert few.json["reason"]["since"] == "2026-01-01T00:00:00.000Z"
    assert analyze([*old, *chat(5)], "messages").status == 202


@pytest.mark.parametrize(("age", "outcome"), [(HOUR - SECOND, "skipped"), (HOUR, "created")])
def test_a_view_triggers_an_analysis_if_there_is_none_or_it_is_an_hour_old(
    service: Service, age: timedelta, outcome: str
) -> None:
    first = analyze(chat(12), "view")
    assert first.json["outcome"] == "created"
    service.work()
    service.clock.advance(age)
    second = analyze(chat(12), "view")
    assert second.json["outcome"] == outcome
    assert [priority for priority, *_ in service.queue.sent] == ["medium"] * (2 if outcome == "created" else 1)
    if outcome == "skipped":
        assert (second.status, second.json["job_id"]) == (200, first.json["job_id"])
        assert second.json["reason"]["fresh_until"] == "2026-01-01T01:00:00.000Z"


def test_a_manual_trigger_skips_the_freshness_but_not_the_limit_of_one_per_hour(service: Service) -> None:
    analyze(chat(12), "view")
    service.clock.advance(30 * MINUTE)
    service.work()  # it ends half an hour after its admission
    limited = analyze(chat(12), "manual")
    assert (limited.status, limited.headers["retry-after"]) == (429, "1800")
    assert (limited.json["outcome"], limited.json["reason"]["code"]) == ("limited", "rate_limited")
    assert limited.json["reason"]["retry_at"] == "2026-01-01T01:00:00.000Z"
    service.clock.advance(30 * MINUTE)
    assert analyze(chat(12), "view").json["reason"]["code"] == "fresh"
    assert analyze(chat(12), "manual").status == 202


def test_the_limit_applies_to_a_user_over_all_contexts(service: Service) -> None:
    analyze(chat(12), context="support")
    assert analyze(chat(12), context="sales").status == 429
    assert analyze(chat(12), user="bob").status == 202
    assert len(service.queue.sent) == 2


def test_every_trigger_returns_the_active_analysis(service: Service) -> None:
    first = analyze(chat(12), "messages").json["job_id"]
    for trigger in ("messages", "view", "manual"):
        answer = analyze(chat(12), trigger)
        assert (answer.status, answer.json["outcome"], answer.json["job_id"]) == (200, "existing", first)
        assert (answer.headers["location"], answer.headers["retry-after"]) == (f"/jobs/{first}", "2")
    assert len(service.queue.sent) == 1


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"trigger": "often"}, "trigger"),
        ({"trigger": None}, "trigger"),
        ({"trigger": 1}, "trigger"),
        ({"user_id": "a/b"}, "user_id"),
        ({"context": ""}, "context"),
        ({"tier": "gold"}, "tier"),
        ({"messages": [{"text": "hello", "sent_at": "2026-01-01T00:00:00"}]}, "messages.0.sent_at"),
    ],
)
def test_the_problem_names_the_invalid_field(body: dict[str, Any], field: str) -> None:
    given = {"user_id": "ada", "context": "support", "trigger": "manual", "messages": chat(1)}
    answer = call("POST", "/api/profile/analyze", given | body)
    assert (answer.status, answer.fields) == (422, [field])


def test_the_same_rules_hold_for_submissions_through_post_jobs(service: Service) -> None:
    given = {"user_id": "ada", "context": "support", "messages": chat(12)}
    body = {"analysis": "profile-interpretation", "input": given, "trigger": "manual"}
    assert call("POST", "/jobs", body | {"subject": "users/ada/elsewhere"}).fields == ["subject"]
    assert call("POST", "/jobs", body | {"priority": "low"}).fields == ["priority"]
    made = call("POST", "/jobs", body)
    assert (made.status, made.json["outcome"]) == (202, "created")
    assert analyze(chat(12)).json["job_id"] == made.json["job_id"]
    assert service.store.jobs[service.queue.sent[0][1]].tier == "standard"
