"""Hundreds of overdue jobs, and sweepers that are killed while requests fail: each job ends with a message of its own.

The sweepers write many rows in one transaction, and send ten messages in one request.
"""

import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from analysis_jobs import wiring
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.jobs import dispatch
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.sweeper.sweeper import Sweeper
from analysis_jobs_dev.cloud import ministack
from tests.faults.figures import record
from tests.faults.local_aws import TABLE, LocalAws
from tests.faults.storm import STORM_RATES
from tests.handlers.builders import a_job, a_processing_job

pytestmark = pytest.mark.usefixtures("quiet")

LIMIT_S = 240
DEATHS = 0.1  # the probability before and after each request that writes
HOUR = timedelta(hours=1)


class Killed(BaseException):
    """Ends a sweeper in the middle of its work, as a kill would."""


def test_many_overdue_jobs_get_a_step_and_a_message_each_although_sweepers_die(tmp_path: Path, *, long: bool) -> None:
    jobs = overdue(1_000 if long else 60)
    with LocalAws(tmp_path) as aws:
        for job in jobs:
            aws.store.create(job, None)
        aws.proxy.rates = STORM_RATES
        requests = Requests(seed=5)
        began, deaths = time.monotonic(), 0
        sent: Counter[str] = Counter()
        soon = patch.multiple(dispatch, SEND_GRACE=timedelta(seconds=2), _GRACE_DOUBLINGS=0)
        with soon:
            while set(sent) != {job.job_id for job in jobs}:
                assert time.monotonic() < began + LIMIT_S, f"{len(sent)} of {len(jobs)} jobs have a message"
                try:
                    sweeper(aws, requests).sweep()
                except Killed:
                    deaths += 1
                sent.update(aws.messages(aws.queue_url))
        rows = aws.jobs()
        assert {row.status for row in rows.values()} == {Status.QUEUED}
        assert broken(aws.changes()) == []
        assert requests.counts["TransactWriteItems"], "rows were written together"
        assert deaths
        record(
            "many overdue jobs",
            jobs=len(jobs),
            without_a_message=0,
            sweepers_killed=deaths,
            messages=sent.total(),
            requests=dict(requests.counts),
            mishaps=dict(aws.proxy.met),
        )


def overdue(count: int) -> list[JobRecord]:
    """Return jobs with a lost message and jobs with a dead worker, in turns."""
    now = SystemClock().now()
    times: dict[str, Any] = {"created_at": now - HOUR, "due_at": now - HOUR, "deadline": now + HOUR}
    return [a_processing_job(lease_until=now - HOUR, **times) if n % 2 else a_job(**times) for n in range(count)]


class Requests:
    """Counts requests by operation. Kills the sweeper before or after some of those that write."""

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._random = Random(seed)

    def before(self, model: Any, **_: Any) -> None:
        """Count a request, and perhaps die before it."""
        self.counts[model.name] += 1
        self._perhaps_die(model.name)

    def after(self, model: Any, **_: Any) -> None:
        """Perhaps die after a request."""
        self._perhaps_die(model.name)

    def _perhaps_die(self, operation: str) -> None:
        if operation in {"TransactWriteItems", "SendMessageBatch"} and self._random.random() < DEATHS:
            raise Killed


def sweeper(aws: LocalAws, requests: Requests) -> Sweeper:
    """Return a sweeper of one thread. Its requests go through the proxy."""
    given = ministack.ROOT_CREDENTIALS
    session = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], region_name=ministack.REGION)
    clients: list[Any] = []
    for service in ("dynamodb", "sqs"):
        config: Any = wiring._STORE_CONFIG  # noqa: SLF001 - the configuration of the function
        made: Any = session.client(service, config=config, endpoint_url=aws.proxy.url)
        made.meta.events.register("before-call", requests.before)
        made.meta.events.register("after-call", requests.after)
        clients.append(made)
    clock = SystemClock()
    store = DynamoJobStore(clients[0], TABLE, clock)
    return Sweeper(store, SqsJobQueue(clients[1], aws.settings.queue_urls), aws.settings, clock)


def broken(changes: Iterable[tuple[JobRecord | None, JobRecord]]) -> list[str]:
    """Return what is wrong with the writes of the sweepers."""
    return [
        f"{after.job_id}: version {before.version} became {after.version}, {before.status} became {after.status}"
        for before, after in changes
        if before and (after.version != before.version + 1 or after.status is not Status.QUEUED or not after.due_at)
    ]
