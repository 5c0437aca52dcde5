"""What a cold start must not do: import what the function does not need, or read the environment.

What it costs in time is measured by `make bench`.
"""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.handlers.pdfs import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
HANDLERS = ("api", "worker", "sweeper", "events")
PATH = os.pathsep.join(str(REPOSITORY / folder) for folder in ("handlers", "examples/rfp-analysis"))
ENVIRONMENT = {
    "ANALYSES": "rfp_analysis",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_SECRET_ACCESS_KEY": "test",
    "BUCKET_NAME": "artifacts",
    "EVENT_BUS_NAME": "default",
    "EVENT_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/events",
    "MODEL_ID": "some.model",
    "POWERTOOLS_SERVICE_NAME": "tests",
    "PROMPT_TABLE_NAME": "prompts",
    "QUEUE_URLS": '{"medium": "https://sqs.eu-west-1.amazonaws.com/1/jobs"}',
    "TABLE_NAME": "jobs",
}


def _run(program: str, **environment: str) -> str:
    variables = {"PYTHONPATH": PATH} | environment
    run = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", "there are no warnings"
    return run.stdout


# A handler as it is when the first event was answered: everything made that is made once.
_READY = """
import json, sys
import {handler}
{handler}._{handler}()
print(json.dumps(sorted(sys.modules)))
"""
# What every package carries. Any other distribution would slow every cold start.
_OF_EVERY_PACKAGE = {
    *("annotated_types", "aws_lambda_powertools", "boto3", "botocore", "certifi", "dateutil", "jmespath", "pydantic"),
    *("pydantic_core", "s3transfer", "six", "typing_extensions", "typing_inspection", "urllib3"),
    "snapshot_restore_py",  # of Lambda's runtime, a few lines
}
_OURS = {"analysis_jobs", "document_reader", "rfp_analysis", *HANDLERS}
_NOBODY = {
    *(
        "analysis_jobs.cli",
        "aws_lambda_powertools.event_handler",
        "analysis_jobs.moving",
        "analysis_jobs.testing",
        "analysis_jobs_dev",
        "aws_xray_sdk",
        "google",
        "httpx2",
        "moto",
        "opentelemetry",
        "pypdfium2",
        "pytest",
    ),
    "tests",
}
_EXTRAS = {
    *("PIL", "chardet", "chardetng_py", "defusedxml", "docx", "lxml", "openpyxl", "pi_heif", "pptx", "psycopg"),
    *("striprtf", "tesserocr", "xlsxwriter"),
}
_NOT_FOR_SMALL_FUNCTIONS = {
    *("analysis_jobs.api.routes", "analysis_jobs.authoring", "analysis_jobs.documents", "analysis_jobs.llm"),
    *("analysis_jobs.submission", "analysis_jobs.worker.worker", "document_reader", "rfp_analysis"),
}
_UNWANTED = {
    "api": {
        "analysis_jobs.documents.reader",
        "analysis_jobs.llm.bedrock.model",
        "analysis_jobs.worker.worker",
        "analysis_jobs.worker.heartbeat",
    },
    "worker": {"analysis_jobs.api.routes", "analysis_jobs.submission"},
    "sweeper": _NOT_FOR_SMALL_FUNCTIONS,
    "events": _NOT_FOR_SMALL_FUNCTIONS | {"analysis_jobs.sweeper"},
}
_LACKS = dict.fromkeys(HANDLERS, ("ANALYSES", "TABLE_NAME", "BUCKET_NAME", "QUEUE_URLS")) | {
    "events": ("EVENT_BUS_NAME", "EVENT_DEAD_LETTER_QUEUE_URL", "POWERTOOLS_SERVICE_NAME")
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_ready_handler_has_imported_only_modules_that_it_uses(handler: str) -> None:
    imported = set(json.loads(_run(_READY.format(handler=handler), **ENVIRONMENT)))
    assert imported & (_NOBODY | _UNWANTED[handler]) == set()
    distributions = {name.partition(".")[0] for name in imported if not name.startswith("_")}
    assert distributions - sys.stdlib_module_names - _OURS <= _OF_EVERY_PACKAGE
    assert "analysis_jobs.base.settings" in imported


@pytest.mark.parametrize(("handler", "is_traced"), [("api", True), ("worker", True), ("sweeper", False)])
def test_a_function_imports_opentelemetry_only_with_the_setting(handler: str, *, is_traced: bool) -> None:
    """`events` does not read the setting."""
    imported = set(json.loads(_run(_READY.format(handler=handler), **ENVIRONMENT, OPENTELEMETRY="true")))
    assert ("opentelemetry" in imported) == is_traced
    assert ("analysis_jobs.llm.traced" in imported) == (handler == "worker")


@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/main.tf")))
def test_the_api_of_an_example_does_not_import_modules_of_its_worker(example: str) -> None:
    [analysis] = re.findall(r'analyses += \["(\w+)"\]', (EXAMPLES / example / "main.tf").read_text(encoding="utf-8"))
    own = {
        "ANALYSES": analysis,
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY / "handlers", EXAMPLES / example))),
        "QUEUE_URLS": json.dumps(
            dict.fromkeys(("high", "medium", "low"), "https://sqs.eu-west-1.amazonaws.com/1/jobs")
        ),
    }
    imported = set(json.loads(_run(_READY.format(handler="api"), **ENVIRONMENT | own)))
    assert imported & (_NOBODY | _UNWANTED["api"] | _EXTRAS) == set()
    assert analysis in imported


