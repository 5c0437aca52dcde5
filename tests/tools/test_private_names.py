"""The names of other packages that this repository uses although their documentation does not promise them.

Nothing public offers what these give. A new version may move them, so each of these packages has an upper bound in
pyproject.toml. Before you raise a bound, run this file with the new version: it says which name has moved, and which
file needs it.
"""

import ast
import http.server
import json
import re
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from operator import attrgetter
from typing import Any

import boto3
import httpx2
import pytest
from botocore import awsrequest
from google import genai
from google.genai import types
from moto.core import models as moto_core
from moto.sqs import models as moto_sqs

from analysis_jobs_dev.cloud import ministack
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from tests.handlers.pdfs import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


# What the paths below begin with.
ROOTS: dict[str, Callable[[], Any]] = {
    "awsrequest": lambda: awsrequest,
    "client": lambda: boto3.client(
        "sts", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    ),
    "gemini": lambda: genai.Client(api_key="test"),
    "moto_core": lambda: moto_core,
    "moto_sqs": lambda: moto_sqs,
    "types": lambda: types,
}
# package -> path -> the file that needs it
PRIVATE = {
    "botocore": {
        "awsrequest.AWSHTTPConnection.request": "handlers/analysis_jobs/llm/sockets.py",
        "awsrequest.AWSHTTPConnectionPool.ConnectionCls": "handlers/analysis_jobs/llm/sockets.py",
        "awsrequest.AWSHTTPSConnection.request": "handlers/analysis_jobs/llm/sockets.py",
        "awsrequest.AWSHTTPSConnectionPool.ConnectionCls": "handlers/analysis_jobs/llm/sockets.py",
        "client._endpoint.http_session._manager": "handlers/analysis_jobs/stores/clients.py",
        "client._endpoint.http_session._manager.connection_pool_kw": "handlers/analysis_jobs/stores/clients.py",
        "client._endpoint.http_session._pool_classes_by_scheme": "handlers/analysis_jobs/llm/sockets.py",
    },
    "google-genai": {
        "gemini._api_client": "handlers/analysis_jobs/llm/gemini/model.py",
        "gemini._api_client.request_streamed": "handlers/analysis_jobs/llm/gemini/model.py",
        "types.HttpOptions.model_fields.async_client_args": "handlers/analysis_jobs/llm/gemini/model.py",
        "types.HttpOptions.model_fields.httpx_async_client": "handlers/analysis_jobs/llm/gemini/model.py",
        "types.HttpOptions.model_fields.httpx_client": "handlers/analysis_jobs/llm/gemini/model.py",
    },
    "moto": {
        "moto_core.botocore_stubber": "tests/faults/crash_aws.py",
        "moto_sqs.sqs_backends": "tests/faults/crash_site.py",
        "moto_sqs.unix_time": "tests/faults/crash_site.py",
        "moto_sqs.unix_time_millis": "tests/faults/crash_site.py",
    },
}
# MiniStack runs in an environment of its own, so another Python looks for these.
OF_MINISTACK = {
    "apigateway._apis": "tools/analysis_jobs_dev/cloud/emulator/enforcement.py",
    "apigateway._fetch_jwks": "tools/analysis_jobs_dev/cloud/emulator/issuers.py",
    "apigateway._fetch_oidc_jwks_uri": "tools/analysis_jobs_dev/cloud/emulator/issuers.py",
    "apigateway._get_authorizer": "tools/analysis_jobs_dev/cloud/emulator/descriptions.py",
    "cloudwatch._alarms": "tools/analysis_jobs_dev/cloud/emulator/descriptions.py",
    "cloudwatch._describe_alarms": "tools/analysis_jobs_dev/cloud/emulator/descriptions.py",
    "dynamodb._tables": "tools/analysis_jobs_dev/cloud/emulator/enforcement.py",
    "eventbridge._put_events": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "eventbridge.error_response_json": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam._IAM_HANDLERS": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam._error": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam._p": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam._put_role_policy": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam._roles": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "iam_actions.extract_resource_arn": "tools/analysis_jobs_dev/cloud/serve.py",
    "iam_actions.request_tag_context": "tools/analysis_jobs_dev/cloud/emulator/conditions.py",
    "kms._aliases": "tools/analysis_jobs_dev/cloud/emulator/enforcement.py",
    "lambda_runtime.Worker._drain_stderr_bounded": "tools/analysis_jobs_dev/cloud/serve.py",
    "lambda_svc._create_function": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "lambda_svc._effective_func_record_for_qualifier": "tools/analysis_jobs_dev/cloud/emulator/weights.py",
    "lambda_svc._esms": "tools/analysis_jobs_dev/cloud/emulator/enforcement.py",
    "lambda_svc._execute_function": "tools/analysis_jobs_dev/cloud/emulator/payloads.py",
    "lambda_svc._functions": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "lambda_svc._invoke": "tools/analysis_jobs_dev/cloud/emulator/weights.py",
    "lambda_svc._invoke_depth": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "lambda_svc._qp_first": "tools/analysis_jobs_dev/cloud/emulator/weights.py",
    "lambda_svc._recursive_loop_drop": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "lambda_svc._run_sqs_batch": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "lambda_svc._update_config": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "lambda_svc.error_response_json": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "sqs._Err": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "sqs._HANDLERS": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "sqs._act_send_message": "tools/analysis_jobs_dev/cloud/emulator/quotas.py",
    "sqs._delete_messages_for_esm": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "sqs._dlq_sweep": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "sqs._get_q": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "sqs._queues_lock": "tools/analysis_jobs_dev/cloud/emulator/chains.py",
    "worker._proc": "tools/analysis_jobs_dev/cloud/serve.py",
    "worker._stderr_queue": "tools/analysis_jobs_dev/cloud/serve.py",
}
_IN_MINISTACK = """
import json, operator, sys
from ministack.core import iam_actions, lambda_runtime
from ministack.services import apigateway, cloudwatch, dynamodb, eventbridge, iam, kms, lambda_svc, sqs

modules = (apigateway, cloudwatch, dynamodb, eventbridge, iam, iam_actions, kms, lambda_runtime, lambda_svc, sqs)
roots = {module.__name__.rpartition(".")[2]: module for module in modules}
roots["worker"] = lambda_runtime.Worker("f", {}, b"")

def is_there(path):
    root, _, attributes = path.partition(".")
    try:
        operator.attrgetter(attributes)(roots[root])
    except AttributeError:
        return False
    return True

print(json.dumps([path for path in json.load(sys.stdin) if not is_there(path)]))
"""


