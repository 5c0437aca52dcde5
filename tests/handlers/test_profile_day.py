"""A simulated day of triggers: the service makes exactly the analyses that the rules allow.

`Oracle` is a second implementation of the rules. It uses the recorded events and no code of the library.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest

from analysis_jobs import Fail, Retry
from analysis_jobs.base.clock import rfc3339
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.jobs.record import JobKey
from tests.handlers.builders import MINUTE, START
from tests.handlers.profiles import HOUR, Service, analyze, opened, status

DAY = timedelta(hours=24)
USERS, CONTEXTS = 14, 3
PAUSE = MINUTE  # the delay between two attempts, as the model requests
LANES = {"messages": "low", "view": "medium", "manual": "high"}
_DELIVER, _ACT = 0, 1  # at the same instant, deliveries come before actions

type Subject = tuple[str, str]


@dataclass(frozen=True)
class Fate:
    """The fate of an analysis submitted at a moment: its wait before each attempt, and its errors."""

    wait: timedelta
    errors: int
    refused: bool

    @classmethod
    def of(cls, seed: int, subject: Subject, at: datetime) -> "Fate":
        chances = Random(f"{seed} {subject} {at}")
        errors = chances.choices((0, 1, 2, 3), (80, 10, 5, 5))[0]
        return cls(timedelta(seconds=chances.choice((1, 5, 40, 300, 1_500))), errors, chances.random() < 0.05)


@dataclass
class Analysis:
    """An analysis in the model of the oracle."""

    made_at: datetime
    ends_at: datetime
    status: str
    trigger: str
    messages: int


@dataclass
class Oracle:
    """Decides what the rules allow, from the events so far."""

    seed: int
    analyses: dict[Subject, list[Analysis]] = field(default_factory=lambda: defaultdict(list))

    def expect(self, subject: Subject, trigger: str, on_record: list[datetime], now: datetime) -> str:
        """Return the expected outcome of a trigger, and record the analysis if one is created."""
        before = self.analyses[subject]
        if any(now < analysis.ends_at for analysis in before):
            return "existing"
        done = [analysis for analysis in before if analysis.status == "completed"]
        if done and trigger != "manual" and now - done[-1].ends_at < HOUR:
            return "skipped fresh"
        if trigger == "messages":
            new = [at for at in on_record if not done or at > done[-1].made_at]
            if len(new) < 5:
                return "skipped too_few_new_items"
        of_user = [a for (user, _), known in self.analyses.items() if user == subject[0] for a in known]
        if any(now - analysis.made_at < HOUR for analysis in of_user):
            return "limited rate_limited"
        before.append(self._made(subject, trigger, len(on_record), now))
        return "created"

    def _made(self, subject: Subject, trigger: str, messages: int, now: datetime) -> Analysis:
        fate = Fate.of(self.seed, subject, now)
        if messages < 10:  # no model is called, so no error can occur
            return Analysis(now, now + fate.wait, "completed", trigger, messages)
        tries = 1 if fate.refused else min(fate.errors + 1, 3)
        ends_at = now + fate.wait + (tries - 1) * (PAUSE + fate.wait)
        failed = fate.refused or fate.errors >= 3
        return Analysis(now, ends_at, "failed" if failed else "completed", trigger, messages)


@dataclass
class Day:
    """A seeded day of many users: they write messages, view profiles, and request analyses."""

    service: Service
    seed: int
    oracle: Oracle = field(init=False)
    written: dict[Subject, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    outcomes: Counter[str] = field(default_factory=Counter)
    made: dict[str, tuple[Subject, datetime]] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.seed)
        self.service.model.before = self._fail
        self._numbers = count()
        self._agenda: list[tuple[datetime, int, int, Any]] = []

    def run(self) -> None:
        """Run the day, and then the remaining work."""
        for at, subject, deed in self._deeds():
            self._plan(at, _ACT, (subject, deed))
        while self._agenda:
            at, kind, _, what = heapq.heappop(self._agenda)
            self.service.clock.advance(at - self.service.clock.now())
            sent = len(self.service.queue.sent)
            if kind == _DELIVER:
                self.service.work(what)
            else:
                self._act(*what)
            for _, key, delay in self.service.queue.sent[sent:]:
                subject, made_at = self.made[key.job_id]
                wait = Fate.of(self.seed, subject, made_at).wait
                self._plan(at + delay + wait, _DELIVER, key)

    def _deeds(self) -> Iterator[tuple[datetime, Subject, str]]:
        chances = Random(self.seed)
        for number in range(USERS):
            for context in range(chances.randint(1, CONTEXTS)):
                subject = (f"user-{number}", f"context-{context}")
                for deed, most in (("on", 90), ("off", 20), ("view", 25), ("manual", 8)):
                    for _ in range(chances.randint(0, most)):
                        yield START + timedelta(seconds=chances.randrange(86_400)), subject, deed
        # Some users do everything at the same moment.
        for deed in ("view", "manual", "on", "view", "manual"):
            yield START + 12 * HOUR, ("user-0", "context-0"), deed

    def _plan(self, at: datetime, kind: int, what: Any) -> None:
        heapq.heappush(self._agenda, (at, kind, next(self._numbers), what))

    def _act(self, subject: Subject, deed: str) -> None:
        now = self.service.clock.now()
        if deed in {"on", "off"}:
            text = "off the record" if deed == "off" else f"message at {now}"
            message = {"text": text, "sent_at": rfc3339(now), "off_the_record": deed == "off"}
            self.written[subject].append(message)
        trigger = "messages" if deed in {"on", "off"} else deed
        user, context = subject
        answer = analyze(self.written[subject], trigger, user=user, context=context)
        outcome = answer.json["outcome"]
        reason = f" {answer.json['reason']['code']}" if outcome in {"skipped", "limited"} else ""
        on_record = [
            datetime.fromisoformat(each["sent_at"]) for each in self.written[subject] if not each["off_the_record"]
        ]
        expected = self.oracle.expect(subject, trigger, on_record, now)
        assert f"{outcome}{reason}" == expected, f"seed {self.seed}, {now}: {trigger} of {subject}"
        self.outcomes[expected] += 1
        if outcome == "created":
            self.made[answer.json["job_id"]] = (subject, now)
        self._check_the_answer(subject, outcome, answer.status, answer.json.get("job_id"))

    def _check_the_answer(self, subject: Subject, outcome: str, code: int, job_id: str | None) -> None:
        assert code == {"created": 202, "existing": 200, "skipped": 200, "limited": 429}[outcome]
        if outcome == "existing":
            assert job_id == status(user=subject[0], context=subject[1]).json["job_id"]
        if outcome == "skipped" and job_id is not None:
            done = [each for each in self.oracle.analyses[subject] if each.status == "completed"]
            assert self.made[job_id] == (subject, done[-1].made_at)

    def _fail(self, job_id: str) -> None:
        fate = Fate.of(self.seed, *self.made[job_id])
        self.tries[job_id] += 1
        if fate.refused:
            raise Fail("model_refused_request", "no")
        if self.tries[job_id] <= fate.errors:
            raise Retry("model_error", "not now", after=PAUSE)


@pytest.mark.parametrize("seed", range(3))
def test_a_day_of_triggers_makes_exactly_the_analyses_that_the_rules_allow(seed: int) -> None:
    with opened() as service:
        day = Day(service, seed)
        day.run()
        jobs = {job_id: service.store.jobs[JobKey("acme", job_id)] for job_id in day.made}
        assert len(service.store.jobs) == len(jobs) == day.outcomes["created"]
        expected = {(s, a.made_at): a for s, known in day.oracle.analyses.items() for a in known}
        for job_id, made in day.made.items():
            job, analysis = jobs[job_id], expected[made]
            assert (job.status, job.finished_at) == (analysis.status, analysis.ends_at)
            assert job.priority == LANES[analysis.trigger]
            if job.status == "completed":
                assert job.result
                result = load_json(service.artifacts, job.result)
                assert result["messages_read"] == analysis.messages
                assert result["status"] == ("complete" if analysis.messages >= 10 else "insufficient_data")
        # The day covered every outcome.
        assert set(day.outcomes) == {
            "created",
            "existing",
            "limited rate_limited",
            "skipped fresh",
            "skipped too_few_new_items",
        }
        assert {analysis.status for analysis in expected.values()} == {"completed", "failed"}
        assert day.outcomes.total() > 1_000
        said = "".join(question.prompt for question in service.model.questions)
        assert "off the record" not in said
