"""A client with scripted answers. It records its requests and its pauses."""

from datetime import timedelta
from typing import Any

import httpx2

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client import Client

URL = "https://jobs.example.com"
ACCEPTED = {"job_id": "j1", "status": "queued", "outcome": "created", "estimated_time_seconds": 1}
JOB = {"job_id": "j1", "analysis": "greeting", "status": "completed", "result": 1}


class Answers:
    """Gives these answers in order, then the last one for ever. An exception is raised. Records the requests."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def answered(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json=body, headers=headers)


class RecordingClock(ManualClock):
    """A manual clock that records its pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def sleep(self, duration: timedelta) -> None:
        self.pauses.append(duration.total_seconds())
        super().sleep(duration)


def a_client(answers: Answers, token: Any = "t", **options: Any) -> Client:  # noqa: S107 - not a secret
    return Client(URL, token, transport=httpx2.MockTransport(answers), **{"clock": RecordingClock(), **options})
