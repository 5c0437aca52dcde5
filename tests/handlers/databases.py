"""Connects jobs to a real PostgreSQL database. A test can rotate or break the secret."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from analysis_jobs.authoring.job import Job
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.postgres import database as postgres
from analysis_jobs.postgres.connections import Connections, LoginSource
from analysis_jobs.postgres.database import Database
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from tests.handlers.builders import a_context, a_job

SCHEMA = Path(postgres.__file__).with_name("schema.sql").read_text(encoding="utf-8")
SECRET = "DATABASE_SECRET"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:books-AbCdEf"
_numbers = count(1)


class Nothing(BaseModel):
    """The empty input of these jobs."""


@dataclass
class Vault:
    """A secret in Secrets Manager: its current value, and the number of reads."""

    holds: dict[str, Any]
    reads: int = 0

    def read(self, _: str) -> str:
        self.reads += 1
        return json.dumps(self.holds)


@dataclass
class Attempt:
    """An attempt that a test can stop. `held` counts the checks of the job's row."""

    stops: BaseException | None = None
    held: int = 0
    cancellation: CancellationToken = field(default_factory=CancellationToken)

    def check(self) -> None:
        if self.stops is not None:
            raise self.stops

    def hold(self) -> None:
        self.held += 1
        self.check()

    def stop(self, why: BaseException) -> None:
        """Stop the attempt, as a heartbeat does after a cancel."""
        self.stops = why
        self.cancellation.cancel()


@dataclass
class Worker:
    """One execution environment, with its own connections, secrets and clock."""

    login: Login
    vault: Vault
    connections: Connections
    secrets: Secrets
    clock: ManualClock

    def database(self, attempt: Attempt | None = None, **options: Any) -> Database:
        """Return the database port of an attempt."""
        attempt = attempt or Attempt()
        source = LoginSource(SECRET, lambda: self.secrets.json(SECRET), lambda: self.secrets.forget(SECRET))
        return Database(source, attempt, connections=self.connections, **options)

    def pid(self) -> int:
        """Return the id of the server process behind this worker's connection."""
        return int(self.database().query("SELECT pg_backend_pid() AS pid")[0]["pid"])

    def kept(self) -> int:
        """Return the number of kept connections."""
        return len(self.connections._idle)  # noqa: SLF001 - what an execution environment keeps


def a_database(server: PostgreSQL, *scripts: str) -> Login:
    """Create a database, run these scripts, and return the login of its owner."""
    return server.database(f"books_{next(_numbers)}", *scripts)


@contextmanager
def a_worker(login: Login, **secret: Any) -> Iterator[Worker]:
    """Start an execution environment with a secret for this login. `secret` overrides keys; None removes one."""
    holds = {**login.secret(), "sslrootcert": login.ca_bundle, **secret}
    vault = Vault({key: value for key, value in holds.items() if value is not None})
    clock = ManualClock()
    secrets = Secrets({SECRET: ARN}.__getitem__, vault.read, clock, timedelta(minutes=5))
    connections = Connections(clock)
    try:
        yield Worker(login, vault, connections, secrets, clock)
    finally:
        connections.close()


def job_of(worker: Worker, check: Callable[[], None] = lambda: None) -> Job[Nothing]:
    """Return a job that reads the secrets of a worker."""
    record = replace(a_job(), attempt=1)
    return Job(a_context(record, check=check, secrets=worker.secrets), Nothing())
