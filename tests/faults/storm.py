"""The storm: jobs are submitted while workers and sweepers are killed and paused, and AWS and the model fail."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from analysis_jobs.jobs.record import JobKey, JobRecord
from analysis_jobs_dev.cloud.stand_in.scenarios import Scenario
from tests.faults.chaos import NO_FAULTS, OUTAGE, FaultRates
from tests.faults.local_aws import LocalAws

STORM_RATES = FaultRates(
    refuse=0.02,
    refuse_lost=0.01,
    reset=0.01,
    reset_lost=0.01,
    slow=0.05,
    hang=0.003,
    send_twice=0.15,
    refuse_some=0.2,
    slowest_s=1.0,
)
PACE = {"chunk_s": 0.05, "chunk_chars": 16}
# Faults of model calls: probability, number of calls in a row, the stand-in's scenario. Half of the calls succeed.
TROUBLE: Mapping[str, tuple[float, int, dict[str, Any]]] = {
    "throttled": (0.12, 2, {"error": "ThrottlingException"}),
    "unavailable": (0.04, 1, {"error": "ServiceUnavailableException"}),
    "throttled in mid-answer": (0.04, 1, {"stream_error": "throttlingException"}),
    "broken off": (0.04, 1, {"stream_error": "modelStreamErrorException"}),
    "cut": (0.04, 1, {"cut": "chunked"}),
    "cut in silence": (0.04, 1, {"cut": "unchunked"}),
    "reset": (0.03, 1, {"cut": "reset"}),
    "spoiled": (0.03, 1, {"bad_checksum": True}),
    "hanging": (0.04, 1, {"stall_s": 12.0}),
    "nonsense once": (0.05, 1, {"nonsense": True}),
    "nonsense twice": (0.02, 2, {"nonsense": True}),
    "refused": (0.02, 1, {"error": "ValidationException"}),
}
STAGES = ("draft", "estimate")


@dataclass(frozen=True)
class Size:
    """The size of a storm. Times are in seconds."""

    jobs: int
    workers: int
    jobs_per_s: float
    kill_every_s: float
    pause_every_s: float
    outage_every_s: float
    limit_s: float


@dataclass
class Storm:
    """`with Storm(aws, size, seed) as storm`: injects faults until the block is left.

    `kills` are (process, Unix time). `errors` are exceptions of the storm's own threads.
    """

    aws: LocalAws
    size: Size
    seed: int
    accepted: list[JobKey] = field(default_factory=list)
    kills: list[tuple[int, float]] = field(default_factory=list)
    pauses: int = 0
    outages: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._over = threading.Event()
        self._all_in = threading.Event()
        self._running: dict[int, str] = {}
        self._lock = threading.Lock()
        forces = (self._submit, self._kill, self._pause, self._start_outages)
        self._threads = [threading.Thread(target=self._guarded, args=(force,)) for force in forces]

    def __enter__(self) -> Self:
        self._set_trouble()
        for _ in range(self.size.workers):
            self._spawn("worker")
        for _ in range(2):
            self._spawn("sweeper")
        self.aws.proxy.rates = STORM_RATES
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.aws.proxy.rates = NO_FAULTS

    def wait(self) -> dict[str, JobRecord]:
        """Return the jobs once all were accepted and have ended, or at the time limit."""
        deadline = time.monotonic() + self.size.limit_s
        while True:
            jobs = self.aws.jobs()
            done = self._all_in.is_set() and all(job.status.ended for job in jobs.values())
            if done or self.errors or time.monotonic() > deadline:
                return jobs
            time.sleep(0.5)

    def _set_trouble(self) -> None:
        scenarios = []
        for number in range(self.size.jobs):
            for stage in STAGES:
                names, weights = zip(*((name, each[0]) for name, each in TROUBLE.items()), strict=True)
                [drawn] = self._random.choices([*names, ""], [*weights, 1 - sum(weights)])
                if drawn:
                    _, times, fields = TROUBLE[drawn]
                    scenarios.append(
                        Scenario.model_validate({"match": f"[{number}/{stage}]", "times": times, **PACE, **fields})
                    )
                    self.troubles[drawn] += 1
        self.aws.stand_in.set(*scenarios, **PACE)

    def _spawn(self, role: str) -> None:
        name = self.aws.fleet.spawn(role, batch=1 + len(self._running) % 2, forget_to_delete=0.1)
        self._running[name] = role

    def _guarded(self, force: Callable[[], None]) -> None:
        try:
            force()
        except Exception as error:  # noqa: BLE001 - the test fails if a thread of the storm did
            self.errors.append(error)

    def _submit(self) -> None:
        for number in range(self.size.jobs):
            if self._over.wait(self._random.expovariate(self.size.jobs_per_s)):
                return
            self.accepted.append(self.aws.submit(number))
        self._all_in.set()

    def _kill(self) -> None:
        while not self._over.wait(self._random.uniform(0.5, 1.5) * self.size.kill_every_s):
            with self._lock:
                name, role = self._random.choice(list(self._running.items()))
                self.aws.fleet.signal(name, signal.SIGKILL)
                self.kills.append((name, time.time()))
                del self._running[name]
                self._spawn(role)

    def _pause(self) -> None:
        """Pause a worker for longer than its lease, then resume it. It does not know that it lost the job."""
        while not self._over.wait(self._random.uniform(0.5, 1.5) * self.size.pause_every_s):
            with self._lock:
                name = self._random.choice([name for name, role in self._running.items() if role == "worker"])
                self.pauses += self.aws.fleet.signal(name, signal.SIGSTOP)
                del self._running[name]  # so that `_kill` does not choose it
            self._over.wait(self._random.uniform(1.2, 3.0) * self.aws.lease_s)
            with self._lock:
                if self.aws.fleet.signal(name, signal.SIGCONT):
                    self._running[name] = "worker"

    def _start_outages(self) -> None:
        while not self._over.wait(self._random.uniform(0.5, 1.5) * self.size.outage_every_s):
            self.aws.proxy.rates = OUTAGE
            self.outages += 1
            self._over.wait(self._random.uniform(0.5, 2.0))
            self.aws.proxy.rates = STORM_RATES