# What a backend or a declaration of an analysis must not pay for: AWS, the command line, the document reader, an event
# loop. The client imports httpx2 for its first request.
_NOT_FOR_OTHERS = {"aws_lambda_powertools", "asyncio", "boto3", "botocore", "httpx2", "pypdfium2", "rich", "typer"} | {
    "opentelemetry",
    "urllib3",
}


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("import analysis_jobs", _NOT_FOR_OTHERS | {"pydantic"}),
        ("from analysis_jobs import *", _NOT_FOR_OTHERS | {"analysis_jobs.llm", "subprocess"}),
        ("import analysis_jobs.client", _NOT_FOR_OTHERS | {"analysis_jobs.authoring", "pydantic"}),
    ],
)
def test_a_client_and_a_declaration_import_only_what_they_use(program: str, unwanted: set[str]) -> None:
    imported = set(json.loads(_run(f"import json, sys\n{program}\nprint(json.dumps(sorted(sys.modules)))")))
    assert imported & unwanted == set()
    assert "analysis_jobs" in imported


# Reports the reader of each variable: the first frame outside the code of `os.environ`.
_WATCHED = """
import json, os, sys

asked = []

class Watched(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen"):
            frame = frame.f_back
        asked.append([name, frame.f_code.co_filename])
        return super().__getitem__(name)

os.environ.__class__ = Watched
import {module}
print(json.dumps(asked))
"""


def _asked_at_import(module: str) -> list[Any]:
    asked = json.loads(_run(_WATCHED.format(module=module)))
    return [[name, file] for name, file in asked if file.startswith(str(REPOSITORY / "handlers"))]


@pytest.mark.parametrize("module", [*HANDLERS, "analysis_jobs.cli.main", "rfp_analysis"])
def test_no_module_of_the_library_reads_the_environment_at_import(module: str) -> None:
    assert _asked_at_import(module) == []


def test_the_watch_sees_every_read_of_a_variable() -> None:
    program = _WATCHED.format(module="os") + "os.environ.get('HOME'); os.getenv('USER')\nprint(json.dumps(asked))"
    asked = json.loads(_run(program).splitlines()[-1])
    assert [name for name, _ in asked] == ["HOME", "USER"]


@pytest.mark.parametrize("handler", HANDLERS)
def test_without_its_environment_a_handler_names_the_missing_variables(handler: str) -> None:
    program = (
        f"import {handler}\nfrom analysis_jobs.base.errors import ConfigurationError\n"
        f"try:\n    {handler}._{handler}()\nexcept ConfigurationError as error:\n    print(error)"
    )
    said = _run(program)
    assert all(name in said for name in _LACKS[handler])