def _is_there(path: str) -> bool:
    root, *names = path.split(".")
    found = ROOTS[root]()
    for name in names:
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
        if found is None:
            return False
    return True


def _moved(package: str, release: str, names: Mapping[str, str], missing: Iterable[str]) -> list[str]:
    return [
        f"{package} {release} has no {path}, which {names[path]} needs: change that file, or keep the upper bound "
        f"of {package} in pyproject.toml below this version"
        for path in missing
    ]


@pytest.mark.parametrize("package", PRIVATE)
def test_the_private_names_that_we_use_are_where_they_were(package: str) -> None:
    names = PRIVATE[package]
    assert _moved(package, version(package), names, [path for path in names if not _is_there(path)]) == []


def test_ministacks_private_names_are_where_they_were() -> None:
    python = interpreter()
    found = subprocess.run(
        [python, "-c", _IN_MINISTACK], input=json.dumps(list(OF_MINISTACK)), capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    missing = json.loads(found.stdout)
    assert _moved("ministack", ministack.version(python), OF_MINISTACK, missing) == []


def test_one_dictionary_has_the_pool_classes_of_a_client_and_of_its_proxies() -> None:
    """`note_sockets` replaces the classes in place: botocore must not copy the dictionary."""
    session = attrgetter("_endpoint.http_session")(ROOTS["client"]())
    classes, direct, proxied = attrgetter("_pool_classes_by_scheme", "_manager", "_get_proxy_manager")(session)
    assert classes == {"http": awsrequest.AWSHTTPConnectionPool, "https": awsrequest.AWSHTTPSConnectionPool}
    assert direct.pool_classes_by_scheme is classes
    assert proxied("http://localhost:9").pool_classes_by_scheme is classes


def test_httpx2_tells_its_trace_of_the_socket_when_it_is_connected() -> None:
    """The names of the events are httpcore2's, and no part of its documented interface."""
    told: dict[str, Any] = {}

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with httpx2.Client(trust_env=False) as client:
            client.get(url, extensions={"trace": told.__setitem__})
        server.shutdown()
        thread.join()
    connected = told["connection.connect_tcp.complete"]["return_value"]
    assert hasattr(connected.get_extra_info("socket"), "shutdown")


def test_a_name_that_has_moved_is_told_with_the_file_that_needs_it() -> None:
    paths = ("client._endpoint", "client._gone", "client._gone.further")
    assert [_is_there(path) for path in paths] == [True, False, False]
    [told] = _moved("moto", "9.0", {"moto_sqs.unix_time": "crash_site.py"}, ["moto_sqs.unix_time"])
    assert told == (
        "moto 9.0 has no moto_sqs.unix_time, which crash_site.py needs: change that file, or keep the upper bound "
        "of moto in pyproject.toml below this version"
    )


@pytest.mark.parametrize(
    ("path", "file"), [each for names in (*PRIVATE.values(), OF_MINISTACK) for each in names.items()]
)
def test_the_file_that_is_said_to_need_a_name_uses_it(path: str, file: str) -> None:
    assert re.search(rf"\b{path.rpartition('.')[2]}\b", (REPOSITORY / file).read_text(encoding="utf-8"))


def _private_attributes(source: str) -> Iterator[str]:
    """Yield the private attributes of other objects than `self` and `cls`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(ast.Name("self" | "cls" | "other"), _):
                pass
            case ast.Attribute(ast.Name("os"), "_exit"):  # documented
                pass
            case ast.Attribute(_, name) if re.match("_[^_]", name):
                yield name


@pytest.mark.parametrize("folder", ["handlers", "tools", "envs", "examples"])
def test_no_other_private_name_is_used(folder: str) -> None:
    known = {path.rpartition(".")[2] for names in (*PRIVATE.values(), OF_MINISTACK) for path in names}
    known |= {"_endpoint"}
    known |= {"_api", "_sweeper", "_worker"}  # of our own handlers: what the benchmarks make anew
    paths = sorted((REPOSITORY / folder).rglob("*.py"))
    used = {f"{path.name}: {name}" for path in paths for name in _private_attributes(path.read_text(encoding="utf-8"))}
    assert {each for each in used if each.rpartition(" ")[2] not in known} == set()


@pytest.mark.parametrize("package", [*PRIVATE, "boto3", "httpx2", "ministack"])
def test_a_package_with_private_names_has_an_upper_bound(package: str) -> None:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    lists = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    [given] = {each for listed in lists for each in listed if re.match(rf"{package}\b(?!-)", each)}
    assert re.search(r"<\d|==", given), f"{given}: give it an upper bound"
