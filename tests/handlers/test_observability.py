"""Log lines are JSON, and counters use CloudWatch's embedded metric format."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from analysis_jobs.base.observability import count, flush
from tests.handlers.pdfs import REPOSITORY

_PROGRAM = """
from analysis_jobs.base.observability import count, flush, log

def answer_a_call():
    log("job.claimed", "claimed", job_id="j1", tenant="acme", attempt=1, code_version=None)

answer_a_call()
try:
    try:
        {}["a fault"]
    except KeyError as cause:
        raise ValueError("a fault") from cause
except ValueError as error:
    log("job.error", "it \\u00e4chzt", error=error, job_id="j1")
count("JobsCompleted")
count("JobsCompleted", 2)
count("JobsFailed")
flush()
flush()
"""


@pytest.fixture(scope="module")
def lines() -> list[Any]:
    """Return the lines that a function writes, as CloudWatch reads them."""
    environment = {
        "PYTHONPATH": str(REPOSITORY / "handlers"),
        "PYTHONIOENCODING": "utf-8",
        "POWERTOOLS_SERVICE_NAME": "rfp-prod",
        "POWERTOOLS_METRICS_NAMESPACE": "AnalysisJobs",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    run = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_line_has_fields_for_programs_and_a_sentence_for_people(lines: list[Any]) -> None:
    line = lines[0]
    assert line["event"] == "job.claimed"
    assert line["message"] == "claimed"
    assert (line["level"], line["service"]) == ("INFO", "rfp-prod")
    assert (line["job_id"], line["tenant"], line["attempt"]) == ("j1", "acme", 1)
    assert line["timestamp"].endswith("+0000"), "times are in UTC"


def test_a_field_without_a_value_is_omitted(lines: list[Any]) -> None:
    assert "code_version" not in lines[0]


def test_the_location_of_a_line_is_the_code_that_logged_it(lines: list[Any]) -> None:
    assert lines[0]["location"].startswith("answer_a_call:")


def test_an_error_is_a_warning_with_its_class_its_places_and_its_causes(lines: list[Any]) -> None:
    line = lines[1]
    assert (line["level"], line["event"], line["message"]) == ("WARNING", "job.error", "it \u00e4chzt")
    assert line["exception_name"] == "ValueError"
    assert line["exception"] == "ValueError at <string>:12 in <module>"
    assert line["causes"] == ["KeyError at <string>:10 in <module>"]
    assert line["stack"] == ["<string>:12 in <module>"]


def test_counters_are_one_line_of_embedded_metrics(lines: list[Any]) -> None:
    assert len(lines) == 3, "a second flush writes nothing"
    metrics = lines[2]
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "AnalysisJobs"
    assert directive["Dimensions"] == [["service"]]
    assert directive["Metrics"] == [
        {"Name": "JobsCompleted", "Unit": "Count"},
        {"Name": "JobsFailed", "Unit": "Count"},
    ]
    assert (metrics["service"], metrics["JobsCompleted"], metrics["JobsFailed"]) == ("rfp-prod", [1.0, 2.0], [1.0])
    assert metrics["_aws"]["Timestamp"] > 1_700_000_000_000, "milliseconds"


def test_counting_in_threads_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    flush()
    capsys.readouterr()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: count("JobsCompleted"), range(1_000)))
    flush()
    written = [json.loads(line)["JobsCompleted"] for line in capsys.readouterr().out.splitlines()]
    assert sum(map(sum, written)) == 1_000


def test_at_a_higher_level_metrics_and_the_audit_trail_are_still_written() -> None:
    program = (
        "from analysis_jobs.base import audit\n"
        "from analysis_jobs.base.observability import count, flush, log\n"
        "log('job.claimed', 'claimed')\n"
        "audit.record('job.cancelled', tenant='acme')\n"
        "count('JobsCancelled'); flush()"
    )
    environment = {
        "PYTHONPATH": str(REPOSITORY / "handlers"),
        "AWS_LAMBDA_LOG_LEVEL": "INFO",  # Lambda sets it from the function's own level, which the module keeps at INFO
        "POWERTOOLS_LOG_LEVEL": "WARNING",
        "POWERTOOLS_SERVICE_NAME": "rfp-prod",
    }
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    line, metrics = map(json.loads, run.stdout.splitlines())
    assert (line["event"], line["level"], line["tenant"]) == ("audit.job.cancelled", "INFO", "acme")
    assert metrics["JobsCancelled"] == [1.0]
