"""A request that Terraform sends again is answered as the first one. Each other request is served."""

import asyncio
from typing import Any

from analysis_jobs_dev.cloud.emulator import repeats

TERRAFORM = (b"User-Agent", b"APN/1.0 HashiCorp/1.0 Terraform/1.11.4")
BOTO3 = (b"User-Agent", b"Boto3/1.44")


class Service:
    """Makes a log group once. `statuses` come first."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.made = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await self.gate.wait()
        status = self.statuses.pop(0) if self.statuses else 200 if self.made == 0 else 400
        self.made += status == 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"made" if status == 200 else b"ResourceAlreadyExists"})


async def ask(app: Any, request_id: bytes | None, agent: tuple[bytes, bytes] = TERRAFORM) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [agent] + ([(b"Amz-Sdk-Invocation-Id", request_id)] if request_id else [])
    await app({"type": "http", "headers": headers}, None, send)
    return sent[0]["status"], sent[1]["body"]


def run(*requests: tuple[bytes | None, tuple[bytes, bytes]], service: Service | None = None) -> list[int]:
    async def all_of_them() -> list[int]:
        app = repeats.remembering(service or Service())
        return [(await ask(app, *request))[0] for request in requests]

    return asyncio.run(all_of_them())


def test_a_repeated_request_of_terraform_gets_the_first_answer() -> None:
    assert run((b"1", TERRAFORM), (b"1", TERRAFORM)) == [200, 200]


def test_another_request_is_served() -> None:
    assert run((b"1", TERRAFORM), (b"2", TERRAFORM)) == [200, 400]
    assert run((None, TERRAFORM), (None, TERRAFORM)) == [200, 400]


def test_a_repeated_request_of_a_function_is_served() -> None:
    assert run((b"1", BOTO3), (b"1", BOTO3)) == [200, 400]


def test_a_failed_request_is_tried_again() -> None:
    assert run((b"1", TERRAFORM), (b"1", TERRAFORM), service=Service(503)) == [503, 200]


def test_a_request_whose_client_has_gone_is_finished_once() -> None:
    async def gone_and_back() -> tuple[tuple[int, bytes], int]:
        service = Service()
        app = repeats.remembering(service)
        service.gate.clear()
        first = asyncio.ensure_future(ask(app, b"1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        second = asyncio.ensure_future(ask(app, b"1"))
        await asyncio.sleep(0)
        service.gate.set()
        return await second, service.made

    assert asyncio.run(gone_and_back()) == ((200, b"made"), 1)
