"""AWS on this machine over TLS, in a process of its own: moto's server, with the table, the queue and the bucket."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3

from analysis_jobs_dev.cloud.certificates import certificates
from bench.processes import OF_BENCHMARKS, REPOSITORY, environment
from tests.handlers.aws import REGION, create_job_table
from tests.handlers.deployment import create_prompt_table


@dataclass(frozen=True)
class Emulated:
    """A running emulator: its address, the certificates that clients trust, and the URL of its queue."""

    url: str
    bundle: Path
    queue_url: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a function that uses it."""
        return {
            "AWS_CA_BUNDLE": str(self.bundle),
            "AWS_ENDPOINT_URL": self.url,
            "QUEUE_URLS": json.dumps({"medium": self.queue_url}),
        }

    def client(self, service: str) -> Any:  # noqa: ANN401 - as boto3
        """Return a client of a service."""
        return _client(self.url, self.bundle, service)


@contextmanager
def emulated(folder: Path) -> Iterator[Emulated]:
    """Run the emulator while the block runs."""
    with server("moto_process", folder) as (url, bundle):
        queue_url = _client(url, bundle, "sqs").create_queue(QueueName="jobs")["QueueUrl"]
        create_job_table(_client(url, bundle, "dynamodb"), "jobs")
        create_prompt_table(_client(url, bundle, "dynamodb"), "prompts")
        where: Any = {"LocationConstraint": REGION}
        _client(url, bundle, "s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration=where)
        yield Emulated(url, bundle, queue_url)


@contextmanager
def server(module: str, folder: Path, *arguments: str) -> Iterator[tuple[str, Path]]:
    """Run a server of the benchmarks. It prints its port. Yield its address, and the certificates to trust."""
    found = certificates(folder / "certificates")
    command = [sys.executable, "-m", f"bench.{module}", str(found.chain), str(found.key), *arguments]
    with _process(command) as output:
        port = int(output.readline())
        threading.Thread(target=output.read, daemon=True).start()  # a full pipe would stop it
        yield f"https://127.0.0.1:{port}", found.bundle


@contextmanager
def _process(command: Sequence[str]) -> Iterator[IO[str]]:
    process = subprocess.Popen(
        command,
        env=environment(OF_BENCHMARKS),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdout:
            yield process.stdout
    finally:
        process.kill()
        process.wait()


def _client(url: str, bundle: Path, service: str) -> Any:  # noqa: ANN401 - as boto3
    keys = {name: os.environ.get(name.upper(), "test") for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client(service, endpoint_url=url, verify=str(bundle), region_name=REGION, **keys)  # type: ignore[call-overload]
