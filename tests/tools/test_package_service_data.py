"""The descriptions of services in a package have no texts, and clients behave as with the whole descriptions."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest

from analysis_jobs_dev.packager.service_data import lighten, without_texts

DATA = Path(botocore.__file__).with_name("data")
SERVICES = ("dynamodb", "s3", "sesv2", "sqs")
# Prints what a client of each service does with a request, without sending it.
ASKED = """
import json, sys
import botocore.session
from botocore.loaders import Loader
# Not a search path: botocore resolves endpoints in another way if the descriptions are not its own.
Loader.BUILTIN_DATA_PATH = sys.argv[1]
session = botocore.session.Session()
session.set_credentials("x", "y")
asked = []

def note(request, operation_name, **_):
    asked.append([operation_name, request.method, request.url, str(request.body).partition(" at 0x")[0]])
    raise InterruptedError

def call(service, method, region="eu-west-1", **arguments):
    client = session.create_client(service, region)
    client.meta.events.register("before-sign", note)
    try:
        getattr(client, method)(**arguments)
    except InterruptedError:
        pass

call("dynamodb", "get_item", TableName="t", Key={"a": {"S": "1"}})
call("dynamodb", "get_item", "cn-north-1", TableName="t", Key={"a": {"S": "1"}})
call("s3", "put_object", Bucket="bucket", Key="k", Body=b"1")
call("s3", "get_object", "us-gov-west-1", Bucket="arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/a", Key="k")
call("sesv2", "get_account")
call("sqs", "send_message", QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="m")
regions = {each: session.get_available_regions(each) for each in ("dynamodb", "s3", "sesv2", "sqs")}
waiters = session.create_client("s3", "eu-west-1").waiter_names
print(json.dumps([asked, regions, waiters, session.get_available_partitions()]))
"""


def test_only_texts_for_people_go() -> None:
    described: dict[str, Any] = {
        "documentation": "a service",
        "shapes": {"A": {"documentation": "a", "members": {"documentation": {"shape": "B", "documentation": "b"}}}},
        "operations": {"Get": {"errors": [{"shape": "C", "documentation": "c"}]}},
        "clientContextParams": {"Fast": {"type": "boolean", "documentation": "kept"}},
        "required": ["documentation"],
    }
    assert without_texts(described) == {
        "shapes": {"A": {"members": {"documentation": {"shape": "B"}}}},
        "operations": {"Get": {"errors": [{"shape": "C"}]}},
        "clientContextParams": {"Fast": {"type": "boolean", "documentation": "kept"}},
        "required": ["documentation"],
    }


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the descriptions of some services, and lighten them."""
    data = tmp_path_factory.mktemp("botocore") / "data"
    for service in SERVICES:
        shutil.copytree(DATA / service, data / service)
    for file in DATA.glob("*.json"):
        shutil.copy(file, data)
    lighten(data, SERVICES)
    return data


def asked(data: Path) -> Any:
    environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", ASKED, str(data)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def test_clients_send_the_same_requests(light: Path) -> None:
    requests, regions, waiters, partitions = expected = asked(DATA)
    assert asked(light) == expected
    assert len(requests) == 6
    assert all(regions.values())
    assert waiters
    assert len(partitions) > 5


def test_the_descriptions_are_small_and_of_these_services_only(light: Path) -> None:
    described = [gzip.decompress(path.read_bytes()) for path in light.rglob("*.json.gz")]
    assert len(described) >= 2 * len(SERVICES)
    assert sum(map(len, described)) < 1_000_000
    endpoints = json.loads((light / "endpoints.json").read_text(encoding="utf-8"))
    kept = {name for partition in endpoints["partitions"] for name in partition["services"]}
    assert kept == {"dynamodb", "email", "s3", "sqs"}
